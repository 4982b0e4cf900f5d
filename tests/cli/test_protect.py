#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`gnomon protect`: attacks on return addresses that succeed natively are all stopped, where and by whatever they are made;
programs that unwind and switch stacks run as they do natively; --policy.

usage: test_protect.py [--build DIR]. Prints TAP.
"""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from tap import *  # noqa: E402

os.chdir(TMP)
P = [G, "protect"]
SEAL = ["-X", "seal"]  # --seal without keys

# ---- attacks ----
attack = compiled("attack", "tests/cli/attack.c", flags=[
    "-O1", "-fno-stack-protector", "-fcf-protection=none", "-no-pie", "-U_FORTIFY_SOURCE"])
for how in ("direct", "indirect", "frame"):
    for where in ("stack", "heap", "bss", "data"):
        for what in ("function", "libc", "rop", "pivot", "code"):
            name, argv = "%s, %s, %s" % (how, where, what), [attack, how, where, what]
            s, out, err = run(argv)
            if out != "taken\n":
                ok("natively: " + name, False, s, out, err)
                continue
            s, out, err = run([*P, "-q", "--", *argv])
            ok("stopped: " + name, s == -11 and out == "", s, out, err)
            s, out, err = run([*P, *SEAL, "-q", "--", *argv])
            ok("stopped, sealed: " + name, s == -11 and out == "", s, out, err)

# ---- no attacks ----


def same(name, argv, options=(), **kw):
    want = run(argv, **kw)
    for label, more in (name, []), (name + ", sealed", SEAL):
        got = run([*P, *more, *options, "--", *argv], **kw)
        ok(label, got == want, want, got)


FLAGS = ["-I" + TOP + "/tests/lib", "-Wno-unused", "-Wno-infinite-recursion", "-pthread", "-O1", "-fno-stack-protector"]
for name in ("viol/swapcontext", "viol/coroutine", "viol/fiber", "viol/longjmp", "viol/longjmp_loop", "viol/jump_context",
             "viol/altstack_jump", "func/calls", "func/longjmp", "func/signals", "func/threads", "func/process",
             "signal/state", "threads/exits"):
    same(name, [compiled(os.path.basename(name), "tests/%s.c" % name, flags=FLAGS)])
put("throw.cc", b"""
#include <cstdio>
#include <stdexcept>
struct S { ~S() { puts("gone"); } };
static int __attribute__((noinline)) deep(int n) { S s; if (!n) throw std::runtime_error("thrown"); return deep(n - 1) + 1; }
int main() { for (int i = 0; i < 3; i++) try { deep(i); } catch (std::exception &e) { puts(e.what()); } }
""")
same("C++ exceptions", [compiled("throw", os.path.join(TMP, "throw.cc"), flags=["-Wl,--no-as-needed", "-lstdc++"])])
same("a script", ["/bin/sh", "-c", "echo a | cat; (exit 3); echo $?; ls / | wc -l; kill -9 $$"])
same("python", ["/usr/bin/python3", "-c", "import threading, re, json, ctypes, subprocess\n"
                "t = [threading.Thread(target=lambda: sum(range(10000))) for _ in range(4)]\n"
                "[x.start() for x in t]; [x.join() for x in t]\n"
                "def f(n): return f(n + 1)\n"
                "try: f(0)\nexcept RecursionError: print('deep')\n"
                "print(subprocess.run(['/bin/echo', 'x'], capture_output=True))"])
via_register = compiled("register_switch", "tests/cli/register_switch.c", flags=["-O2"])
same("a switch called through a register", [via_register])
s, out, err = run([*P, "-q", "--", via_register, "pivot"])
ok("stopped: a pivot called through a register", s == -11 and out == "", s, out, err)
same("fibers in one mapping, entered by jumps, that end", [compiled("jump_switch", "tests/viol/jump_switch.c", flags=FLAGS), "unharmed"],
     ["-q", "--policy=stack-switch=allow"])
stale = compiled("stale", "tests/cli/stale.c", flags=["-O2"])
same("an unwinder that comes out with RET", [stale])
want = run([stale, "smash"])
s, out, err = run([*P, "-q", "--policy=stack-switch=allow", "--", stale, "smash"])
ok("stopped: a return address changed after a fiber was there, switches allowed", want == (0, "7\n", "") and s == -11 and out == "",
   want, s, out, err)
put("t.rb", b"""
f = Fiber.new { |x| 5.times { |i| x = Fiber.yield(x + i) }; :done }
p f.resume(1), f.resume(2)
e = Enumerator.new { |y| 3.times { |i| y << i * i } }
p e.next, e.next, e.next
begin; e.next; rescue StopIteration => x; p x.class; end
p 4.times.map { |i| Thread.new { (1..1000).sum + i } }.map(&:value)
catch(:a) { 10.times { throw :a } }
""")
put("t.php", b"""<?php
$f = new Fiber(function ($x) { for ($i = 0; $i < 5; $i++) $x = Fiber::suspend($x + $i); return 'done'; });
echo $f->start(1), $f->resume(2), "\n";
try { throw new Exception("e"); } catch (Exception $e) { echo $e->getMessage(), preg_match('/a+b/', 'caaab'), "\n"; }
""")
put("t.lua", b"""
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
local co = coroutine.wrap(function(x) for i = 1, 5 do x = coroutine.yield(x + i) end end)
print(fib(22), co(1), co(2), pcall(function() error('x') end))
""")
put("t.py", b"""
def g(): yield from range(3)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
try: raise ValueError(fib(20))
except ValueError as e: print(e, list(g()))
""")
put("greenlets.py", b"""
import greenlet
def f(x):
    for i in range(5): x = greenlet.getcurrent().parent.switch(x + i)
for k in range(20):
    g = greenlet.greenlet(f)
    print([g.switch(i) for i in range(5)])
""")
put("T.java", b"""
public class T {
    static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
    public static void main(String[] a) {
        try { ((Object)null).toString(); } catch (NullPointerException e) { System.out.println(fib(25)); }
    }
}
""")
for program, script in (("ruby", "t.rb"), ("php", "t.php"), ("luajit", "t.lua"), ("pypy3", "t.py")):
    if shutil.which(program):
        same(program, [program, script])
if run(["/usr/bin/python3", "-c", "import greenlet"])[0] == 0:
    same("greenlet, which exchanges what is on its stack", ["/usr/bin/python3", "greenlets.py"],
         ["-q", "--policy=stack-switch=allow"])
if shutil.which("java"):
    same("java, whose generated code returns to what nobody called, and is left by changed return addresses",
         ["java", "-Xmx256m", "T.java"], ["-q", "--policy=all=allow"], timeout=120)
if shutil.which("node"):
    same("node, whose generated code returns to what nobody called", ["node", "-p", "[3, 1, 2].sort().map(x => x * 2)"],
         ["-q", "--policy=never-called=allow,overwritten=allow"])

# ---- what it says ----
s, out, err = run([*P, "--", attack, "direct", "stack", "rop"])
ok("a report of what it stopped", s == -11 and "return address overwritten" in err and "direct+0x" in err, s, err)
r, w = os.pipe()
s, out, err = run([*P, "-q", "--json-fd", str(w), "--", attack, "indirect", "heap", "function"], pass_fds=[w])
os.close(w)
with os.fdopen(r) as f:
    classes = [e["class"] for e in map(json.loads, f) if e["event"] == "violation"]
ok("one event", classes == ["overwritten"], classes)

# ---- policies ----
push_ret = compiled("push_ret", "tests/viol/push_ret.c", flags=FLAGS)
want = run([push_ret])
s, out, err = run([*P, "-q", "--", push_ret])
ok("push and ret is stopped", s == -11, s, out, err)
for policy, says in (("never-called=allow", False), ("never-called=report", True), ("all=report", True),
                     ("all=kill,never-called=allow", False)):
    s, out, err = run([*P, "--policy", policy, "--", push_ret])
    ok(policy, (s, out) == want[:2] and ("no call pushed" in err) == says, s, out, err)
s, out, err = run([*P, "-q", "--policy=unwind=kill", "--", compiled("longjmp", "tests/viol/longjmp.c", flags=FLAGS)])
ok("what is recognised passes in any case", s == 0, s, out, err)
for bad in ("x", "overwritten", "overwritten=", "overwritten=maybe", "x=kill", "all=kill,", "all=kill,,", "=kill"):
    s, out, err = run([*P, "--policy", bad, "--", "/bin/true"])
    good = bad == "all=kill,"
    ok("--policy " + bad, (s == 0) if good else s == 125 and "--policy" in err, s, err)
s, out, err = run([G, "check", "--policy=all=kill", "--", "/bin/true"])
ok("for protect only", s == 125, s, err)

# ---- --seal ----
s, out, err = run([G, "doctor"])
keys = "protection keys (PKU)" in out and out.split("protection keys (PKU)")[1].split()[0] == "yes"
s, out, err = run([*P, "--seal", "--", "/bin/echo", "x"])
ok("--seal", (s, out, err) == (0, "x\n", "") if keys else s == 125 and out == "" and err.startswith("gnomon: --seal: no protection keys")
   and err.count("\n") == 1, s, out, err)
s, out, err = run([G, "check", "--seal", "--", "/bin/true"])
ok("--seal is for protect only", s == 125, s, err)
s, out, err = run([G, "check", "--ibt", *SEAL, "--", "/bin/true"])
ok("--ibt is not known to sealed code, and that is told", s == 125 and "--ibt" in err, s, err)

done()
