# SPDX-License-Identifier: MIT
"""Running jobs in parallel, printing TAP, counting, the list of known failures."""
import concurrent.futures
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

PASS, FAIL, SKIP = "pass", "fail", "skip"


class Outcome:
    def __init__(self, name, state, why="", detail=""):
        self.name, self.state, self.why, self.detail = name, state, why, detail


class Job:
    """one test; run(work folder) yields Outcomes. `alone` jobs do not run beside others."""

    def __init__(self, name, function, alone=False, cost=1):
        self.name, self.function, self.alone, self.cost = name, function, alone, cost


class Ran:
    def __init__(self, status, out, err, timed_out, seconds):
        self.status, self.out, self.err, self.timed_out, self.seconds = status, out, err, timed_out, seconds

    def tail(self, n=1500):
        o = []
        for title, data in (("stdout", self.out), ("stderr", self.err)):
            if data:
                text = data.decode(errors="replace")
                o.append("%s:\n%s" % (title, text if len(text) <= n else "[...]" + text[-n:]))
        return "\n".join(o)


def preexec(setup):
    def f():
        # the tests must not depend on what the caller ignores or blocks
        for s in (signal.SIGPIPE, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGXFSZ):
            signal.signal(s, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if setup:
            setup()
    return f


def execute(argv, cwd, timeout, env=None, stdin=None, pass_fds=(), setup=None):
    """Runs argv in its own session; everything of it is killed at the end of the time. Status as a shell's."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        t0 = time.monotonic()
        late = False
        p = subprocess.Popen(argv, cwd=cwd, env=env, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err,
                             pass_fds=pass_fds, start_new_session=True, preexec_fn=preexec(setup))
        try:
            p.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        p.wait()
        out.seek(0)
        err.seek(0)
        status = p.returncode if p.returncode >= 0 else 128 - p.returncode
        return Ran(status, out.read(), err.read(), late, time.monotonic() - t0)


def known_failures(top):
    """{name or name[mode]: reason}"""
    known = {}
    with open(os.path.join(top, "tests", "known_fail.txt")) as f:
        for line in f:
            line = line.strip()
            if line and not line.startswith("#"):
                name, _, reason = line.partition(" ")
                known[name] = reason.strip()
    return known


class Printer:
    def __init__(self, opt):
        self.opt, self.n, self.lock = opt, 0, threading.Lock()
        self.count = {PASS: 0, FAIL: 0, SKIP: 0}
        self.known = known_failures(opt.top)
        self.bases = {}
        self.failed = []

    def say(self, o):
        base = o.name.split("[")[0]
        listed = o.name in self.known or base in self.known
        reason = self.known.get(o.name) or self.known.get(base)
        with self.lock:
            self.n += 1
            if listed and o.state == FAIL:
                # counted as skipped: it neither works nor is it news
                self.count[SKIP] += 1
                self.bases[o.name if o.name in self.known else base] = True
                print("not ok %d - %s # TODO %s" % (self.n, o.name, reason))
            elif o.state == FAIL:
                self.count[FAIL] += 1
                self.failed.append(o.name)
                print("not ok %d - %s: %s" % (self.n, o.name, o.why))
                if o.detail:
                    lines = o.detail.rstrip().split("\n")
                    if not self.opt.verbose and len(lines) > 25:
                        lines = lines[:5] + ["[...]"] + lines[-19:]
                    print("\n".join("# " + re.sub(r"[^\t\x20-\x7e\xa0-\uffff]", "?", x) for x in lines))
            elif o.state == SKIP:
                self.count[SKIP] += 1
                print("ok %d - %s # SKIP %s" % (self.n, o.name, o.why))
            else:
                self.count[PASS] += 1
                print("ok %d - %s" % (self.n, o.name))
                if listed:
                    self.bases.setdefault(o.name if o.name in self.known else base, False)
            sys.stdout.flush()

    def finish(self):
        for name, failed in self.bases.items():
            if not failed:
                self.n += 1
                self.count[FAIL] += 1
                self.failed.append(name)
                print("not ok %d - %s: is in known_fail.txt, but passes" % (self.n, name))
        print("1..%d" % self.n)
        for name in self.failed:
            print("# failed: %s" % name)
        print("%d passed, %d failed, %d skipped" % (self.count[PASS], self.count[FAIL], self.count[SKIP]))
        return 1 if self.count[FAIL] else 0


def no_time(opt):
    return opt.deadline is not None and time.monotonic() > opt.deadline


def one(job, printer, base):
    if no_time(printer.opt):
        printer.say(Outcome(job.name, SKIP, "no time left"))
        return
    work = os.path.join(base, re.sub(r"[^A-Za-z0-9_.-]", "_", job.name))
    os.makedirs(work)
    try:
        for o in job.function(work):
            printer.say(o)
    except Exception as e:  # a test that breaks the runner is a failing test
        printer.say(Outcome(job.name, FAIL, "%s: %s" % (type(e).__name__, e)))
    finally:
        if not printer.opt.keep:
            shutil.rmtree(work, ignore_errors=True)


def run(jobs, opt):
    printer = Printer(opt)
    base = tempfile.mkdtemp(prefix="gnomon-tests.")
    os.chmod(base, 0o755)
    print("TAP version 13")
    try:
        together = sorted((j for j in jobs if not j.alone), key=lambda j: -j.cost)
        with concurrent.futures.ThreadPoolExecutor(max(1, opt.jobs)) as pool:
            list(pool.map(lambda j: one(j, printer, base), together))
        for j in jobs:
            if j.alone:
                one(j, printer, base)
    finally:
        if opt.keep:
            print("# work folder: %s" % base)
        else:
            shutil.rmtree(base, ignore_errors=True)
    return printer.finish()
