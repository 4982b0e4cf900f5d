#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the dispatch table (and docs/syscalls.md) from engine/kern/syscalls.tbl.

    gen_syscalls.py TABLE OUTPUT.c     the table as C
    gen_syscalls.py --docs TABLE       docs/syscalls.md on stdout
    gen_syscalls.py --check TABLE DOCS exit 1 if DOCS is not what --docs would print
"""
import re
import sys

CLASSES = {"none": "SYS_NONE", "pass": "SYS_PASS", "out": "SYS_OUT", "wrap": "SYS_WRAP", "emul": "SYS_EMUL",
           "refuse": "SYS_REFUSE"}
SLEEPS = {"-": "RESTART_NEVER", "eintr": "RESTART_NEVER", "sys": "RESTART_SYS", "nohand": "RESTART_NOHAND",
          "block": "RESTART_BLOCK", "always": "RESTART_ALWAYS"}
PLAIN = {"fd", "dfd", "int", "uint", "long", "hex", "oct", "ptr", "str", "pid", "sig", "sz"}
CLASS_TEXT = [
    ("pass", "the host's, as it is"),
    ("out", "the host's; pages of translated code that it writes to are opened first"),
    ("wrap", "the host's, with something before or behind it"),
    ("emul", "done by the engine"),
    ("refuse", "answered with an error that Linux could give"),
    ("none", "no such call on x86-64: ENOSYS"),
]
ENDS = {"-": "", "eintr": "EINTR", "sys": "restart", "nohand": "restart without handler", "block": "restart, time left",
        "always": "restart always"}


class Row:
    def __init__(self, fields, note):
        nr, self.name, self.cls, self.sleep, self.handler, args, self.since = fields
        lo, _, hi = nr.partition("-")
        self.lo, self.hi = int(lo), int(hi or lo)
        self.args = [] if args == "-" else args.split(",")
        self.note = note
        if self.cls not in CLASSES or self.sleep not in SLEEPS or len(self.args) > 6:
            raise ValueError("unknown class or sleep, or more than six arguments")
        if (self.handler != "-") != (self.cls in ("wrap", "emul", "refuse")):
            raise ValueError("exactly wrap, emul and refuse have a handler")
        self.outs = [o for o in (out_of(i, a) for i, a in enumerate(self.args)) if o]
        if self.cls == "out" and not self.outs:
            raise ValueError("class out, but no argument says where")

    def flags(self):
        f = []
        if self.handler != "-" or self.cls == "none":
            f.append("SYSF_HANDLER")
        if self.sleep != "-":
            f.append("SYSF_SLEEP")
        if self.outs and self.cls in ("out", "wrap"):
            f.append("SYSF_OUT")
        if self.args and self.args[0] == "fd":
            f.append("SYSF_FD")
        if self.args and self.args[0] == "dfd":
            f.append("SYSF_DFD")
        return f


def out_of(i, arg):
    """(arg, kind, len_arg, size) of an output argument, or None"""
    m = re.fullmatch(r"(out=(\d+)|out/(\d)|out\*(\d)\*(\d+)|oiov/(\d)|omsg|ommsg/(\d)|oioctl|(?:buf|iov)/\d)", arg)
    if not m:
        if arg not in PLAIN:
            raise ValueError("unknown argument " + arg)
        return None
    if arg.startswith(("buf", "iov")):
        return None
    if m[2]:
        return i, "OUT_FIXED", 0, int(m[2])
    if m[3]:
        return i, "OUT_BYTES", int(m[3]) - 1, 0
    if m[4]:
        return i, "OUT_ITEMS", int(m[4]) - 1, int(m[5])
    if m[6]:
        return i, "OUT_IOV", int(m[6]) - 1, 0
    if m[7]:
        return i, "OUT_MMSG", int(m[7]) - 1, 0
    return i, "OUT_MSG" if arg == "omsg" else "OUT_IOCTL", 1 if arg == "oioctl" else 0, 0


def read_table(path):
    rows, expect = [], 0
    with open(path, encoding="ascii") as f:
        for no, line in enumerate(f, 1):
            if line.startswith("#") or not line.strip():
                continue
            text, _, note = line.partition("|")
            try:
                row = Row(text.split(), note.strip())
                if row.lo != expect:
                    raise ValueError(f"expected number {expect}")
            except ValueError as e:
                sys.exit(f"{path}:{no}: {e}")
            expect = row.hi + 1
            rows.append(row)
    return rows


def write_c(rows, f):
    outs, entries, names = [], [], []
    for r in rows:
        fn = "sys_nosys" if r.cls == "none" else "NULL" if r.handler == "-" else r.handler
        where = f"[{r.lo} ... {r.hi}]" if r.hi > r.lo else f"[{r.lo}]"
        entries.append(f"\t{where} = {{ {fn}, {CLASSES[r.cls]}, {' | '.join(r.flags()) or 0}, {SLEEPS[r.sleep]}, "
                       f"{len(r.outs)}, {len(outs)} }},")
        names.append(f'\t{where} = "{"" if r.name == "-" else r.name}",')
        outs += r.outs
    w = lambda *lines: f.write("\n".join(lines) + "\n")
    w("/* made by tools/gen_syscalls.py from syscalls.tbl */", '#include "kern/kern.h"', "")
    w(*[f"SYSCALL({fn[4:]});" for fn in sorted({r.handler for r in rows if r.handler != "-"} | {"sys_nosys"})], "")
    w("const struct sysout kern_outs[] = {")
    w(*[f"\t{{ {a}, {k}, {n}, {s} }}," for a, k, n, s in outs], "};", "")
    w("const struct sysent kern_syscalls[] = {", *entries, "};", "")
    w("const char *const kern_syscall_names[] = {", *names, "};", "")
    w(f"const u32 kern_nr_syscalls = {rows[-1].hi + 1};")


def docs(rows):
    count = {}
    for r in rows:
        count[r.cls] = count.get(r.cls, 0) + r.hi - r.lo + 1
    out = ["# System calls", "",
           "Made from engine/kern/syscalls.tbl by `tools/gen_syscalls.py --docs`; do not edit.", "",
           f"Numbers 0 to {rows[-1].hi} are those of Linux 7.2. A number beyond them gets ENOSYS, and the first one a "
           "line on the engine's channel; so does the x32 bit, without the line. int 0x80 is not in this table.", "",
           "| class | numbers | meaning |", "|---|---|---|"]
    out += [f"| {c} | {count.get(c, 0)} | {t} |" for c, t in CLASS_TEXT]
    out += ["", "| nr | name | class | when interrupted | since | note |", "|---|---|---|---|---|---|"]
    for r in rows:
        nr = f"{r.lo}-{r.hi}" if r.hi > r.lo else str(r.lo)
        out.append(f"| {nr} | {r.name} | {r.cls} | {ENDS[r.sleep]} | {r.since} | {r.note} |")
    return "\n".join(out) + "\n"


def main(argv):
    if len(argv) == 2 and argv[0] == "--docs":
        sys.stdout.write(docs(read_table(argv[1])))
    elif len(argv) == 3 and argv[0] == "--check":
        with open(argv[2], encoding="ascii") as f:
            if f.read() != docs(read_table(argv[1])):
                sys.exit(f"{argv[2]} is not up to date: tools/gen_syscalls.py --docs {argv[1]} >{argv[2]}")
    elif len(argv) == 2:
        rows = read_table(argv[0])
        with open(argv[1], "w", encoding="ascii") as f:
            write_c(rows, f)
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
