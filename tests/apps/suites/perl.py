# SPDX-License-Identifier: MIT
"""perl's own tests with the installed perl: all that its MANIFEST and folders of t/ have, or those named ("op/sort.t",
"../lib/integer.t"). usage: perl.py TREE TEST... ; TREE is the source with lib/ as it is installed. For each file: status, how many
cases, which of them were skipped, are known not to work, or failed. perl.out says what is left out."""
import os
import re
import sys

sys.dont_write_bytecode = True
import cases  # noqa: E402

SECONDS = 600  # of one file
FOLDERS = ("base", "comp", "run", "cmd", "io", "re", "opbasic", "op", "uni", "mro", "perf", "lib", "class")
LISTED = r"((?:cpan|dist|ext)/\S+/(?:[^/\s]+\.t|test\.pl)|lib/\S+?(?:\.t|test\.pl))\s"


def files(tree):
    for folder in FOLDERS:
        for at, _, names in sorted(os.walk(os.path.join(tree, "t", folder))):
            yield from sorted(os.path.relpath(os.path.join(at, n), os.path.join(tree, "t")) for n in names if n.endswith(".t"))
    with open(os.path.join(tree, "MANIFEST")) as f:
        listed = ["../" + m.group(1) for m in map(re.compile(LISTED).match, f) if m]
    yield from (x for x in listed if os.path.exists(os.path.join(tree, "t", x)))  # the distribution leaves some out


class Switches:
    """what t/TEST gives to each test: its tables of extensions are read"""

    def __init__(self, tree):
        with open(os.path.join(tree, "t", "TEST")) as f:
            text = f.read()
        self.absolute = self.table(text, "abs")
        self.no_core = self.table(text, "temp_no_core")

    @staticmethod
    def table(text, name):
        return set(re.findall(r"'(\S+)' => 1", re.search(r"my %%%s =(.*?)\);" % name, text, re.S).group(1)))

    def command(self, tree, test):
        """argv, folder"""
        with open(os.path.join(tree, "t", test), errors="replace") as f:
            taint = re.match(r"#!.*\bperl.*\s-\w*([tT])", f.readline())
        switches = ["-" + taint.group(1)] if taint else []
        m = re.match(r"(\.\./(?:cpan|dist|ext)/[^/]+)/(.*)", test)
        if m:
            at = m.group(1)
            how = "" if at == "../ext/File-Glob" else "=U2T%s%s" % (",A" if at in self.absolute else "", ",NC" if at in self.no_core else "")
            return ["../../t/perl", *switches, "-I../..", "-MTestInit" + how, m.group(2)], os.path.join(tree, "t", at)
        if test.split("/")[0] not in ("base", "comp", "run"):
            switches += ["-I..", "-MTestInit=U1" if test.startswith("../lib/") else "-MTestInit"]
        return ["./perl", *switches, test], os.path.join(tree, "t")


def tally(log):
    """how many cases, and the numbers of those that are more than ok"""
    n, found = 0, {"skipped": [], "todo": [], "not ok": []}
    with open(log, errors="replace") as f:
        for line in f:
            m = re.match(r"(not )?ok\b *(\d*)(.*)", line)
            if not m:
                continue
            n += 1
            word = re.search(r"# *(skip|todo)", m.group(3), re.I)
            kind = {"skip": "skipped", "todo": "todo"}[word.group(1).lower()] if word else "not ok" if m.group(1) else None
            if kind:
                found[kind].append(int(m.group(2) or n))
    return "%d cases" % n + "".join(", %s %s" % (k, cases.ranges(v)) for k, v in found.items() if v)


def main():
    tree = os.path.abspath(sys.argv[1])
    left = cases.LeftOut(os.path.join(os.path.dirname(os.path.abspath(__file__)), "perl.out"))
    switches = Switches(tree)
    os.makedirs("logs", exist_ok=True)
    for test in sys.argv[2:] or files(tree):
        if left.whole(test):
            continue
        argv, folder = switches.command(tree, test)
        name = test.replace("../", "").replace("/", "_")
        status = cases.run(argv, name, SECONDS, folder, dict(cases.ENV, LANG="C"))
        said = tally(cases.log(name))
        print("%s: status %s, %s" % (test, status, said), flush=True)
        if status == "0" and "not ok" not in said:
            os.unlink(cases.log(name))


main()
