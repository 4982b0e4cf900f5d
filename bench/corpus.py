# SPDX-License-Identifier: MIT
"""The programs of the benchmark: what is run on which input. Each takes one to three seconds natively."""
import os
import shutil
import subprocess

import gen

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = "/usr/bin:/bin:/usr/local/bin"


def which(name):
    return shutil.which(name, path=PATH)


class Row:
    """name and argv; jit rows stay out of the geometric mean"""

    def __init__(self, name, work, argv, jit=False, stdin=None):
        self.name, self.work, self.argv, self.jit, self.stdin = name, work, argv, jit, stdin


def build(data, out, src, *flags):
    """compiles a file of programs/ once; None without a compiler"""
    exe, src = os.path.join(data, out), os.path.join(HERE, "programs", src)
    cc = which("g++" if src.endswith(".cc") else "gcc")
    if not cc:
        return None
    if not os.path.exists(exe) or os.path.getmtime(exe) < os.path.getmtime(src):
        subprocess.run([cc, *flags, src, "-o", exe], check=True)
    return exe


def compiler(name):
    """cc1 or cc1plus of the installed gcc"""
    gcc = which("gcc")
    if not gcc:
        return None
    path = subprocess.run([gcc, "-print-prog-name=" + name], stdout=subprocess.PIPE, text=True).stdout.strip()
    return path if os.path.isabs(path) and os.access(path, os.X_OK) else None


def preprocessed(data):
    src = gen.make(data, "source-9.cc", lambda r: gen.cxx_source(r, 9))
    out = os.path.join(data, "source-9.ii")
    if not os.path.exists(out):
        subprocess.run([which("g++"), "-E", "-P", src, "-o", out], check=True)
    return out


def java_class(data):
    """the folder with Jvm.class"""
    src, out = os.path.join(HERE, "programs", "Jvm.java"), os.path.join(data, "Jvm.class")
    if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(src):
        subprocess.run([which("javac"), "-d", data, src], check=True)
    return data


def rows(data):
    """[Row] of what is installed, [(name, why)] of what is not"""
    found, absent = [], []
    program = lambda f: os.path.join(HERE, "programs", f)

    def add(name, work_, prog, *args, jit=False, need=None):
        exe = prog if prog and os.path.isabs(prog) else which(prog) if prog else None
        if exe and (need is None or need):
            found.append(Row(name, work_, lambda: [exe] + [a() if callable(a) else a for a in args], jit))
        else:
            absent.append((name, "%s is not installed" % (prog or name)))

    mixed = lambda: gen.make(data, "mixed-9M", lambda r: gen.mixed(r, 9 << 20))
    mixed_small = lambda: gen.make(data, "mixed-3M", lambda r: gen.mixed(r, 3 << 20))
    mixed_big = lambda: gen.make(data, "mixed-8M", lambda r: gen.mixed(r, 8 << 20))
    log = lambda: gen.make(data, "log-150k", lambda r: gen.log(r, 150000))
    add("xz", "-6 -T1, text and records", "xz", "-6", "-T1", "-c", mixed_small)
    add("zstd", "-19", "zstd", "-19", "--single-thread", "-q", "-c", mixed_small)
    add("bzip2", "-9", "bzip2", "-9", "-c", lambda: gen.make(data, "mixed-16M", lambda r: gen.mixed(r, 16 << 20)))
    add("pigz", "-p2 -9", "pigz", "-p2", "-9", "-n", "-c", mixed_big)
    add("openssl", "dgst -sha512, 640 MiB", "openssl", "dgst", "-sha512", "-r",
        *[lambda: gen.make(data, "mixed-64M", lambda r: gen.mixed(r, 64 << 20))] * 10)
    add("sort", "two keys, 900 000 lines", "sort", "--parallel=1", "-S", "200M", "-k3,3", "-k2,2n",
        lambda: gen.make(data, "keys-900k", lambda r: gen.keys(r, 900000)))
    add("gawk", "arrays, regex, functions", "gawk", "-f", program("report.awk"), log)
    add("sqlite3", "in-memory joins, windows", "sqlite3", "-batch", ":memory:", ".read " + program("joins.sql"))
    add("cc1", "-O2, C", compiler("cc1"), "-quiet", "-O2", "-fpreprocessed",
        lambda: gen.make(data, "source-320.c", lambda r: gen.c_source(r, 320)), "-o", "/dev/null")
    add("cc1plus", "-O2, C++", compiler("cc1plus"), "-quiet", "-O2", "-fpreprocessed", lambda: preprocessed(data),
        "-o", "/dev/null")
    add("python3 recursion", "fib, ackermann, hanoi", "python3", program("recurse.py"), "50")
    add("python3 objects", "objects, json, re, dict", "python3", program("objects.py"), "110")
    add("perl recursion", "fib, ackermann", "perl", program("recurse.pl"), "150")
    add("perl text", "text, hashes, regex", "perl", program("text.pl"), "6", log)
    add("lua fib", "fib", "lua5.4", program("fib.lua"), "37")
    add("lua trees", "binary trees", "lua5.4", program("trees.lua"), "16")
    add("bash", "recursive functions, strings", "bash", program("script.sh"), "150")
    add("C++", "virtual calls, exceptions, std::function", build(data, "objects", "objects.cc", "-O2", "-std=c++17"), "9000")
    add("qsort", "callbacks", build(data, "callback", "callback.c", "-O2"), "900000")
    add("functions", "2000, called in turn",
        build(data, "functions", gen.make(data, "functions.c", lambda r: gen.functions(r, 2000)), "-O2"), "25000")
    add("fib -O2", "recursion, partly inlined", build(data, "fib-O2", "fib.c", "-O2"), "45")
    add("fib -O1", "recursion, every call made", build(data, "fib-O1", "fib.c", "-O1"), "42")
    add("node", "JIT", "node", program("app.js"), "600", jit=True)
    add("java", "JIT, two threads", "java", "-cp", lambda: java_class(data), "-Xmx512m", "Jvm", jit=True, need=which("javac"))
    return found, absent
