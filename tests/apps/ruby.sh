# SPDX-License-Identifier: MIT
# large: ruby
# needs: ruby
# timeout: 120
# modes: tiny flush=1000
# expect: stack-switch libruby-*.so.* coroutine_transfer
# expect: unwind libruby-*.so.* *
# Fibers, enumerators, threads, exceptions, throw, fork, deep recursion, json, yaml, regular expressions.
set -eu
cat >prog.rb <<'END'
require 'json'; require 'set'; require 'digest'; require 'stringio'; require 'erb'; require 'yaml'
def fib(n) n < 2 ? n : fib(n - 1) + fib(n - 2) end
puts fib(20)
f = Fiber.new { 10.times { |i| Fiber.yield i * i }; :done }
11.times { p f.resume }
e = Enumerator.new { |y| a, b = 0, 1; loop { y << a; a, b = b, a + b } }
p e.take(20), e.next, e.next, e.next
begin; raise "raised"; rescue => ex; puts ex.message; ensure; puts "ensure"; end
p catch(:a) { catch(:b) { throw :a, 5 } }
q = Queue.new; ts = 4.times.map { |i| Thread.new { 50.times { |j| q << i * j } } }; ts.each(&:join); p q.size
p JSON.parse(JSON.generate({ a: [1, 2, { b: nil }] }))
p `echo sub; exit 3`, $?.exitstatus
p Digest::SHA256.hexdigest("x" * 1000)
pid = fork { exit 7 }; Process.wait pid; p $?.exitstatus
p "the quick brown fox".scan(/\w+/).map(&:capitalize).join(" ")
def deep(n) n == 0 ? 0 : 1 + deep(n - 1) end
p deep(5000)
begin; def inf; inf; end; inf; rescue SystemStackError => e; p e.class; end
seen = nil; Signal.trap("USR1") { seen = :usr1 }; Process.kill("USR1", $$); sleep 0.01 until seen; p seen
GC.start
p 100.times.map { |i| Fiber.new { |x| x + Fiber.yield(i) } }.sum { |g| g.resume(1) + g.resume(2) }
p YAML.dump({ "a" => [1, 2] }), ERB.new("<%= 1 + 1 %>").result
h = Hash.new { |hash, k| hash[k] = k.to_s * 2 }; 2000.times { |i| h[i % 97] }; p h.size
p [3, 1, 2].lazy.map { |x| x * 2 }.select(&:even?).sort.to_a
fibers = 5.times.map { |i| Fiber.new { begin; Fiber.yield i; raise "in fiber #{i}"; rescue => x; x.message; end } }
p fibers.map(&:resume), fibers.map(&:resume)
exit 4
END
ruby -W0 prog.rb || echo "status $?"
ruby -ne 'print if /a.c/' <<'END'
abc
xyz
END
