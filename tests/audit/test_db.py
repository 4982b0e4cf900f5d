#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The database: what is in it, reading only what changed, diff, query, import, shards and merge, and databases that cannot
be used. Prints TAP."""
import resource
import sqlite3

from audit_lib import *

CET = ["-Wl,-z,shstk"]
os.makedirs("set/sub")
for n in range(6):
    cc("set/lib%d.so" % n, "int f%d(void) { return %d; }" % (n, n), "-shared", "-fPIC", *(CET if n % 2 else []))
cc("set/sub/prog", "int main(void) { return 0; }", *CET)
cc("a.o", "int a(void) { return 1; }", "-c")
must(["ar", "rc", "set/libx.a", "a.o"])
for d, _, names in os.walk("set"):
    for n in names:
        if n.endswith(".c"):
            os.unlink(os.path.join(d, n))
SET = tmp + "/set"


def rows(db, sql):
    c = sqlite3.connect(db)
    try:
        return c.execute(sql).fetchall()
    finally:
        c.close()


def opened(*args):
    """files of the set that the audit opens"""
    # nobody can look for leaks in a process that is traced
    must(["strace", "-f", "-o", "trace", "-E", "ASAN_OPTIONS=detect_leaks=0", "-e", "trace=open,openat,openat2", AUDIT, *args])
    found = set()
    for line in open("trace", errors="replace"):
        m = line.split('"')
        if len(m) > 2 and "= -1" not in line and "O_DIRECTORY" not in line and (
                m[1].startswith(SET) or "/" not in m[1]):
            found.add(os.path.basename(m[1]))
    return found & {f for _, _, names in os.walk("set") for f in names}


# ---- contents
r = audit("--db", "one.db", "--json", "set")
first = Result(r)
got = {p: (k, s) for p, k, s in rows("one.db", "SELECT path, kind, shstk FROM file WHERE asked AND container IS NULL")}
ok("files and marks are those of --json", got == {n: (e["kind"], int(e["shstk"])) for n, e in first.files.items()
                                                   if "in" not in e and e.get("asked", True)}, got)
ok("members have their library as container", rows("one.db", "SELECT f.path, c.path FROM file f JOIN file c ON c.id = f.container")
   == [("a.o", SET + "/libx.a")])
ok("foreign keys lead somewhere", rows("one.db", "PRAGMA foreign_key_check") == [] and
   rows("one.db", "PRAGMA integrity_check") == [("ok",)])
ok("views", rows("one.db", "SELECT path, blocks FROM blockers")[0][1] >= 1 and
   rows("one.db", "SELECT rule FROM findings") and rows("one.db", "SELECT by_marks FROM verdicts") == [("vetoed",)])
doc = read(os.path.join(TOP, "docs", "audit.md")).decode() if os.path.exists(os.path.join(TOP, "docs", "audit.md")) else ""
columns = {t: [c[1] for c in rows("one.db", "PRAGMA table_info(%s)" % t)] for (t,) in rows(
    "one.db", "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
lacking = [t for t in columns if "`%s`" % t not in doc] + ["%s.%s" % (t, c) for t, cs in columns.items() for c in cs
                                                          if "`%s`" % c not in doc]
ok("docs/audit.md has every table and column", not lacking, lacking)

# ---- only what changed
again = Result(audit("--db", "one.db", "--json", "set"))
strip = lambda r: {n: {k: v for k, v in e.items()} for n, e in r.files.items()}
ok("a second audit says the same", strip(again) == strip(first), [n for n in first.files if again.files.get(n) != first.files[n]])
if shutil.which("strace"):
    ok("and opens none of the files", opened("--db", "one.db", "-q", "set") == set(), opened("--db", "one.db", "-q", "set"))
    cc("set/lib2.so", "int f2(void) { return 22; }", "-shared", "-fPIC", *CET)
    os.unlink("set/lib2.so.c")
    ok("a changed file is opened, no other", opened("--db", "one.db", "-q", "set") == {"lib2.so"}, read("trace"))
    ok("a deeper look opens all", opened("--db", "deep.db", "--level", "marks", "-q", "set") and
       len(opened("--db", "deep.db", "--level", "closure", "-q", "set")) == 8)
else:
    skip("opens", "no strace")
e = Result(audit("--db", "one.db", "--json", "set")).files
ok("what it found in the changed file is new", e[SET + "/lib2.so"]["shstk"] and not first.files[SET + "/lib2.so"]["shstk"])
os.rename("set/lib4.so", "set/lib9.so")
audit("--db", "one.db", "-q", "set")
paths = [p for p, in rows("one.db", "SELECT path FROM file WHERE container IS NULL AND asked")]
ok("what is gone is forgotten, what is new is there", SET + "/lib4.so" not in paths and SET + "/lib9.so" in paths, paths)
shutil.copy("set/lib1.so", "elsewhere.so")
r = audit("--db", "one.db", "-l", "elsewhere.so")
paths = [p for p, in rows("one.db", "SELECT path FROM file WHERE container IS NULL AND asked")]
ok("what was not asked for this time stays, and is not shown", SET + "/lib1.so" in paths and tmp + "/elsewhere.so" in paths and
   "set/lib1.so" not in r.out, paths, r)
os.unlink("elsewhere.so")
write("list", "elsewhere.so\n%s/elsewhere.so\n" % tmp)
r = audit("--db", "one.db", "-q", "--files-from", "list")
ok("a file of a list that is gone is told and forgotten", r.status == 3 and "elsewhere.so: No such file" in r.err and
   not rows("one.db", "SELECT 1 FROM file WHERE path LIKE '%elsewhere%'"), r)
r = audit("--db", "one.db", "--root", "set", "/")
ok("a database of another root is left alone", r.status == 3 and "another root" in r.err, r)

# ---- show
shown_ = Result(audit("show", "--db", "one.db", "--json"))
now = Result(audit("--db", "one.db", "--json", "set"))
ok("show has what the audit has", {n: e for n, e in shown_.files.items()} == {n: e for n, e in now.files.items()},
   [n for n in now.files if shown_.files.get(n) != now.files[n]][:5], shown_.ran)
ok("show as a table", "libraries in the way" in audit("show", "--db", "one.db").out, audit("show", "--db", "one.db"))

# ---- query
r = audit("query", "--db", "one.db", "SELECT count(*), 'a' FROM file WHERE kind = 'program'")
ok("query", r.status == 0 and r.out == "1\ta\n", r)
r = audit("query", "--db", "one.db", "DELETE FROM file")
ok("query changes nothing", r.status == 125 and "readonly" in r.err and len(r.err.splitlines()) == 1, r)
ok("query: an error in it", audit("query", "--db", "one.db", "SELEC 1").status == 125)

# ---- diff
shutil.copy("one.db", "old.db")
cc("set/lib3.so", "int f3(void) { return 3; } __asm__(\".globl g\\n.type g,@function\\ng: lea 1f(%rip), %rax; push %rax; ret; 1: ret\\n"
   ".size g, .-g\\n\");", "-shared", "-fPIC", *CET)
cc("set/lib5.so", "int f5(void) { return 5; }", "-shared", "-fPIC")
for n in (3, 5):
    os.unlink("set/lib%d.so.c" % n)
os.unlink("set/lib9.so")
shutil.copy("set/lib1.so", "set/libnew.so")
audit("--db", "one.db", "-q", "set")
r = audit("diff", "old.db", "one.db")
want = ["set/lib9.so: gone", "set/lib5.so: marks: SHSTK -> none", "set/libnew.so: new: SHSTK", "set/lib3.so: new finding: push-ret at g"]
ok("diff", r.status == 1 and all(tmp + "/" + w in r.out.splitlines() for w in want) and len(r.out.splitlines()) == len(want), r)
r = audit("diff", "--json", "old.db", "one.db")
ok("diff as JSON", all(json.loads(x)["event"] == "change" for x in r.out.splitlines()) and len(r.out.splitlines()) == len(want), r)
r = audit("diff", "one.db", "one.db")
ok("diff of nothing", r.status == 0 and r.out == "nothing changed\n", r)

# ---- dynamic evidence
cc("set/sub/fiber", '''
#include <stdlib.h>
__asm__(".globl sw\\n.type sw,@function\\nsw: push %rbx; mov %rsp,(%rdi); mov %rsi,%rsp; pop %rbx; ret\\n.size sw,.-sw\\n");
void sw(void **, void *);
static void *a, *b, *st[512];
static void body(void) { sw(&b, a); abort(); }
int main(void) { st[500] = body; b = st + 499; sw(&a, b); return 0; }''', "-g", *CET)
os.unlink("set/sub/fiber.c")
audit("--db", "one.db", "-q", "set")
run([G, "check", "-q", "--report", "fiber.report", "--", "set/sub/fiber"])
with open("fiber.json", "wb") as f:
    run([G, "check", "-q", "--json-fd", str(f.fileno()), "--", "set/sub/fiber"], pass_fds=[f.fileno()])
for name in ("fiber.report", "fiber.json"):
    r = audit("import", "--db", "one.db", name)
    seen = rows("one.db", "SELECT class, symbol FROM claims WHERE path LIKE '%%fiber' AND report = '%s'" % name)
    ok("import %s: what the file claims and what it did" % name, r.status == 0 and ("stack-switch", "sw") in seen and
       ("ran", None) in seen, r, seen)
once = rows("one.db", "SELECT * FROM evidence")
audit("import", "--db", "one.db", "fiber.report", "fiber.json")
ok("importing again changes nothing", sorted(map(str, rows("one.db", "SELECT * FROM evidence"))) == sorted(map(str, once)))
e = Result(audit("--db", "one.db", "--json", "set")).files[SET + "/sub/fiber"]
ok("evidence stays while the file does", any(s["class"] == "stack-switch" for s in e.get("seen", [])), e)
ok("and stands beside the finding", "stack-switch" in [f["rule"] for f in e["findings"]], e)
r = audit("import", "--db", "one.db", "nothing", write("garbage", b"\0" * 100))
ok("import of what is no report", r.status == 3 and "nothing: No such" in r.err and "garbage" in r.err, r)
cc("set/sub/fiber", "int main(void) { return 0; }")
os.unlink("set/sub/fiber.c")
audit("--db", "one.db", "-q", "set")
ok("evidence of another build is dropped", not rows("one.db", "SELECT * FROM evidence"))

# ---- shards
whole = Result(audit("--db", "whole.db", "--json", "set"))
for n in (1, 2, 3):
    r = audit("--db", "part%d.db" % n, "--shard", "%d/3" % n, "-q", "set")
    if r.status:
        ok("shard %d" % n, False, r)
parts = [len(rows("part%d.db" % n, "SELECT 1 FROM file WHERE asked AND container IS NULL")) for n in (1, 2, 3)]
ok("every file is in one part", sum(parts) == len([1 for e in whole.files.values() if e.get("asked", True) and "in" not in e]) and
   max(parts) < sum(parts), parts)
r = audit("merge", "--db", "merged.db", "-q", "part1.db", "part2.db", "part3.db")
merged = Result(audit("show", "--db", "merged.db", "--json"))
ok("merged parts are the whole", merged.files == whole.files, [(n, merged.files.get(n), whole.files[n]) for n in whole.files
                                                               if merged.files.get(n) != whole.files[n]][:3])
for n in (1, 2, 3):
    audit("import", "-q", "--db", "part%d.db" % n, "fiber.report")
r = audit("merge", "--db", "seen.db", "-q", "part1.db", "part2.db", "part3.db")
seen = lambda db: rows(db, "SELECT path, class, symbol, times FROM claims")
ok("merged parts have the evidence of all", sorted(map(str, seen("seen.db"))) == sorted(str(x) for n in (1, 2, 3) for x in seen(
    "part%d.db" % n)) and seen("seen.db"), seen("seen.db"), r)
r = audit("merge", "--db", "merged.db", "part1.db")
ok("merge does not overwrite", r.status == 125 and "there already" in r.err, r)
env = dict(os.environ, SLURM_ARRAY_TASK_ID="12", SLURM_ARRAY_TASK_MIN="10", SLURM_ARRAY_TASK_COUNT="3")
audit("--db", "slurm.db", "--shard", "auto", "-q", "set", env=env)
ok("the shard of a Slurm array", rows("slurm.db", "SELECT path FROM file WHERE asked ORDER BY path") ==
   rows("part3.db", "SELECT path FROM file WHERE asked ORDER BY path"))
audit("--db", "par.db", "--shard", "/3", "-q", "set", env=dict(os.environ, PARALLEL_SEQ="2"))
ok("the shard of a GNU parallel job", rows("par.db", "SELECT path FROM file WHERE asked ORDER BY path") ==
   rows("part2.db", "SELECT path FROM file WHERE asked ORDER BY path"))
for bad in ("0/3", "4/3", "x", "1/0", "auto", "/3", "1/3/4"):
    r = audit("--db", "x.db", "--shard", bad, "set")
    ok("--shard %s is refused" % bad, r.status == 125 and len(r.err.splitlines()) == 2, r)

# ---- databases that cannot be used: told, and the audit goes on
lock = sqlite3.connect("one.db", isolation_level=None)
lock.execute("BEGIN IMMEDIATE")
r = audit("--db", "one.db", "-l", "set")
ok("locked", r.status == 3 and "one.db: locked" in r.err and "lib1.so" in r.out, r)
lock.execute("ROLLBACK")
lock.close()
c = sqlite3.connect("older.db")
c.execute("PRAGMA application_id = %d" % 0x676e6f6d)
c.execute("PRAGMA user_version = 0")
c.execute("CREATE TABLE file(x)")
c.commit()
c.close()
r = audit("--db", "older.db", "-l", "set")
ok("of an older version", r.status == 3 and "older.db: written by an older version" in r.err and "lib1.so" in r.out, r)
c = sqlite3.connect("newer.db")
c.execute("PRAGMA application_id = %d" % 0x676e6f6d)
c.execute("PRAGMA user_version = 99")
c.commit()
c.close()
r = audit("show", "--db", "newer.db")
ok("of a newer version", r.status == 125 and "newer version" in r.err, r)
c = sqlite3.connect("other.db")
c.execute("CREATE TABLE t(x)")
c.commit()
c.close()
r = audit("--db", "other.db", "-q", "set")
ok("somebody else's", r.status == 3 and "not one of gnomon audit" in r.err and rows("other.db", "SELECT name FROM sqlite_master") ==
   [("t",)], r)
r = audit("--db", write("text.db", "this is no database at all, but long enough to be looked at\n" * 40), "-l", "set")
ok("no database", r.status == 3 and "text.db: " in r.err and "lib1.so" in r.out, r)
r = audit("--db", "nodir/x.db", "-l", "set")
ok("in a folder that is not there", r.status == 3 and "nodir/x.db: " in r.err and "lib1.so" in r.out, r)
before = read("whole.db")
os.makedirs("many")
for n in range(300):
    shutil.copy("a.o", "many/%03d.o" % n)
r = audit("--db", "whole.db", "-l", "set", "many", setup=lambda: resource.setrlimit(
    resource.RLIMIT_FSIZE, (len(before) + 8192, len(before) + 8192)))
ok("a full disk: told, the results are shown, the old contents stay", r.status == 3 and "whole.db: " in r.err and
   "lib1.so" in r.out and rows("whole.db", "PRAGMA integrity_check") == [("ok",)] and
   Result(audit("show", "--db", "whole.db", "--json")).files == whole.files, r.err)
data = bytearray(read("whole.db"))
for at in range(4096, len(data), 512):
    data[at:at + 64] = bytes(64)
r = audit("--db", write("damaged.db", bytes(data)), "-l", "set")
ok("damaged", r.status == 3 and "damaged.db: " in r.err and "lib1.so" in r.out, r)
done()
