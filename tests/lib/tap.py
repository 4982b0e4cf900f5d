# SPDX-License-Identifier: MIT
"""What the test scripts share: the options, a work folder, running a command, TAP. Used as `from tap import *`."""
import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile

__all__ = ["TOP", "BUILD", "G", "TMP", "ok", "skip", "done", "run", "put", "compiled", "SANITIZED"]

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build")
if len(sys.argv) == 3 and sys.argv[1] == "--build":
    BUILD = os.path.abspath(sys.argv[2])
G = os.path.join(BUILD, "gnomon")
with open(G, "rb") as f:
    SANITIZED = b"__asan_init" in f.read()  # has no room under a limit of address space
TMP = os.path.realpath(tempfile.mkdtemp(prefix="gnomon-test."))
atexit.register(shutil.rmtree, TMP, ignore_errors=True)

count = failed = 0


def ok(name, good, *why):
    """one test; `why` is what to show if it failed"""
    global count, failed
    count += 1
    print("%sok %d - %s" % ("" if good else "not ", count, name))
    if not good:
        failed += 1
        for w in why:
            print("# " + str(w).replace("\n", "\n# "))
    sys.stdout.flush()


def skip(name, why):
    global count
    count += 1
    print("ok %d - %s # SKIP %s" % (count, name, why), flush=True)


def done():
    print("1..%d" % count)
    sys.exit(failed > 0)


def run(argv, setup=None, **kw):
    """status (-signal), stdout, stderr; `setup` runs in the child before argv"""
    def child():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        if setup:
            setup()
    kw.setdefault("stdin", subprocess.DEVNULL)
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.PIPE)
    kw.setdefault("timeout", 120)
    p = subprocess.run(argv, preexec_fn=child, errors="replace", **kw)
    return p.returncode, p.stdout, p.stderr


def put(name, data, mode=0o755):
    """a file in the work folder; its path"""
    path = os.path.join(TMP, name)
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)
    return path


def compiled(name, *source, flags=()):
    """a program made of sources of the repository; its path"""
    path = os.path.join(TMP, name)
    subprocess.run(["cc", "-O1", "-g", "-Wall", "-I" + os.path.join(TOP, "tests/lib"), *flags, *[os.path.join(TOP, s) for s in source], "-o", path], check=True)
    return path
