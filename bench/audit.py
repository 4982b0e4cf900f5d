#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What gnomon audit costs beside the tools that show marks: marks, closures and code of the ELF files of a folder.

All read the same list of files, warm, output to /dev/null, in interleaved rounds; medians of wall time and CPU time, and of
each round's ratio. Tools that take one file at a time, or seconds for each, get a sample. `make bench` runs this with the
rest; alone:

  bench/audit.py                     the ELF files of /usr
  bench/audit.py --folder /opt -n 5
"""
import argparse
import datetime
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import corpus  # noqa: E402

READELF = "readelf -n"
PEERS = [[READELF, ["readelf", "-n"]], ["eu-readelf -n", ["eu-readelf", "-n"]], ["llvm-readelf -n", ["llvm-readelf", "-n"]],
         ["scanelf, presence of the section", ["scanelf", "-k", ".note.gnu.property"]]]
ONE_BY_ONE = [["readelf -n, one by one", ["readelf", "-n", "%s"]], ["checksec", ["checksec", "--file=%s"]],
              ["hardening-check", ["hardening-check", "%s"]]]
LARGEST = 60  # files whose code is measured


def which(name):
    return shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")


def elf_files(folder):
    """paths of ELF files, one for each inode, in the order of their names"""
    found, seen = [], set()
    for d, dirs, names in os.walk(folder):
        dirs.sort()
        for n in sorted(names):
            p = os.path.join(d, n)
            try:
                st = os.lstat(p)
                if (st.st_mode & 0o170000) != 0o100000 or (st.st_dev, st.st_ino) in seen or "\n" in p:
                    continue
                with open(p, "rb") as f:
                    if f.read(4) == b"\x7fELF":
                        seen.add((st.st_dev, st.st_ino))
                        found.append(p)
            except OSError:
                pass
    return found


def section_headers(path):
    """(offset, length) of the section headers if it takes them to know the marks: objects, and no property note in a segment"""
    with open(path, "rb") as f:
        head = f.read(1024)
        if len(head) < 64 or head[4:6] != b"\2\1" or struct.unpack_from("<H", head, 18)[0] != 62:
            return 0, 0
        phoff, shoff, _, _, phentsize, phnum, shentsize, shnum = struct.unpack_from("<QQIHHHHH", head, 32)
        for at in range(phoff, phoff + phnum * phentsize, phentsize or 1):
            if at + 40 > len(head):
                break
            kind, _, off, _, _, size = struct.unpack_from("<IIQQQQ", head, at)
            if kind == 4 and size < 1 << 20:
                f.seek(off)
                if b"\5\0\0\0GNU\0" in f.read(size):
                    return 0, 0
    return shoff, shnum * shentsize


def median(runs, i):
    return statistics.median(r[i] for r in runs)


def stat():
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:]]
    return sum(v), sum(v) - v[3] - v[4]  # idle, waiting


def others():
    """how many CPUs are busy without us"""
    whole, busy = stat()
    time.sleep(2)
    whole_later, busy_later = stat()
    return (busy_later - busy) / (whole_later - whole) * os.cpu_count()


class Bench:
    def __init__(self, audit, rusage, folder, n, sample, work, say):
        self.audit, self.rusage, self.n, self.sample, self.work, self.say = audit, rusage, n, sample, work, say
        self.folder = folder
        self.files = elf_files(folder)
        self.absent = []

    def timed(self, argv):
        """(wall s, CPU s, peak KiB) of a process and its children"""
        r, w = os.pipe()
        p = subprocess.Popen([self.rusage, str(w), "1", which(argv[0]), *argv[1:]], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, pass_fds=[w])
        os.close(w)
        with os.fdopen(r) as f:
            _, us, kib, wall = map(int, f.read().split())
        p.wait()
        return wall / 1e6, us / 1e6, kib

    def rounds(self, tools, n):
        """{name: [(wall, cpu, kib)]}, everything once in each round; one round before, for warmth"""
        got = {}
        for k in range(n + 1):
            for name, argv in tools:
                r = self.timed(argv)
                if k:
                    got.setdefault(name, []).append(r)
        return got

    def list(self, name, files):
        path = os.path.join(self.work, name)
        with open(path, "w", errors="surrogateescape") as f:
            f.write("".join(p + "\n" for p in files))
        return path

    def ours(self, level, lst, *more):
        return [self.audit, "--level", level, "-l", "--files-from", lst, *more]

    def row(self, name, files, runs, base=None):
        r = {"name": name, "files": files, "wall": median(runs, 0), "cpu": median(runs, 1), "kib": max(x[2] for x in runs)}
        if base:
            low, middle, high = statistics.quantiles([b[0] / x[0] for b, x in zip(base, runs)], n=4, method="inclusive")
            r["wall_x"] = (middle, low, high)
            r["cpu_x"] = statistics.median(b[1] / x[1] for b, x in zip(base, runs))
        self.say("%-34s %8.0f files/s %9.3f s CPU %s" % (
            name, files / r["wall"], r["cpu"],
            "%.1f times %s by wall time (%.1f-%.1f), %.1f by CPU time" % (r["wall_x"][0], READELF, *r["wall_x"][1:], r["cpu_x"]) if base else ""))
        return r

    def floor(self, data):
        """the system calls without which there are no marks, by one thread and by as many as the audit has"""
        exe = corpus.build(data, "floor", "floor.c", "-O2", "-pthread")
        if not exe:
            return []
        lst = self.list("floor", ["%d %d %s" % (*section_headers(p), p) for p in self.files])
        cpus = min(64, len(os.sched_getaffinity(0)))
        return [("floor: the same files opened, read, closed", [exe, str(cpus), lst]), ("floor, one thread", [exe, "1", lst])]

    def marks(self, data):
        """all that take a list, on the same list"""
        lst = self.list("all", self.files)
        tools = [("gnomon audit, marks", self.ours("marks", lst)), ("the same, one thread", self.ours("marks", lst, "-j", "1")),
                 ("gnomon audit, closure", self.ours("closure", lst)), *self.floor(data)]
        for name, argv in PEERS:
            if which(argv[0]):
                tools.append((name, ["xargs", "-a", lst, "-d", "\n", "-s", "2000000", *argv]))
            else:
                self.absent.append(name)
        got = self.rounds(tools, self.n)
        return [self.row(name, len(self.files), got[name], got[READELF]) for name, _ in tools]

    def slow(self):
        """what takes one file, on a sample spread over the list"""
        files = self.files[::max(1, len(self.files) // self.sample)][:self.sample]
        rows = []
        for name, argv in ONE_BY_ONE:
            if not which(argv[0]):
                self.absent.append(name)
                continue
            runs = [self.timed([a.replace("%s", p) for a in argv]) for p in files]
            rows.append(self.row(name, len(files), [(sum(r[0] for r in runs), sum(r[1] for r in runs), 0)]))
        return rows

    def code(self):
        """MB of code a second on one core, the work beside the code taken off; MB looked at"""
        lst = self.list("large", sorted(self.files, key=lambda p: -os.path.getsize(p))[:LARGEST])
        out = subprocess.run(self.ours("code", lst, "-j", "1", "--json"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        mb = json.loads(out.splitlines()[-1])["text"] / 1e6
        got = self.rounds([("code", self.ours("code", lst, "-j", "1")), ("closure", self.ours("closure", lst, "-j", "1"))],
                          max(3, self.n // 3))
        rate = mb / (median(got["code"], 1) - median(got["closure"], 1))
        self.say("code rules: %.0f MB of code a second and core (%.0f MB in %d files)" % (rate, mb, LARGEST))
        return {"rate": rate, "mb": mb, "files": LARGEST}

    def whole(self):
        """everything in the folder into a database, and again; KiB of memory"""
        argv = [self.audit, "-q", "--db", os.path.join(self.work, "all.db"), self.folder]
        first, again = self.timed(argv), self.timed(argv)
        self.say("all of %s into a database: %.1f s, %d MiB; again: %.2f s" % (self.folder, first[0], first[2] >> 10, again[0]))
        return {"first": first[0], "again": again[0], "kib": max(first[2], again[2])}

    def package(self):
        """marks of a .deb as it is, beside unpacking it"""
        if not which("dpkg-deb"):
            return None
        top, deb, un = (os.path.join(self.work, x) for x in ("pkg", "bench.deb", "un"))
        os.makedirs(top + "/DEBIAN")
        os.makedirs(top + "/usr/lib")
        with open(top + "/DEBIAN/control", "w") as f:
            f.write("Package: bench\nVersion: 1\nArchitecture: amd64\nMaintainer: x <x@example.org>\nDescription: x\n")
        for n, p in enumerate(self.files[::max(1, len(self.files) // 200)][:200]):
            if os.path.getsize(p) < 4 << 20:
                shutil.copy(p, top + "/usr/lib/%d" % n)
        subprocess.run(["dpkg-deb", "-Zxz", "-b", top, deb], stdout=subprocess.DEVNULL, check=True)
        got = self.rounds([("audit", self.ours("marks", self.list("deb", [deb]))),
                           ("unpack", ["sh", "-c", 'dpkg-deb -x "$1" "$2" && find "$2" -type f -exec readelf -n {} + ; rm -rf "$2"',
                                       "sh", deb, un])], max(3, self.n // 3))
        res = {k: median(v, 0) for k, v in got.items()}
        res["mib"] = os.path.getsize(deb) / 2 ** 20
        self.say("a package of %.0f MiB: audit %.2f s, unpacking and readelf %.2f s" % (res["mib"], res["audit"], res["unpack"]))
        return res


def cpu_model():
    try:
        with open("/proc/cpuinfo") as f:
            return next(x.split(":", 1)[1].strip() for x in f if x.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown"


def commit():
    r = subprocess.run(["git", "-C", TOP, "rev-parse", "--short=10", "HEAD"], stdout=subprocess.PIPE, text=True)
    return r.stdout.strip() or "unknown"


def measure(build, data, folder="/usr", n=21, sample=20, say=lambda line: print(line, flush=True)):
    """`data`: a folder for what is compiled"""
    if not which("readelf"):
        return None
    rusage = corpus.build(data, "rusage", "rusage.c", "-O1", "-static")
    if not rusage:
        return None
    load = others()
    with tempfile.TemporaryDirectory(prefix="gnomon-bench.") as work:
        b = Bench(os.path.join(os.path.abspath(build), "gnomon-audit"), rusage, folder, n, sample, work, say)
        return {"date": datetime.date.today().isoformat(), "commit": commit(), "cpu": cpu_model(),
                "cpus": len(os.sched_getaffinity(0)), "load": load, "rounds": n, "folder": folder, "rows": b.marks(data) + b.slow(),
                "code": b.code(), "whole": b.whole(), "deb": b.package(), "absent": b.absent}


def markdown(res):
    rows = res["rows"]
    busy = "; others had work for %.1f CPUs, so CPU time says more than wall time" % res["load"] if res["load"] >= 0.3 else ""
    o = ["The %d ELF files of %s, warm, on %d CPUs (%s%s); medians of %d interleaved rounds, the middle half of them behind. %s, "
         "commit %s." % (rows[0]["files"], res["folder"], res["cpus"], res["cpu"], busy, res["rounds"], res["date"], res["commit"]), "",
         "| | files/s | times readelf -n, wall time | CPU time |", "|---|---|---|---|"]
    for r in rows:
        rate = r["files"] / r["wall"]
        o.append("| %s%s | %.*f | %s | %s |" % (
            r["name"], "" if r["files"] == rows[0]["files"] else " (%d files)" % r["files"], 0 if rate >= 10 else 1, rate,
            "%.1f (%.1f–%.1f)" % tuple(r["wall_x"]) if "wall_x" in r else "–", "%.1f" % r["cpu_x"] if "cpu_x" in r else "–"))
    o += ["", "Code rules: %.0f MB of code a second and core (%.1f GB in the %d largest files). Everything in %s, code and archives, "
          "into a database: %.1f s and %d MiB of memory; again, nothing changed: %.2f s." % (
              res["code"]["rate"], res["code"]["mb"] / 1e3, res["code"]["files"], res["folder"], res["whole"]["first"],
              res["whole"]["kib"] >> 10, res["whole"]["again"])]
    if res["deb"]:
        o[-1] += " Marks of a package of %.0f MiB as it is: %.2f s; unpacked and shown by readelf: %.2f s." % (
            res["deb"]["mib"], res["deb"]["audit"], res["deb"]["unpack"])
    if res["absent"]:
        o += ["", "Not measured, not installed: " + ", ".join(res["absent"]) + "."]
    return "\n".join(o) + "\n"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default=os.path.join(TOP, "build"))
    ap.add_argument("--folder", default="/usr")
    ap.add_argument("-n", type=int, default=21, help="rounds")
    ap.add_argument("--sample", type=int, default=20, help="files for tools that take one at a time")
    ap.add_argument("--out", default=os.path.join(HERE, "out"))
    ap.add_argument("--markdown", metavar="JSON", help="print the table of a saved result and leave")
    opt = ap.parse_args()
    if opt.markdown:
        with open(opt.markdown) as f:
            sys.stdout.write(markdown(json.load(f)))
        return 0
    data = os.path.join(opt.out, "data")
    os.makedirs(data, exist_ok=True)
    res = measure(opt.build, data, opt.folder, opt.n, opt.sample)
    if not res:
        print("bench: readelf and gcc are needed", file=sys.stderr)
        return 2
    with open(os.path.join(opt.out, "audit.json"), "w") as f:
        json.dump(res, f, indent=1)
        f.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
