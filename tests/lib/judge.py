# SPDX-License-Identifier: MIT
"""What the suites share: a test's directives, the environment of its programs, running gnomon, judging a run."""
import collections
import itertools
import json
import os
import re
import shutil

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/games"
MODES = ("check", "tiny", "flush", "step", "seal")
SLOWER = {"native": 1, "check": 1, "tiny": 2, "flush": 2, "step": 3, "far": 1, "seal": 3}


def environment(work, **more):
    env = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": work, "TMPDIR": work, "TZ": "UTC0", "TERM": "dumb",
           "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "SOURCE_DATE_EPOCH": "1700000000"}
    env.update({k: v for k, v in os.environ.items() if k in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "VALGRIND", "CET_GLIBC")})
    env.update(more)
    return env


def which(name):
    return shutil.which(name, path=PATH)


# what a test's leading comment may say, one `key: value` a line
KEYS = ("flags", "cc", "variant", "args", "launcher", "timeout", "needs", "modes", "verdict", "expect", "stderr", "skip-check",
        "mode-reason", "large", "libs", "status", "so", "alone", "stop-status", "optional", "setup", "may", "long", "fuzz",
        "campaign", "also", "tunables")


def directives(path):
    found = {}
    with open(path, errors="replace") as f:
        for n, line in enumerate(f):
            m = re.match(r"[\s/*#-]*([a-z-]+): +(\S.*?)\s*(\*/)?$", line)
            if m and m.group(1) in KEYS:
                found.setdefault(m.group(1), []).append(m.group(2))
            if n > 40:
                break
    return found


def knobs(mode):
    """of a mode, or of one with its number: flush=500"""
    return {"check": [], "tiny": ["-X", "tiny", "-X", "nopext", "-X", "noloop"]}.get(mode, ["-X", mode])


class Gnomon:
    """argv for `gnomon check` whose own text and events go to files beside the guest's output"""

    def __init__(self, opt, work, mode, extra=()):
        self.events = open(os.path.join(work, "events"), "w+b")
        self.log = open(os.path.join(work, "log"), "w+b")
        self.fds = (self.events.fileno(), self.log.fileno())
        self.argv = [os.path.join(opt.build, "gnomon"), "check", "--json-fd", str(self.fds[0]), "--log-fd",
                     str(self.fds[1]), *knobs(mode), *extra, "--"]

    def close(self):
        """events as objects, gnomon's text"""
        for f in (self.events, self.log):
            f.seek(0)
        events = []
        for line in self.events.read().decode(errors="surrogateescape").splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                events.append({"event": "broken", "text": line})
        log = self.log.read().decode(errors="replace")
        self.events.close()
        self.log.close()
        return events, log


def verdict(events):
    """clean, unwinds, not-clean, unchecked ..., or none"""
    last = events[-1] if events else {}
    return last.get("value", last.get("verdict")) if last.get("event") == "verdict" else None


def first_line_that_differs(a, b):
    x, y = a.decode(errors="replace").split("\n"), b.decode(errors="replace").split("\n")
    for n, (p, q) in enumerate(zip(x, y), 1):
        if p != q:
            return "line %d native: %s\nline %d here:   %s" % (n, p[:300], n, q[:300])
    return "native has %d lines, here %d" % (len(x), len(y))


def lines_that_differ(a, b):
    """the first one, and of long outputs the first twenty that only one of them has"""
    said = [first_line_that_differs(a, b)]
    x, y = (collections.Counter(t.decode(errors="replace").split("\n")) for t in (a, b))
    if sum(x.values()) > 1000:
        said += ["only native: " + t[:300] for t in itertools.islice((x - y).elements(), 20)]
        said += ["only here:   " + t[:300] for t in itertools.islice((y - x).elements(), 20)]
    return "\n".join(said)


def compare(native, r, log, stderr):
    """why this run is not like the native one, or None"""
    if r.timed_out:
        return "timeout after %.0f s" % r.seconds, r.tail() + "\n" + log[-3000:]
    if r.status != native.status:
        return "status %d, natively %d" % (r.status, native.status), r.tail() + "\n" + log[-3000:]
    if r.out != native.out:
        return "output differs", lines_that_differ(native.out, r.out) + "\n" + log[-2000:]
    if stderr and r.err != native.err:
        return "stderr differs", first_line_that_differs(native.err, r.err) + "\n" + log[-2000:]
    return None


def crossed(events, log):
    """what must not be in any run"""
    if re.search(r"^gnomon\[\d+/\d+\]: BUG ", log, re.M):
        return "the engine reports a bug"
    if any(e["event"] == "broken" for e in events):
        return "malformed JSON"
    if verdict(events) is None:
        return "no verdict"
    return None


def folder(work, name):
    path = os.path.join(work, name)
    os.makedirs(path, exist_ok=True)
    return path
