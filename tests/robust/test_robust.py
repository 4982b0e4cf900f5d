#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The robust-unlock race, and what keeps the kernel from writing into other people's memory. Prints TAP.

Every proof runs on the bare machine first, where it must show the damage: where it does not, there is nothing to be
protected from (a kernel and a libc that have the 7.2 unlock) and the rest would prove nothing.

usage: test_robust.py [--build DIR] [--kills N]; --kills: the storms with N kills each, nothing else
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
args = sys.argv[1:]
build = os.path.abspath(args[args.index("--build") + 1]) if "--build" in args else os.path.join(TOP, "build")
kills = int(args[args.index("--kills") + 1]) if "--kills" in args else 0
tmp = tempfile.mkdtemp(prefix="gnomon-robust.")
GNOMON = os.path.join(build, "gnomon")
PART = os.path.join(build, "gnomon-guard")
PROGRAMS = ("storm", "step", "waiters", "keep", "deaths", "held", "scan", "bad", "window", "unlock", "new_host", "vdso", "vdso_deaths",
            "vdso_every")
I386 = "/usr/i686-linux-gnu/lib"
number = failed = 0


class Skip(Exception):
    pass


def cc(compiler, name, folder, *more):
    os.makedirs(folder, exist_ok=True)
    subprocess.run([compiler, "-O1", "-g", "-Wall", "-D_GNU_SOURCE", "-pthread", os.path.join(HERE, name + ".c"), "-o",
                    os.path.join(folder, name), "-Wl,-z,now", *more], check=True)


def run(argv, timeout=240, env=None, status=None):
    """stdout and stderr together"""
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=timeout,
                       text=True, cwd=tmp, env=dict(os.environ, **(env or {})))
    if status is not None and r.returncode != status:
        raise AssertionError("%s: status %d\n%s" % (" ".join(argv), r.returncode, r.stdout))
    return r.stdout


def numbers(text):
    """{'kills': 200, 'open': 0, ...} of the last line"""
    return {k: int(v) for k, v in re.findall(r"(\w+) (\d+)", text.strip().split("\n")[-1])}


def test(f):
    global number, failed
    number += 1
    name = f.__doc__
    try:
        said = f()
        print("ok %d - %s%s" % (number, name, ": " + said if said else ""), flush=True)
    except Skip as e:
        print("ok %d - %s # SKIP %s" % (number, name, e), flush=True)
    except Exception as e:
        failed += 1
        print("not ok %d - %s" % (number, name), flush=True)
        for line in ("%s: %s" % (type(e).__name__, e)).split("\n"):
            print("# " + line)


def eq(got, want, what=""):
    if got != want:
        raise AssertionError("%s is %r, not %r" % (what, got, want))


# how a program is run: bare, with the library, with the supervisor alone, with both
def bare(*a):
    return list(a)


def library(*a):
    return [GNOMON, "guard", "--", *a]


def supervisor(*a):
    return [PART, "guard", os.path.abspath(a[0]), "-s", "1", "200", *a]


def both(*a):
    return [GNOMON, "guard", "--supervise", "--", *a]


def engine(*a):
    return [GNOMON, "check", "-q", "--", *a]


def as_run(*a):
    return [GNOMON, "run", "--", *a]


WAYS = {"library": library, "supervisor": supervisor, "both": both, "engine": engine, "run": as_run}


def prog(name, folder=""):
    return os.path.join(tmp, folder, name)


# ---- 2 and 4: kills at random and in the window -----------------------------------------------------------------

def storm(how, way, n, timeout=240, folder=""):
    exe = prog("storm", folder)
    r = numbers(run(bare(exe, str(max(20, n // 10)), how), timeout))
    if r["changed"] < r["kills"] // 2:
        raise AssertionError("the bare machine shows no damage to speak of: %s" % r)
    g = numbers(run(WAYS[way](exe, str(n), how), timeout))
    eq(g["kills"], n, "kills")
    eq(g["changed"], 0, "files changed")
    return "bare %d of %d files changed, %s %d of %d" % (r["changed"], r["kills"], way, g["changed"], n)


STORMS = [("remap", "library"), ("fixed", "library"), ("move", "library"), ("remap", "supervisor"), ("fixed", "supervisor"),
          ("inplace", "supervisor"), ("inplace", "both"), ("remap", "both"), ("remap", "engine"), ("fixed", "engine"),
          ("move", "engine"), ("fixed", "run"), ("free", "both"), ("free", "engine")]


def storms():
    for how, way in STORMS:
        def f(how=how, way=way):
            return storm(how, way, 200)
        f.__doc__ = "storm, %s, %s" % (how, way)
        test(f)


def t_not_covered():
    """what is not covered, as docs/robust.md says"""
    for a, ways in ((("inplace",), "library engine run"), (("inplace", "term"), "library engine"), (("inplace", "exit"), "library"),
                    (("free",), "library")):
        for way in ways.split():
            g = numbers(run(WAYS[way](prog("storm"), "50", *a)))
            if not g["changed"]:
                raise AssertionError("%s, %s is covered: say so in docs/robust.md" % (" ".join(a), way))


# ---- 3: waiters ---------------------------------------------------------------------------------------------------

def t_waiters():
    """waiters in a third process: nobody sleeps for ever"""
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("needs two CPUs")
    for way in ("library", "both", "engine"):
        g = numbers(run(WAYS[way](prog("waiters"), "10")))
        eq(g["hung"], 0, "waiters that hung")


# ---- 1: every instruction -------------------------------------------------------------------------------------------

def step(way, *a, folder=""):
    exe = prog("step", folder)
    n = numbers(run(bare(exe, *a)))
    g = numbers(run(WAYS[way](exe, *a)))
    if not n["changed"] or n["changed"] != n["open"]:
        raise AssertionError("the bare machine: %s" % n)
    if "third" in a and not n["vain"]:
        raise AssertionError("the bare machine leaves nobody asleep: %s" % n)
    eq((g["held"], g["steps"]), (n["held"], n["steps"]), "held and steps")
    eq((g["unmarked"], g["changed"], g["vain"]), (0, 0, 0), "unmarked, changed, vain")
    if not way.startswith("library"):
        eq(g["open"], 0, "open windows that a signal handler sees")
    return "%d instructions, bare %d changed %d asleep, %s none" % (n["steps"], n["changed"], n["vain"], way)


STEPS = [("library", "fixed"), ("library", "fixed", "third"), ("library", "fixed", "third", "altstack"),
         ("supervisor", "inplace"), ("supervisor", "inplace", "waiters"), ("supervisor", "inplace", "altstack"),
         ("supervisor", "fixed", "third"), ("both", "fixed", "third"), ("both", "inplace", "waiters")]


def steps():
    for way, *a in STEPS:
        def f(way=way, a=a):
            return step(way, *a)
        f.__doc__ = "killed at every instruction, %s, %s" % (" ".join(a), way)
        test(f)


# ---- 5: remap in place ----------------------------------------------------------------------------------------------

def t_keep():
    """remap in place keeps owner-died recovery; the slot goes only with the memory"""
    for how, want in (("same", (1, 1)), ("grow", (1, 1)), ("shared", (1, 1)), ("other", (0, 0))):
        n = numbers(run(bare(prog("keep"), how)))
        eq(n["kept"], 1, how + " on the bare machine")
        for way in ("library", "engine"):
            g = numbers(run(WAYS[way](prog("keep"), how)))
            eq((g["kept"], g["told"]), want, "%s, %s" % (how, way))


# ---- 6: other deaths ------------------------------------------------------------------------------------------------

def deaths(way, how, folder=""):
    exe = prog("deaths", folder)
    for death in ("exit", "abort", "kill", "exec", "pthread_exit", "alone"):
        eq(numbers(run(bare(exe, death, how)))["changed"], 1, death + " on the bare machine")
        eq(numbers(run(WAYS[way](exe, death, how)))["changed"], 0, death)


def t_deaths_library():
    """exit_group, abort, SIGKILL, exec by a sibling, pthread_exit and exit in a handler: library"""
    deaths("library", "fixed")


def t_deaths_supervisor():
    """the same, memory reused in place and replaced: supervisor"""
    deaths("supervisor", "inplace")
    deaths("both", "fixed")


def t_deaths_engine():
    """exit_group, abort, a crash, exec by a sibling, pthread_exit and exit in a handler, memory replaced and reused: engine"""
    for how in ("fixed", "inplace"):
        for way in ("exit", "abort", "segv", "exec", "pthread_exit", "alone"):
            n = numbers(run(bare(prog("storm"), "20", how, way)))
            if n["changed"] < 10:
                raise AssertionError("the bare machine shows no damage to speak of: %s" % n)
            eq(numbers(run(engine(prog("storm"), "40", how, way)))["changed"], 0, "%s %s" % (how, way))
    eq(numbers(run(WAYS["run"](prog("storm"), "40", "inplace", "exit")))["changed"], 0, "run")
    n = numbers(run(bare(prog("storm"), "20", "fixed", "term")))
    g = numbers(run(engine(prog("storm"), "40", "fixed", "term")))
    eq((n["changed"] >= 10, g["changed"]), (True, 0), "term")


def t_held():
    """whatever is done about slots, every lock that a dead thread held is marked"""
    for way in ("exit", "abort", "exec", "kill", "alone"):
        for argv in ([], [GNOMON, "guard", "--"], [GNOMON, "guard", "--supervise", "--"],
                     *([GNOMON, "check", "-q", *knobs, "--"] for knobs in ([], ["-X", "tiny"], ["-X", "flush"], ["-X", "step"]))):
            g = numbers(run([*argv, prog("held"), way, "40"]))
            if g["left"] or not g["marked"] or not g["free"]:
                raise AssertionError("%s %s: %s" % (" ".join(argv), way, g))


def cgroup():
    """a control group with 24 MiB of memory"""
    for top, files in (("/sys/fs/cgroup/memory", {"memory.limit_in_bytes": "25165824", "memory.swappiness": "0"}),
                       ("/sys/fs/cgroup", {"memory.max": "25165824", "memory.swap.max": "0"})):
        path = os.path.join(top, "gnomon-test-%d" % os.getpid())
        try:
            os.mkdir(path)
        except OSError:
            continue
        try:
            for name, value in files.items():
                if os.path.exists(os.path.join(path, name)):
                    with open(os.path.join(path, name), "w") as f:
                        f.write(value)
            if os.path.exists(os.path.join(path, list(files)[0])):
                return path
        except OSError:
            pass
        os.rmdir(path)
    raise Skip("no control group with a memory limit can be made here")


def t_oom():
    """killed by the kernel for want of memory in a control group"""
    path = cgroup()
    try:
        eq(numbers(run(bare(prog("deaths"), "oom", "fixed", path)))["changed"], 1, "on the bare machine")
        for way, how in (("library", "fixed"), ("supervisor", "inplace"), ("both", "inplace")):
            eq(numbers(run(WAYS[way](prog("deaths"), "oom", how, path)))["changed"], 0, way)
    finally:
        os.rmdir(path)


# ---- the unlock of Linux 7.2 under the engine ------------------------------------------------------------------------

def t_unlock():
    """FUTEX_ROBUST_UNLOCK and FUTEX_ROBUST_LIST32: what they do, their errors, whom they wake"""
    for command in (["run"], ["check", "-q"], *(["check", "-q", "-X", k] for k in ("tiny", "flush", "step"))):
        said = run([GNOMON, *command, "--", prog("unlock")], status=0)
    return said.strip().split("\n")[-1]


def t_new_host():
    """the same flags are handed to a kernel that has them"""
    host = prog("new_host")
    run([host, host], status=0)
    run([GNOMON, "run", "--", host], status=1)
    run([host, GNOMON, "run", "--", host], status=0)


def t_fork():
    """a slot that was set at fork: clear in the child"""
    run([prog("unlock"), "fork"], status=1)
    for knobs in ([], ["-X", "tiny"], ["-X", "flush"], ["-X", "step"]):
        run([GNOMON, "check", "-q", *knobs, "--", prog("unlock"), "fork"], status=0)


def t_vdso():
    """the vDSO's unlock under a rain of signals: nobody is seen in its window"""
    for knobs in ([], ["-X", "tiny"], ["-X", "flush"], ["-X", "step"]):
        run([GNOMON, "check", "-q", *knobs, "--", prog("vdso")], status=0)


def t_vdso_every():
    """a signal at every instruction of the vDSO's unlock: what its handler sees is what it sees on Linux 7.2"""
    for knobs in ([], ["-X", "tiny"], ["-X", "flush"]):
        run([GNOMON, "check", "-q", *knobs, "--", prog("vdso_every")], status=0)
    said = run([GNOMON, "check", "-q", "-X", "step", "--", prog("vdso_every"), "all"], status=0)
    return "%d instructions" % said.count("+")


def t_vdso_deaths():
    """exit_group, abort, exec, a fault, SIGTERM: nobody dies in the vDSO's window"""
    for way in ("exit", "abort", "exec", "segv", "term", "termhere"):
        for knobs in ([], ["-X", "tiny"], ["-X", "flush"], ["-X", "step"]):
            g = numbers(run([GNOMON, "check", "-q", *knobs, "--", prog("vdso_deaths"), way, "8"]))
            eq((g["open"], g["odd"]), (0, 0), "%s %s" % (way, knobs))


# ---- the library's scan, here and elsewhere ----------------------------------------------------------------------------

def scan(exe, *before, lib=os.path.join(build, "libgnomon-guard.so"), more=(), env=True):
    run([*before, exe, "plain"], status=0)
    said = run([*before, *(() if env else ("-E", "LD_PRELOAD=" + lib)), exe, *more], status=0,
               env={"LD_PRELOAD": lib} if env else None)
    return said.strip().split("\n")[-1]


def t_calls():
    """the library calls nothing of what it stands in front of"""
    lib = os.path.join(build, "libgnomon-guard.so")
    names = subprocess.run(["nm", "-D", "--defined-only", lib], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[2::3]
    calls = re.findall(r"JUMP_SLO\S* +\S+ (\w+)", subprocess.run(["readelf", "-rW", lib], check=True, stdout=subprocess.PIPE, text=True).stdout)
    eq((sorted(set(names) & set(calls)), "munmap" in names, "dlsym" in calls), ([], True, True))


def t_scan():
    """every call that ends a mapping"""
    return scan(prog("scan"))


def t_scan_musl():
    """the same with musl"""
    if not shutil.which("musl-gcc"):
        raise Skip("musl-gcc is not installed")
    cc("musl-gcc", "scan", os.path.join(tmp, "musl"))
    return scan(prog("scan", "musl"))


def t_supervisor_musl():
    """musl's unlock, reused in place: supervisor (musl itself makes unmapping wait)"""
    if not shutil.which("musl-gcc"):
        raise Skip("musl-gcc is not installed")
    for name in ("step", "deaths", "held"):
        cc("musl-gcc", name, os.path.join(tmp, "musl"))
    deaths("supervisor", "inplace", "musl")
    for way in ("supervisor", "engine"):
        for how in ("exit", "alone"):
            eq(numbers(run(WAYS[way](prog("held", "musl"), how, "40")))["left"], 0, "held locks left unmarked, " + way)
    return step("supervisor", "inplace", folder="musl")


def cross(arch, compiler, *more):
    if not shutil.which(compiler):
        raise Skip(compiler + " is not installed")
    folder = os.path.join(tmp, arch)
    subprocess.run([os.path.join(TOP, "tools", "cross_guard"), arch, folder], check=True)
    for name in ("scan", "storm", "step", "deaths") if arch == "i386" else ("scan",):
        cc(compiler, name, folder, *more)
    return os.path.join(folder, "libgnomon-guard.so")


def cross_i386():
    # the cross libc is in no place that ld.so looks into
    return cross("i386", "i686-linux-gnu-gcc", "-Wl,--dynamic-linker=%s/ld-linux.so.2" % I386, "-Wl,-rpath," + I386)


def t_i386():
    """i386 on this kernel: scan, storms and steps"""
    lib = cross_i386()
    try:
        run([prog("scan", "i386"), "plain"], status=0)
    except OSError as e:
        raise Skip("this kernel runs no 32-bit programs: %s" % e)
    WAYS["library32"] = lambda *a: ["/usr/bin/env", "LD_PRELOAD=" + lib, *a]
    said = scan(prog("scan", "i386"), lib=lib)
    storm("remap", "library32", 100, folder="i386")
    storm("inplace", "supervisor", 100, folder="i386")
    step("library32", "fixed", "third", folder="i386")
    step("supervisor", "inplace", "waiters", folder="i386")
    return said


def t_i386_qemu():
    """i386 under qemu-user: scan (the kill tests need set_robust_list, which qemu-user answers with ENOSYS)"""
    lib = cross_i386()
    if not shutil.which("qemu-i386"):
        raise Skip("qemu-i386 is not installed")
    return scan(prog("scan", "i386"), "qemu-i386", lib=lib, more=("qemu",), env=False)


def t_aarch64_qemu():
    """aarch64 under qemu-user: scan (the kill tests need set_robust_list, which qemu-user answers with ENOSYS)"""
    lib = cross("aarch64", "aarch64-linux-gnu-gcc")
    if not shutil.which("qemu-aarch64"):
        raise Skip("qemu-aarch64 is not installed")
    return scan(prog("scan", "aarch64"), "qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", lib=lib, more=("qemu",), env=False)


# ---- everything else ----------------------------------------------------------------------------------------------------

def t_bad():
    """lists that no libc would make: the kernel's result, no crash, no hang"""
    want = run([prog("bad")], status=0)
    for way in WAYS:
        if way != "library32":
            said = run(WAYS[way](prog("bad")), status=0)
            eq("".join(x for x in said.splitlines(True) if not x.startswith("gnomon[")), want, way)


def t_race():
    """gnomon race shows the damage, and with the library that there is none"""
    # the time ends early where other memory is seen
    for how, ms in (("remap", "20000"), ("fixed", "20000"), ("inplace", "3000")):
        said = run([GNOMON, "race", "--hold", ms, "--", prog("window"), how])
        if "THE KERNEL WROTE" not in said:
            raise AssertionError(how + ": " + said)
    for how in ("remap", "fixed"):
        said = run([GNOMON, "race", "--hold", "20000", "--guard", "--", prog("window"), how])
        if "stayed as it was" not in said or "other memory was mapped there" not in said:
            raise AssertionError(how + ": " + said)
    said = run([GNOMON, "race", "--all", "--", prog("window"), "none"])
    if "unlocks of robust mutexes opened" not in said:
        raise AssertionError(said)


def user(name, *libs):
    try:
        cc("gcc", name, tmp, *libs)
    except subprocess.CalledProcessError:
        raise Skip("%s needs %s" % (name, " ".join(libs)))
    return prog(name)


def t_lmdb():
    """LMDB: the kernel writes into memory that was its lock file, and with the library does not (docs/findings.md)"""
    exe = user("user_lmdb", "-llmdb")
    folder = os.path.join(tmp, "lmdb")
    for extra, want in (([], True), (["--guard"], False)):
        shutil.rmtree(folder, ignore_errors=True)
        said = run([GNOMON, "race", *extra, "--nth", "3", "--", exe, folder, "close"])
        eq(("KERNEL WROTE" in said, "other memory was mapped there" in said), (want, True), said)
    shutil.rmtree(folder, ignore_errors=True)
    said = run([GNOMON, "race", "--all", "--hold", "2", "--", exe, folder, "work"], status=0)
    eq("overwritten" in said or "unmapped" in said or "mapped there" in said, False, said)


def t_tdb():
    """tdb: no occasion (docs/findings.md)"""
    exe = user("user_tdb", "-ltdb")
    said = run([GNOMON, "race", "--all", "--hold", "2", "--", exe, os.path.join(tmp, "x.tdb")], status=0)
    eq("overwritten" in said or "unmapped" in said or "mapped there" in said, False, said)


def doctor(*before):
    """the lines about robust mutexes: {what: (state, the rest)}"""
    said = run([*before, GNOMON, "doctor"]).split("Robust mutexes")[1].split("Commands")[0].splitlines()[1:]
    return {x[10:36].strip(): (x[2:10].strip(), x[36:]) for x in said if x.startswith("  ")}


def t_doctor():
    """doctor says which of kernel, vDSO, guard and supervisor protect a program here"""
    d = doctor()
    natively = subprocess.run([prog("unlock")], stdout=subprocess.DEVNULL).returncode != 77
    eq([d[k][0] for k in ("unlock in the kernel", "unlock in the vDSO", "guard", "supervisor", "so programs as they are")],
       ["ok" if natively else "-"] * 2 + ["ok"] * 3)
    eq(d["so programs as they are"][1], "gnomon guard --supervise: protects them")
    eq(doctor(prog("new_host"))["unlock in the kernel"][0], "ok")
    d = doctor(GNOMON, "run", "--")
    eq([d[k][0] for k in ("unlock in the kernel", "unlock in the vDSO")], ["ok", "ok"])
    d = doctor(*both())  # where there is a tracer there cannot be another
    eq((d["supervisor"][0], d["so programs as they are"]), ("missing", ("ok", "gnomon guard: protects them")))
    lone = run([shutil.copy(GNOMON, tmp), "doctor"])
    if not os.path.exists("/usr/local/libexec/gnomon-guard"):  # an installed one is found
        eq(("No such file" in re.search("missing guard .*", lone).group(0), "not protected" in lone), (True, True), lone)


def t_unnoticed():
    """the program has its own id, status, signals and children under a supervisor"""
    sh = ["/bin/sh", "-c"]
    eq(run(both(*sh, "echo $PPID")).strip(), str(os.getpid()), "parent")
    run(both(*sh, "exit 7"), status=7)
    run(both(*sh, "kill -TERM $$"), status=-15)
    eq(run(both(*sh, "sleep 0.1 & wait; echo $?; ps --ppid $$ -o comm= | grep -v -e ps -e grep; trap 'echo got' USR1; kill -USR1 $$")).split(),
       ["0", "got"])
    eq(run(both(*sh, "sleep 5 & kill -STOP $!; sleep 0.1; ps -o stat= -p $!; kill -CONT $!; sleep 0.1; ps -o stat= -p $!; kill $!")).upper().split(),
       ["T", "S"])
    r = run(both(sys.executable, "-c", "import ctypes;print(ctypes.CDLL(None).ptrace(0,0,0,0))"))
    eq(r.strip(), "-1", "ptrace below the supervisor")


def t_traced():
    """a process that has a tracer cannot be supervised, and is told so"""
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    said = run(["strace", "-f", "-o", "/dev/null", *both("/bin/true")], status=125)
    if "cannot supervise" not in said:
        raise AssertionError(said)


try:
    for name in PROGRAMS:
        cc("gcc", name, tmp)
    if kills:
        for how, way in STORMS:
            print(storm(how, way, kills, None), flush=True)
        g = numbers(run(library(prog("waiters"), str(max(100, kills // 100))), None))
        print("waiters in a third process: %s" % g)
        sys.exit(g["hung"] != 0)
    storms()
    steps()
    for t in (t_not_covered, t_waiters, t_keep, t_deaths_library, t_deaths_supervisor, t_deaths_engine, t_held, t_oom,
              t_unlock, t_new_host, t_fork, t_vdso, t_vdso_every, t_vdso_deaths, t_calls, t_scan,
              t_scan_musl, t_supervisor_musl, t_i386,
              t_i386_qemu, t_aarch64_qemu, t_bad, t_race, t_lmdb, t_tdb, t_doctor, t_unnoticed, t_traced):
        test(t)
    print("1..%d" % number)
finally:
    shutil.rmtree(tmp, ignore_errors=True)
sys.exit(failed != 0)
