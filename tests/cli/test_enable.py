#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`gnomon run --enable=` and `--deny-list`: whose decision a shadow stack is. The programs are marked by the linker, their C
library is not built for it: STATUS says what they got.

usage: test_enable.py [--build DIR]. Prints TAP.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402

os.chdir(TMP)
MARK = ["-fcf-protection", "-Wl,-z,shstk"]
static = compiled("static", "tests/cli/shstk_status.c", flags=["-static", *MARK])
bare = compiled("bare", "tests/cli/shstk_status.c", flags=["-static", "-fcf-protection=none"])
dynamic = compiled("dynamic", "tests/cli/shstk_status.c", flags=MARK)

for who, prog, want in (
        ("abi", static, "status 0 enable 0\n"),
        ("abi", bare, "status 0 enable 0\n"),
        ("marked", static, "status 1 enable -1\n"),  # on, and locked
        ("marked", bare, "status 0 enable 0\n"),
        ("marked", dynamic, "status 0 enable 0\n"),  # its libc is not marked
        ("permissive", static, "status 1 enable 0\n"),
        ("always", static, "status 1 enable 0\n"),
        ("always", bare, "status 1 enable 0\n"),
        ("always", dynamic, "status 1 enable 0\n")):
    s, out, err = run([G, "run", "--engine=soft", "--enable=" + who, "--", prog])
    ok("%s, %s" % (who, os.path.basename(prog)), (s, out, err) == (0, want, ""), s, out, err)

# tools/mark_elf: in the place of another property, in that of the build id
no_property = compiled("no_property", "tests/cli/ibt.c", flags=["-nostdlib", "-static", "-O2", "-fcf-protection=none", "-fno-stack-protector",
                                                               "-mgeneral-regs-only", "-Wl,--build-id"])
late = put("late", open(bare, "rb").read())
for prog in (late, no_property):
    size = os.path.getsize(prog)
    s, out, err = run([TOP + "/tools/mark_elf", prog])
    marks = run(["readelf", "-nW", prog])[1]
    ok("marked in place, " + os.path.basename(prog), (s, out) == (0, "1 marked, 0 not\n") and "SHSTK" in marks and
       os.path.getsize(prog) == size, s, out, err, marks)
s, out, err = run([G, "run", "--engine=soft", "--enable=marked", "--", late])
ok("marked, late", (s, out, err) == (0, "status 1 enable -1\n", ""), s, out, err)
s, out, err = run([G, "run", "--", no_property, "call"])
ok("it runs as before", (s, out, err) == (0, "", ""), s, out, err)
s, out, err = run([TOP + "/tools/mark_elf", put("text", b"no program")])
ok("what is no program is left alone", (s, out) == (0, "0 marked, 0 not\n"), s, out, err)

deny = put("deny", ("# known to be marked wrongly\n\n/nothing\n%s\n" % static).encode())
for prog, want in ((static, "status 0 enable -1\n"), (bare, "status 0 enable 0\n")):
    s, out, err = run([G, "run", "--deny-list", deny, "--", prog])
    ok("deny-list, " + os.path.basename(prog), (s, out, err) == (0, want, ""), s, out, err)
s, out, err = run([G, "run", "--deny-list", "/nothing", "--", static])
ok("a list that is not there", s == 125 and "/nothing" in err, s, out, err)
s, out, err = run([G, "run", "--enable=perhaps", "--", static])
ok("a policy that is none", s == 125 and "perhaps" in err, s, out, err)
s, out, err = run([G, "run", "--enable=always", "--", compiled("smash", "tests/viol/smash.c", flags=[
    "-I" + TOP + "/tests/lib", "-Wno-unused", "-fno-omit-frame-pointer"])])
ok("always: an overwritten return address ends the program", s == -11, s, out, err)

done()
