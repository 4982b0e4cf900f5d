# SPDX-License-Identifier: MIT
"""What the suites are made of: how each finds, builds and judges its tests."""
import glob
import json
import os
import re
import sys
import time

import apps
import fuzzing
import shadow
from harness import FAIL, PASS, SKIP, Job, Outcome, execute
from judge import MODES, SLOWER, Gnomon, compare, crossed, directives, environment, folder, verdict
from suites_build import build, launch, natively

# ---- func and viol: one program each, in C, C++ or assembly -----------------------------------------------------

def programs(opt, suite):
    jobs = []
    for src in sorted(glob.glob(os.path.join(opt.top, "tests", suite, "*"))):
        stem, ext = os.path.splitext(os.path.basename(src))
        if ext not in (".c", ".cc", ".S") or stem.endswith(".so"):
            continue
        d = directives(src)
        variants = d.get("variant", [None])
        for v in variants:
            label, _, flags = v.partition(":") if v else ("", "", "")
            name = "%s/%s%s" % (suite, stem, "." + label.strip() if v else "")
            judge = JUDGES.get(suite, run_func)
            jobs.append(Job(name, lambda work, a=(opt, src, name, d, flags.strip() if v else None), j=judge: j(work, *a),
                            alone="alone" in d))
    return jobs


def prepare(work, opt, src, name, d, variant):
    """builds the program and runs it natively: (what to say so far, argv, timeout, native); argv None: that is all"""
    exe, bad = build(src, work, name, d, variant)
    if bad:
        return [bad], None, 0, None
    timeout = float(d.get("timeout", [20])[0]) * opt.timeout_factor
    argv = launch(d, exe, work)
    native, o = natively(opt, name, argv, folder(work, "native"), timeout, environment(work), int(d.get("status", [0])[0]))
    if o.state != PASS:
        return [o], None, 0, None
    return [o] if "native" in opt.modes else [], argv, timeout, native


def run_func(work, opt, src, name, d, variant):
    said, argv, timeout, native = prepare(work, opt, src, name, d, variant)
    yield from said
    if not argv:
        return
    allowed = d["modes"][0].split() if "modes" in d else MODES
    also = d["also"][0].split() if "also" in d and "check" in opt.modes else []
    for mode in [m for m in opt.modes if m in allowed] + also:
        g = Gnomon(opt, work, mode)
        r = execute(g.argv + argv, folder(work, mode), timeout * SLOWER.get(mode, 1) * 2, environment(work), pass_fds=g.fds)
        events, log = g.close()
        why = compare(native, r, log, "stderr" not in d)
        if not why:
            x = crossed(events, log)
            if not x and verdict(events) not in d.get("verdict", ["clean"])[0].split():
                x = "verdict %s" % verdict(events)
            why = x and (x, log)
        yield Outcome("%s[%s]" % (name, mode), FAIL if why else PASS, *(why or ()))


def matches(event, want):
    """does the violation have what `key=value` ask? at=, call=, switcher=, expected=, actual= are symbols, deeper= a number"""
    if event.get("class") != want["class"]:
        return False
    for key, value in want.items():
        if key in ("at", "call", "switcher", "expected", "actual"):
            a = event.get(key) or {}
            if "symbol" not in a or a["symbol"] != value:
                return False
        elif key == "deeper":
            if str(event.get(key)) != value:
                return False
        elif key.endswith("_module"):
            if os.path.basename((event.get(key[:-7]) or {}).get("module", "")) != value:
                return False
        elif key.endswith("_source"):
            source = (event.get(key[:-7]) or {}).get("source", "")
            if os.path.basename(source) != value:
                return False
    return True


def run_viol(work, opt, src, name, d, variant):
    """The class and place are reported, nothing else is; the run goes on; --error-exitcode and --stop work."""
    said, argv, timeout, native = prepare(work, opt, src, name, d, variant)
    yield from said
    if not argv:
        return
    wants = []
    for line in d["expect"]:
        cls, *rest = line.split()
        wants.append(dict([w.split("=", 1) for w in rest], **{"class": cls}))
    fatal = any(w["class"] != "unwind" for w in wants)
    for mode in opt.modes:
        if mode == "native":
            continue
        g = Gnomon(opt, work, mode, ["--unwinds"])
        r = execute(g.argv + argv, folder(work, mode), timeout * SLOWER.get(mode, 1) * 2, environment(work), pass_fds=g.fds)
        events, log = g.close()
        why = compare(native, r, log, True)
        if not why:
            x = crossed(events, log)
            seen = [e for e in events if e["event"] == "violation"]
            spare = [e for e in seen if not any(matches(e, w) for w in wants)]
            lacking = [w for w in wants if not any(matches(e, w) for e in seen)]
            if not x and len(lacking) > int(d.get("optional", [0])[0]):
                x = "not reported: %s" % lacking[0]
            if not x and spare:
                x = "reported besides: %s at %s" % (spare[0].get("class"), json.dumps(spare[0].get("at")))
            if not x and verdict(events) != ("not-clean" if fatal else "unwinds"):
                x = "verdict %s" % verdict(events)
            why = x and (x, log + "\n".join(json.dumps(e) for e in seen)[:3000])
        yield Outcome("%s[%s]" % (name, mode), FAIL if why else PASS, *(why or ()))
    if "check" not in opt.modes:
        return
    want = native.status
    for label, extra, status in (("exitcode", ["--error-exitcode=99"], 99 if fatal else want),
                                 ("stop", ["--stop"], 139 if fatal else want)):
        if label == "stop" and "stop-status" in d:
            status = int(d["stop-status"][0])
        g = Gnomon(opt, work, "check", extra)
        r = execute(g.argv + argv, folder(work, label), timeout * 2, environment(work), pass_fds=g.fds)
        events, log = g.close()
        good = r.status == status and not r.timed_out
        yield Outcome("%s[%s]" % (name, label), PASS if good else FAIL, "status %d, not %d" % (r.status, status),
                      r.tail() + log)


JUDGES = {"viol": run_viol, "shstk": shadow.run_shstk, "cet": shadow.run_cet}


# ---- scripts that print TAP themselves --------------------------------------------------------------------------

def tap(work, name, argv, timeout, env):
    r = execute(argv, work, timeout, env)
    text = r.out.decode(errors="replace")
    seen = 0
    pending = None
    notes = []

    def flush():
        if pending:
            yield Outcome(pending[0], pending[1], pending[2], "\n".join(notes))

    for line in text.splitlines():
        m = re.match(r"(not )?ok\b *\d* *-? *(.*?)(?: # SKIP *(.*))?$", line, re.I)
        if m:
            yield from flush()
            notes = []
            seen += 1
            label = "%s: %s" % (name, m.group(2)) if m.group(2) else "%s: %d" % (name, seen)
            state = FAIL if m.group(1) else SKIP if m.group(3) is not None else PASS
            pending = (label, state, m.group(3) or "failed")
        elif line.startswith("#"):
            notes.append(line[1:].strip())
        elif re.match(r"1\.\.0 # SKIP", line):
            yield Outcome(name, SKIP, line.split("# SKIP", 1)[1].strip())
            seen += 1
    yield from flush()
    if r.timed_out or (r.status not in (0, 77) and "not ok" not in text) or not seen:
        yield Outcome(name, FAIL, "timeout" if r.timed_out else "status %d" % r.status, r.tail())


def scripts(opt, suite):
    jobs = []
    for path in sorted(glob.glob(os.path.join(opt.top, "tests", suite, "test_*"))):
        name = "%s/%s" % (suite, os.path.basename(path)[5:].split(".")[0])
        limit = float(directives(path).get("timeout", [300])[0]) * opt.timeout_factor
        jobs.append(Job(name, lambda work, p=path, n=name, t=limit: tap(
            work, n, [sys.executable if p.endswith(".py") else "/bin/sh", p, "--build", opt.build], t, environment(work))))
    return jobs


SEED = int(time.time())


def unit(opt, key=None):
    """Hosted tests of single modules: the comment of each has its `gcc ...` line. With `key` only those that have a line of
    that name, with the arguments that stand there; @SEED@ is another number each time."""
    jobs = []

    def go(work, src, name, args):
        with open(src) as f:
            m = re.search(r"^ \*\s+(gcc (?:.*\\\n \*)*.*)$", f.read(), re.M)
        if not m:
            yield Outcome(name, FAIL, "no gcc line in the leading comment")
            return
        exe = os.path.join(work, "prog")
        line = re.sub(r"\\\n \*", " ", m.group(1)).strip().rstrip(".")
        line = re.sub(r"\s-o \S+", "", line)
        if opt.sanitize:
            line = line.replace("gcc ", "gcc -fsanitize=address,undefined -fno-sanitize-recover=all ", 1)
        r = execute(["/bin/bash", "-c", "exec %s -o %s" % (line, exe)], opt.top, 300, environment(work))
        if r.status:
            yield Outcome(name, FAIL, "cannot build", r.tail())
            return
        argv = [exe] + args.replace("@SEED@", str(SEED)).split()
        for o in tap(work, name, argv, (7200 if key else 300) * opt.timeout_factor, environment(work)):
            if o.state == FAIL:
                o.detail += "\narguments: " + " ".join(argv[1:])
            yield o

    for src in sorted(glob.glob(os.path.join(opt.top, "tests", "unit", "*.c"))):
        stem = os.path.basename(src)[:-2]
        if not key:
            jobs.append(Job("unit/" + stem, lambda work, s=src, n="unit/" + stem: go(work, s, n, ""), cost=5))
        for args in directives(src).get(key, []):
            name = "%s/%s" % (key, stem)
            jobs.append(Job(name, lambda work, s=src, n=name, a=args: go(work, s, n, a), cost=5))
    return jobs


def lint(opt):
    def go(work, name, argv):
        yield from tap(work, name, argv, 300, environment(work))
    return [Job("lint/seams", lambda work: go(work, "lint/seams", [os.path.join(opt.top, "tools/check_seams")])),
            Job("lint/source", lambda work: go(work, "lint/source", [os.path.join(opt.top, "tools/lint"), "--build",
                                                                      opt.build]))]


SUITES = {
    "lint": lint,
    "unit": unit,
    "cli": lambda opt: scripts(opt, "cli"),
    "audit": lambda opt: scripts(opt, "audit"),
    "badinput": lambda opt: scripts(opt, "badinput"),
    "engine": lambda opt: scripts(opt, "engine"),
    "robust": lambda opt: scripts(opt, "robust"),
    "func": lambda opt: programs(opt, "func"),
    "viol": lambda opt: programs(opt, "viol"),
    "signal": lambda opt: programs(opt, "signal"),
    "threads": lambda opt: programs(opt, "threads"),
    "smc": lambda opt: programs(opt, "smc"),
    "ptrace": lambda opt: programs(opt, "ptrace"),
    "shstk": lambda opt: programs(opt, "shstk"),
    "cet": lambda opt: programs(opt, "cet") + scripts(opt, "cet"),
    "apps": apps.apps,
    # longer than anybody waits for
    "fuzz": lambda opt: unit(opt, "fuzz") + fuzzing.targets(opt),
    "campaign": lambda opt: unit(opt, "campaign"),
}
NOT_BY_DEFAULT = ("fuzz", "campaign")
