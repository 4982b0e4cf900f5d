# SPDX-License-Identifier: MIT
"""What the runners of other projects' own tests share: one test file in a process, a session and a folder of its own, and the list
of what is left out. They run natively and under gnomon and print the same lines if all is well."""
import fnmatch
import os
import shutil
import signal
import subprocess

# nothing of what this project's tests have in their environment: those suites look at all of it
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "TERM": "dumb"}


class LeftOut:
    """NAME.out: lines `FILE[:CASE] why`, both of them patterns of a shell"""

    def __init__(self, path):
        self.rows = []
        with open(path) as f:
            for line in f:
                name = line.split("#")[0].split(None, 1)
                if name:
                    what, _, case = name[0].partition(":")
                    self.rows.append((what, case))

    def whole(self, name):
        return any(not case and fnmatch.fnmatchcase(name, what) for what, case in self.rows)

    def cases(self, name):
        return [case for what, case in self.rows if case and fnmatch.fnmatchcase(name, what)]


def run(argv, name, seconds, folder=None, env=ENV):
    """its status, as a shell has it, or `timeout`; what is left of its session is killed. Its home and, but where a folder is given,
    where it runs is a fresh folder; what it says is in logs/NAME"""
    home = os.path.abspath("home/" + name)
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    with open(log(name), "wb") as out:
        p = subprocess.Popen(argv, cwd=folder or home, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                             env=dict(env, HOME=home, TMPDIR=home))
    try:
        n = p.wait(seconds)
        status = str(n if n >= 0 else 128 - n)
    except subprocess.TimeoutExpired:
        status = "timeout"
    try:
        os.killpg(p.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    p.wait()
    shutil.rmtree(home, ignore_errors=True)
    return status


def log(name):
    return os.path.abspath("logs/" + name)


def ranges(numbers):
    """1-3,7"""
    out = []
    for n in sorted(numbers):
        if out and n == out[-1][1] + 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ",".join("%d" % a if a == b else "%d-%d" % (a, b) for a, b in out) or "none"
