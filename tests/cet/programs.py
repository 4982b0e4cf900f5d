#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real programs that nobody prepared for shadow stacks, in a root where everything is marked and the C library asks for them
(tools/cet_root), under `gnomon run`: what each does, and whether the shadow stack ends it, as it does where frames or stacks
change behind its back. docs/findings.md says why. Prints TAP; needs root. B names the build folder.

usage: programs.py [NAME...]
"""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOT = os.path.join(TOP, "tools/cet_root")
LINES = "open('/proc/self/status').read()"
CLEAN, DIES = "clean", "dies"
PROGRAMS = (
    ("bash", CLEAN, ["bash", "-c", "f() { [ $1 = 0 ] || f $(($1-1)); }; f 200; echo $(echo sub) | cat; trap 'echo usr1' USR1; "
                     "kill -USR1 $$; while read l; do case $l in *features:*shstk*) echo $l; esac; done </proc/self/status"]),
    ("perl", CLEAN, ["perl", "-e", "no warnings; sub f { my $n = shift; $n ? 1 + f($n - 1) : 0 } print f(2000), qq(\\n); eval { die qq(x\\n) }; "
                     "print $@; $SIG{ALRM} = sub { die qq(alarm\\n) }; eval { alarm 1; select undef, undef, undef, 9 }; print $@; "
                     "system('echo sys'); open F, '/proc/self/status'; print grep /features:.*shstk/, <F>"]),
    ("perl-threads", CLEAN, ["perl", "-Mthreads", "-e", "print threads->create(sub { open F, '/proc/thread-self/status'; print grep /features:.*shstk/, <F>; 7 })->join, qq(\\n)"]),
    ("python3", CLEAN, ["python3", "-c", "import threading, re, json, subprocess, ctypes\ndef f(n): return n and 1 + f(n - 1)\nprint(f(900))\n"
                        "t = threading.Thread(target=f, args=(100,)); t.start(); t.join()\ntry: 1 / 0\nexcept Exception as e: print(e)\n"
                        "print(subprocess.run(['echo', 'x'], capture_output=True).stdout, ctypes.CDLL(None).abs(-3))\n"
                        "print(*re.findall('features:.*shstk', %s))" % LINES]),
    ("ruby", CLEAN, ["ruby", "-e", "def f(n) n == 0 ? 0 : 1 + f(n - 1) end; puts f(1000); begin; raise 'x'; rescue => e; puts e.message; end; "
                     "puts catch(:a) { throw :a, 5 }; Thread.new { puts 'thread' }.join; puts File.read('/proc/self/status')[/features:.*shstk/]"]),
    ("ruby-fiber", DIES, ["ruby", "-e", "f = Fiber.new { Fiber.yield 1; 2 }; puts f.resume; puts f.resume"]),
    ("php", CLEAN, ["php", "-r", "function f($n) { return $n ? 1 + f($n - 1) : 0; } echo f(1000), PHP_EOL; try { throw new Exception('x'); } "
                    "catch (Exception $e) { echo $e->getMessage(), PHP_EOL; } echo preg_replace('/a+/', 'b', 'xaay'), PHP_EOL; "
                    "echo implode(preg_grep('/features:.*shstk/', file('/proc/self/status')));"]),
    ("php-fiber", DIES, ["php", "-r", "$f = new Fiber(function() { Fiber::suspend(1); echo 'in'; }); echo $f->start(); $f->resume();"]),
    ("guile", DIES, ["guile", "-c", "(display 1)"]),
    ("guile-nojit", CLEAN, ["env", "GUILE_JIT_THRESHOLD=-1", "guile", "--no-auto-compile", "-c", "(display (call-with-current-continuation (lambda (k) (+ 1 (k 42))))) (newline) "
                      "(define (f n) (if (= n 0) 0 (+ 1 (f (- n 1))))) (display (f 10000)) (newline) (catch #t (lambda () (error \"x\")) "
                      "(lambda a (display \"caught\") (newline))) (use-modules (ice-9 rdelim)) (call-with-input-file \"/proc/self/status\" "
                      "(lambda (p) (let loop ((l (read-line p))) (unless (eof-object? l) (when (string-contains l \"features:\") (display l) "
                      "(newline)) (loop (read-line p))))))"]),
    ("luajit", CLEAN, ["luajit", "-e", "local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end print(f(100)) local s = 0 "
                       "for i = 1, 1e7 do s = s + i % 3 end print(s, pcall(error, 'x')) local co = coroutine.wrap(function() coroutine.yield(1) "
                       "coroutine.yield(2) end) print(co(), co()) for l in io.lines('/proc/self/status') do if l:match('features:.*shstk') "
                       "then print(l) end end"]),
    ("pypy3", CLEAN, ["pypy3", "-c", "def f(n): return n and 1 + f(n - 1)\nprint(f(500))\ns = 0\nfor i in range(3000000): s += i %% 7\nprint(s)\n"
                      "try: 1 / 0\nexcept Exception as e: print(e)\nimport re; print(*re.findall('features:.*shstk', %s))" % LINES]),
    ("node", DIES, ["node", "-e", "console.log(1)"]),
    ("java", DIES, ["java", "-Xint", "-version"]),
    ("java-jit", DIES, ["java", "-version"]),
    ("erlang", DIES, ["erl", "-noshell", "-eval", "io:format(\"~p~n\", [lists:sum(lists:seq(1, 1000))]), halt()."]),
)


def inside(env, *argv):
    r = subprocess.run([ROOT, "env", "LC_ALL=C", *env, "timeout", "120", *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=300)
    return r.returncode, r.stdout.decode(errors="replace"), r.stderr.decode(errors="replace")


def told(text):
    return [x for x in text.splitlines() if x and "features:" not in x]


if subprocess.run([ROOT, "--build"], stdout=subprocess.DEVNULL).returncode:
    print("1..0 # SKIP no root in which everything is marked")
    sys.exit(0)
number = failed = 0
for name, want, argv in PROGRAMS:
    if sys.argv[1:] and name not in sys.argv[1:]:
        continue
    off = inside([], "/gnomon/build/gnomon", "run", "--engine=soft", "--", *argv)
    on = inside(["GLIBC_TUNABLES=glibc.cpu.hwcaps=SHSTK"], "/gnomon/build/gnomon", "run", "--engine=soft", "--", *argv)
    died = on[0] in (139, 134)  # SIGSEGV, or what a handler of it makes of it
    asked = "shstk" in on[1]
    good = off[0] == 0 and (died if want == DIES else on[0] == 0 and asked and told(on[1]) == told(off[1]))
    number += 1
    failed += not good
    print("%sok %d - %s: %s" % ("" if good else "not ", number, name, "dies" if died else "status %d" % on[0]))
    for line in [] if good else ("without: %r" % (off,) + "\nwith: %r" % (on,)).split("\n"):
        print("# " + line[:600])
print("1..%d" % number)
sys.exit(failed != 0)
