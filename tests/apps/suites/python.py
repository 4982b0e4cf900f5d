# SPDX-License-Identifier: MIT
"""Python's own tests, all modules or those named: prints what became of each case. Logs of modules that did not pass are left in
logs/. python.out says what is left out."""
import os
import subprocess
import sys
import xml.etree.ElementTree

sys.dont_write_bytecode = True
import cases  # noqa: E402

PYTHON = "/usr/bin/python3"
SECONDS = 600  # of one module
RESOURCES = "curses,subprocess,decimal,tzdata"


def modules():
    return subprocess.run([PYTHON, "-m", "test", "--list-tests"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def results(path):
    """(case, what became of it), as regrtest writes it; a case may be there more than once, with its parts"""
    found = []
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        kinds = [x.tag for x in case if x.tag in ("error", "failure", "skipped")]
        found.append((case.get("name"), kinds[0] if kinds else "ok"))
    return sorted(found)


def module(name, left):
    xml_file, log = os.path.abspath("cases.xml"), os.path.abspath("logs/" + name)
    if os.path.exists(xml_file):
        os.unlink(xml_file)
    ignore = [x for pattern in left.cases(name) for x in ("-i", pattern)]
    status = cases.run([PYTHON, "-m", "test", "-v", "-u", RESOURCES, *ignore, "--junit-xml", xml_file, name], None, SECONDS, log)
    found = results(xml_file) if os.path.exists(xml_file) else []
    print("%s: status %s, %d cases" % (name, status, len(found)))
    for case, kind in found:
        print("%s %s" % (case, kind))
    sys.stdout.flush()
    if status == "0":
        os.unlink(log)


def main():
    left = cases.LeftOut(os.path.join(os.path.dirname(os.path.abspath(__file__)), "python.out"))
    os.makedirs("logs", exist_ok=True)
    for name in sys.argv[1:] or modules():
        if not left.whole(name):
            module(name, left)


main()
