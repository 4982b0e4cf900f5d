# SPDX-License-Identifier: MIT
"""The targets of tests/fuzz under libFuzzer, for FUZZ_SECONDS each (60); what crashes is kept in the temporary folder."""
import glob
import os
import re
import shutil
import tempfile

from harness import FAIL, PASS, SKIP, Job, Outcome, execute
from judge import environment, folder, which


def run(work, opt, target):
    name, top = "fuzz/" + target, os.path.join(opt.top, "tests", "fuzz")
    if not which("clang"):
        yield Outcome(name, SKIP, "clang is not installed")
        return
    with open(os.path.join(top, target + ".c")) as f:
        text = f.read()

    def words(key):
        return [w for line in re.findall(key + r": (.*?)(?:\*/)?$", text, re.M) for w in line.split()]

    exe = os.path.join(work, target)
    r = execute(["clang", "-std=gnu11", "-D_GNU_SOURCE", "-w", "-g", "-O1", "-Iaudit", "-Iinclude", "-Itests/fuzz",
                 "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined", os.path.join(top, target + ".c"),
                 *words("sources"), "-o", exe, *words("libs")], opt.top, 300, environment(work))
    if r.status:
        yield Outcome(name, FAIL, "cannot build", r.tail())
        return
    seconds = int(os.environ.get("FUZZ_SECONDS", "60"))
    r = execute([exe, "-max_total_time=%d" % seconds, "-rss_limit_mb=4096", "-max_len=65536", "-print_final_stats=1",
                 folder(work, "found"), os.path.join(top, "corpus", target)], work, seconds * 3 + 120,
                environment(work, ASAN_OPTIONS="detect_leaks=0", UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"))
    m = re.search(rb"number_of_executed_units: (\d+)", r.err)
    for crash in glob.glob(os.path.join(work, "crash-*")) + glob.glob(os.path.join(work, "timeout-*")):
        shutil.copy(crash, tempfile.gettempdir())
    yield Outcome("%s: %s inputs" % (name, m.group(1).decode() if m else "?"), FAIL if r.status or r.timed_out else PASS,
                  "status %d" % r.status, r.tail(4000))


def targets(opt):
    names = [os.path.basename(p)[:-2] for p in sorted(glob.glob(os.path.join(opt.top, "tests", "fuzz", "*.c")))]
    return [Job("fuzz/" + n, lambda work, n=n: run(work, opt, n), cost=8) for n in names if n != "driver"]
