#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make install`: what is put where, and that it runs from there and from wherever it is moved to.

usage: test_install.py [--build DIR]. Builds in a folder of its own (DIR is not touched). Prints TAP.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402


def install(**variables):
    words = ["%s=%s" % (k, v) for k, v in variables.items()]
    return run(["make", "-C", TOP, "B=" + os.path.join(TMP, "build"), *words, "install"], stderr=subprocess.STDOUT,
               timeout=1200)[:2]


def tree(top):
    """{path: mode} of the files below it; the library folder is called lib, whatever Meson calls it on this system"""
    paths = [os.path.join(d, f) for d, _, files in os.walk(top) for f in files]
    return {re.sub(r"\blib(64|/[^/]*-linux-gnu)/", "lib/", os.path.relpath(p, top)): oct(os.stat(p).st_mode & 0o7777) for p in paths}


def works(name, command, engine, **kw):
    """it checks a program, and with that engine"""
    s, out, err = run([command, "check", "--", "/bin/echo", "checked"], **kw)
    ok(name, (s, out, err) == (0, "checked\n", "gnomon: clean: 1 process, no violation\n"), s, out, err)
    s, out, err = run([command, "doctor"], **kw)
    path = [line.split(None, 2)[2] for line in out.splitlines() if line.split()[1:2] == ["engine"]]
    g, guarded, err = run([command, "guard", "--", "/bin/echo", "guarded"], **kw)
    # LD_PRELOAD cannot name such a path
    blank = " " in os.path.realpath(engine)
    ok(name + ": guard", (g, guarded) == ((125, "") if blank else (0, "guarded\n")), g, guarded, err)
    a, audited, err = run([command, "audit", "-l", "/bin/true"], **kw)
    ok(name + ": audit", a == 0 and "true" in audited, a, audited, err)
    ok(name + ": its own engine", [os.path.realpath(p) for p in path] == [engine], out)


stage = os.path.join(TMP, "stage")
s, out = install(prefix="/opt/gnomon", DESTDIR=stage)
ok("make install with prefix and DESTDIR", s == 0, out)
ok("its files", tree(stage) == {"opt/gnomon/bin/gnomon": "0o755", "opt/gnomon/libexec/gnomon-engine": "0o755",
                                "opt/gnomon/libexec/gnomon-guard": "0o755", "opt/gnomon/lib/libgnomon-guard.so": "0o755",
                                "opt/gnomon/libexec/gnomon-audit": "0o755", "opt/gnomon/share/man/man1/gnomon.1": "0o644",
                                "opt/gnomon/share/man/man1/gnomon-audit.1": "0o644"}, tree(stage))
ok("no word of a warning", "warning" not in out.lower(), out)
here = os.path.join(stage, "opt/gnomon")
works("from the staging folder", here + "/bin/gnomon", here + "/libexec/gnomon-engine")

moved = os.path.join(TMP, "another prefix")
os.rename(here, moved)
works("moved", moved + "/bin/gnomon", moved + "/libexec/gnomon-engine")
os.mkdir(TMP + "/links")
os.symlink(moved + "/bin/gnomon", TMP + "/links/gnomon")
works("through a symbolic link", TMP + "/links/gnomon", moved + "/libexec/gnomon-engine")
works("through PATH", "gnomon", moved + "/libexec/gnomon-engine", env=dict(os.environ, PATH=TMP + "/links:/usr/bin:/bin"))
works("by a relative path", "./bin/gnomon", moved + "/libexec/gnomon-engine", cwd=moved)

prefix = os.path.join(TMP, "prefix")
s, out = install(prefix=prefix)
ok("make install with another prefix, no DESTDIR", s == 0 and sorted(tree(prefix)) == [
    "bin/gnomon", "lib/libgnomon-guard.so", "libexec/gnomon-audit", "libexec/gnomon-engine", "libexec/gnomon-guard",
    "share/man/man1/gnomon-audit.1", "share/man/man1/gnomon.1"], s, out, tree(prefix))
works("from its prefix", prefix + "/bin/gnomon", prefix + "/libexec/gnomon-engine")

subprocess.run(["meson", "configure", "-Dlibexecdir=lib/gnomon", os.path.join(TMP, "build")], check=True,
               stdout=subprocess.DEVNULL)
s, out = install(prefix="/usr", DESTDIR=stage + "2")
here = stage + "2/usr"
ok("make install with another libexecdir", s == 0 and "lib/gnomon/gnomon-engine" in tree(here), s, out, tree(stage + "2"))
works("engine in another libexecdir", here + "/bin/gnomon", here + "/lib/gnomon/gnomon-engine")
stage = os.path.join(TMP, "stage 3")
s, out = install(DESTDIR=os.path.relpath(stage, TOP))
ok("a DESTDIR relative to the source folder, with a blank in it", s == 0 and "usr/bin/gnomon" in tree(stage), s, out)

done()
