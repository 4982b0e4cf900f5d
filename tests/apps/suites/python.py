# SPDX-License-Identifier: MIT
"""Python's own tests, all modules or those named: prints what became of each case. Logs of modules that did not pass are left in
logs/. python.out says what is left out."""
import concurrent.futures
import os
import subprocess
import sys
import xml.etree.ElementTree

sys.dont_write_bytecode = True
import cases  # noqa: E402

PYTHON = "/usr/bin/python3"
SECONDS = 900  # of one module
WORKERS = 4  # most modules wait for something most of the time
RESOURCES = "cpu,curses,subprocess,decimal,tzdata"


def modules():
    return subprocess.run([PYTHON, "-m", "test", "--list-tests"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def results(path):
    """lines `CASE what became of it`, as regrtest has it; a case may be there more than once, with its parts"""
    found = []
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        kinds = [x.tag for x in case if x.tag in ("error", "failure", "skipped")]
        found.append("%s %s" % (case.get("name"), kinds[0] if kinds else "ok"))
    return sorted(found)


def module(name, ignored):
    path = os.path.abspath(name + ".xml")
    argv = [PYTHON, "-m", "test", "-v", "-u", RESOURCES, *(x for i in ignored for x in ("-i", i)), "--junit-xml", path, name]
    status = cases.run(argv, name, SECONDS)
    found = []
    if os.path.exists(path):
        found = results(path)
        os.unlink(path)
    if status == "0":
        os.unlink(cases.log(name))
    return "\n".join(["%s: status %s, %d cases" % (name, status, len(found))] + found)


def main():
    left = cases.LeftOut(os.path.join(os.path.dirname(os.path.abspath(__file__)), "python.out"))
    os.makedirs("logs", exist_ok=True)
    todo = [m for m in sys.argv[1:] or modules() if not left.whole(m)]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for text in pool.map(lambda m: module(m, left.cases(m)), todo):
            print(text, flush=True)


main()
