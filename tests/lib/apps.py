# SPDX-License-Identifier: MIT
"""The suite of real programs: scripts that are run natively as `sh SCRIPT`, then as `gnomon check -- sh SCRIPT`, so that
everything they start is followed; output, exit status and the violations reported must be what is expected.

Directives besides those of all tests:
  large: PACKAGES              only in `make check-apps`, which installs them
  long: WHY                    only in `make check-apps-long`
  setup: yes                   `sh SCRIPT setup` runs first, natively, in $SETUP
  modes: tiny flush=500        test modes of the engine that its run time allows; in `make check-apps` only
  expect: CLASS MODULE SYMBOL  a violation that must be reported (shell patterns; SYMBOL `-`: it has no name). The
                               culprit is meant: what switched the stack, otherwise the return. docs/findings.md has why
  may: CLASS MODULE SYMBOL     a violation that may be reported
"""
import fnmatch
import glob
import json
import os
import shutil

from harness import FAIL, PASS, SKIP, Job, Outcome, execute, no_time
from judge import Gnomon, compare, crossed, directives, environment, folder, verdict, which

# what the shell that runs the script shows by itself: its error exits (longjmp), and glibc's vfork where it is not told
# of the shadow stack
SHELL = [("unwind", "dash", "-"), ("unwind", "libc.so.6", "__vfork")]


def apps(opt):
    jobs = []
    for path in sorted(glob.glob(os.path.join(opt.top, "tests", "apps", "*.sh"))):
        d = directives(path)
        name = "apps/" + os.path.basename(path)[:-3]
        jobs.append(Job(name, lambda work, a=(opt, path, name, d): App(work, *a).run(),
                        cost=float(d.get("timeout", [120])[0])))
    return jobs


def culprit(event):
    """(class, module, symbol) of a violation"""
    a = event.get("switcher") if event["class"] == "stack-switch" else None
    a = a or event["at"]
    return event["class"], os.path.basename(a.get("module", "(generated)")), a.get("symbol", "-")


def listed(event, wants):
    return any(all(fnmatch.fnmatchcase(x, y) for x, y in zip(culprit(event), w)) for w in wants)


class App:
    """one script: `d` are its directives, `work` the folder it may use"""

    def __init__(self, work, opt, path, name, d):
        self.work, self.opt, self.name, self.d = work, opt, name, d
        self.argv = d.get("launcher", ["/bin/sh"])[0].split() + [path]
        self.timeout = float(d.get("timeout", [120])[0]) * opt.timeout_factor
        self.here = folder(work, "here")  # the same path natively and translated
        self.env = environment(work, TESTS=os.path.join(opt.top, "tests"), TOP=opt.top, LONG="1" if opt.long else "",
                               SETUP=folder(work, "setup"))
        self.must = [tuple(x.split(None, 2)) for x in d.get("expect", [])]
        self.may = [tuple(x.split(None, 2)) for x in d.get("may", [])]

    def lacking(self):
        """why it cannot run here, or None"""
        if "long" in self.d and not self.opt.long:
            return "%s: make check-apps-long" % self.d["long"][0]
        if "large" in self.d and not self.opt.large:
            return "large to install (%s): make check-apps" % self.d["large"][0]
        for need in " ".join(self.d.get("needs", [])).split():
            if not (which(need) or os.path.exists(need)):
                return need + " is not installed"
        return None

    def skipped(self, r):
        return Outcome(self.name, SKIP, (r.out.decode(errors="replace").strip().splitlines() or ["skipped"])[-1])

    def fresh(self):
        shutil.rmtree(self.here, ignore_errors=True)
        os.makedirs(self.here)

    def run(self):
        why = self.lacking()
        if why:
            yield Outcome(self.name, SKIP, why)
            return
        if "setup" in self.d:
            # what is only needed to have something to run on; natively, once
            r = execute(self.argv + ["setup"], self.env["SETUP"], self.timeout * 2, self.env)
            if r.status == 77:
                yield self.skipped(r)
                return
            if r.status or r.timed_out:
                yield Outcome(self.name + "[setup]", FAIL, "status %d" % r.status, r.tail())
                return
        self.fresh()
        native = execute(self.argv, self.here, self.timeout, self.env)
        if native.status == 77:
            yield self.skipped(native)
            return
        if native.timed_out or native.status:
            yield Outcome(self.name + "[native]", FAIL, "bad test: native status %d%s" % (
                native.status, ", timeout" if native.timed_out else ""), native.tail())
            return
        if "native" in self.opt.modes:
            yield Outcome(self.name + "[native]", PASS)
        for mode in self.modes():
            if no_time(self.opt):
                yield Outcome("%s[%s]" % (self.name, mode), SKIP, "no time left")
            else:
                yield self.translated(mode, native)

    def modes(self):
        """check, and where there is time those that the script names: "flush=500" where flush is asked for"""
        modes = [m for m in ("check",) if m in self.opt.modes]
        if self.opt.large:
            for m in " ".join(self.d.get("modes", [])).split():
                modes += [m] if m.split("=")[0] in self.opt.modes else []
        return modes

    def translated(self, mode, native):
        self.fresh()
        report = os.path.join(self.work, "report")
        g = Gnomon(self.opt, self.work, mode, ["--unwinds", "--report", report])
        r = execute(g.argv + self.argv, self.here, self.timeout * (6 if mode == "check" else 10), self.env, pass_fds=g.fds)
        events, log = g.close()
        why = compare(native, r, log, "stderr" not in self.d)
        if not why:
            x = crossed(events, log) or self.unexpected(events) or self.explained(report, events)
            why = x and (x, log)
        if self.opt.table and mode == "check":
            row(self.opt.table, self.name, native, r, events, why)
        return Outcome("%s[%s]" % (self.name, mode), FAIL if why else PASS, *(why or ()))

    def unexpected(self, events):
        """violations reported against those listed"""
        seen = [e for e in events if e["event"] == "violation"]
        for e in seen:
            if not listed(e, self.must + self.may + SHELL):
                return "not expected: %s %s %s" % culprit(e)
        for w in self.must:
            if not any(listed(e, [w]) for e in seen):
                return "not reported: %s %s %s" % w
        want = "clean" if not seen else "unwinds" if all(e["class"] == "unwind" for e in seen) else "not-clean"
        return None if verdict(events) == want else "verdict %s, not %s" % (verdict(events), want)

    def explained(self, report, events):
        """`gnomon explain` on the report says what was said while it ran"""
        exe = [os.path.join(self.opt.build, "gnomon"), "explain", "--unwinds"]
        j = execute(exe + ["--json", report], self.work, 120, self.env)
        t = execute(exe + [report], self.work, 120, self.env)
        if j.status or t.status:
            return "gnomon explain: status %d, %d" % (j.status, t.status)
        again = [json.loads(x) for x in j.out.decode(errors="surrogateescape").splitlines()]

        def sites(es):
            return sorted(e["site"] for e in es if e["event"] == "violation")
        if sites(again) != sites(events) or verdict(again) != verdict(events):
            return "gnomon explain says something else than the run"
        return None


def row(path, name, native, r, events, why):
    """one line of the README's table"""
    found = {}
    for e in events:
        if e["event"] == "violation":
            c, module, symbol = culprit(e)
            found.setdefault(c, {}).setdefault(module, []).append(symbol)
    images = len([e for e in events if e["event"] == "exec"])
    with open(path, "a") as f:
        f.write(json.dumps({"name": name, "same": not why, "why": why[0] if why else "", "verdict": verdict(events),
                            "found": found, "programs": images, "native_s": round(native.seconds, 2),
                            "check_s": round(r.seconds, 2)}) + "\n")
