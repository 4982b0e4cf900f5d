# SPDX-License-Identifier: MIT
"""Programs that have shadow stacks of their own, under `gnomon run`: those of tests/shstk make the calls by themselves,
those of tests/cet leave it to a C library that was built for it. Natively the former skip where kernel or CPU lack shadow
stacks, the latter run without."""
import os
import subprocess

from harness import FAIL, PASS, SKIP, Outcome, execute
from judge import MODES, SLOWER, environment, folder, knobs
from suites_build import build, launch, natively


def find_cet_glibc(top):
    """the folder of a C library built for shadow stacks and '', or None and why; scripts find it in their environment"""
    r = subprocess.run([os.path.join(top, "tools/cet_glibc")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if r.returncode:
        return None, r.stderr.strip().replace("cet_glibc: ", "")
    os.environ["CET_GLIBC"] = r.stdout.strip()
    return os.environ["CET_GLIBC"], ""


def cet_flags(glibc, cxx, static):
    lib = glibc + "/lib"
    flags = "-fcf-protection -B{0}/ -L{0} -isystem {1}/include -Wl,-z,cet-report=error".format(lib, glibc)
    if static:
        return flags + " -static"
    return flags + " -Wl,--dynamic-linker={0}/ld-linux-x86-64.so.2 -Wl,-rpath,{0}".format(lib) + (
        " -static-libgcc -static-libstdc++" if cxx else "")


def first_line_that_differs(truth, have):
    pairs = zip(truth.splitlines() + ["(end)"], have.splitlines() + ["(end)"])
    return next(("Linux: %s\nhere:  %s" % (t, h) for t, h in pairs if t != h), "")


def under_run(opt, work, name, d, argv, env, modes, truth=None, ibt=False):
    allowed = d["modes"][0].split() if "modes" in d else MODES
    for mode in [m for m in modes if m in allowed]:
        gnomon = [os.path.join(opt.build, "gnomon"), "run", "--engine=soft", *knobs(mode), *["--ibt"] * ibt, "--"]
        label = "ibt" if ibt else "run" if mode == "check" else mode
        timeout = float(d.get("timeout", [20])[0]) * opt.timeout_factor * SLOWER[mode] * 2
        r = execute(gnomon + argv, folder(work, mode), timeout, env)
        why = "timeout" if r.timed_out else "status %d" % r.status if r.status else ""
        why = why or ("the engine reports a bug" if b": BUG " in r.err else "")
        detail = r.tail()
        if not why and truth is not None and r.out.decode() != truth:
            why, detail = "not what Linux does", first_line_that_differs(truth, r.out.decode())
        yield Outcome("%s[%s]" % (name, label), FAIL if why else PASS, why, detail)


def recorded(src):
    """what the program printed on Linux 7.2 and a CPU with shadow stacks (tools/oracle record)"""
    truth = os.path.splitext(src)[0] + ".truth"
    if not os.path.exists(truth):
        return None
    with open(truth) as f:
        return f.read()


def run_shstk(work, opt, src, name, d, variant):
    d = dict(d, flags=d.get("flags", []) + ["-DCHECK_TELL"])
    exe, bad = build(src, work, name, d, variant)
    if bad:
        yield bad
        return
    argv = launch(d, exe, work)
    env = environment(work)
    _, o = natively(opt, name, argv, folder(work, "native"), float(d.get("timeout", [20])[0]), env)
    if o.state != SKIP and "native" in opt.modes:
        yield o
    if o.state != FAIL:
        yield from under_run(opt, work, name, d, argv, env, [m for m in opt.modes if m in MODES], recorded(src))


def run_cet(work, opt, src, name, d, variant):
    glibc, why = opt.cet_glibc
    if not glibc:
        yield Outcome(name, SKIP, why)
        return
    exe, bad = build(src, work, name, d, cet_flags(glibc, src.endswith(".cc"), variant == "static"))
    if bad:
        yield bad
        return
    argv = launch(d, exe, work)
    env = environment(work, GLIBC_TUNABLES=" ".join(d.get("tunables", ["glibc.cpu.hwcaps=SHSTK"])))
    _, o = natively(opt, name, argv, folder(work, "native"), float(d.get("timeout", [20])[0]), env)
    if o.state == FAIL:
        yield o
        return
    yield from under_run(opt, work, name, d, argv, env, [m for m in opt.modes if m in MODES])
    # all of that C library is marked for it, too
    yield from under_run(opt, work, name, d, argv, env, [m for m in opt.modes if m == "check"], ibt=True)
