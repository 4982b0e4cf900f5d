# SPDX-License-Identifier: MIT
# large: php-cli
# needs: php
# timeout: 120
# modes: tiny flush=300
# expect: stack-switch php* jump_fcontext
# Fibers (of Boost's context switch), generators, exceptions, json, regular expressions (with PCRE's JIT), sorting.
set -eu
cat >prog.php <<'END'
<?php
function fib($n) { return $n < 2 ? $n : fib($n - 1) + fib($n - 2); }
echo fib(20), "\n";
function gen() { for ($i = 0; $i < 10; $i++) { $x = yield $i; } return 5; }
foreach (gen() as $v) echo $v, " ";
echo "\n";
$f = new Fiber(function ($a) { for ($i = 0; $i < 5; $i++) { $a += Fiber::suspend($a); } return $a; });
echo $f->start(1), "\n";
while (!$f->isTerminated()) { $r = $f->resume(2); echo $r ?? 'end', "\n"; }
echo $f->getReturn(), "\n";
$fs = [];
for ($i = 0; $i < 50; $i++) { $fs[$i] = new Fiber(function () use ($i) { $z = Fiber::suspend($i); return $z * $i; }); $fs[$i]->start(); }
$s = 0;
foreach ($fs as $x) { $x->resume(3); $s += $x->getReturn(); }
echo $s, "\n";
$t = new Fiber(function () { try { Fiber::suspend(1); } catch (Exception $e) { return "caught " . $e->getMessage(); } });
$t->start(); $t->throw(new Exception("thrown in")); echo $t->getReturn(), "\n";
try { throw new Exception("e"); } catch (Exception $e) { echo $e->getMessage(), "\n"; } finally { echo "finally\n"; }
echo json_encode(["a" => [1, 2, ["b" => null]]]), "\n", preg_replace('/(\w+) (\w+)/', '$2 $1', "hello world"), "\n";
echo md5(str_repeat("x", 1000)), " ", shell_exec("echo sub"), "\n";
$a = [3, 1, 2]; usort($a, fn($x, $y) => $x <=> $y); echo implode(",", $a), " ", strlen(serialize(range(1, 1000))), "\n";
echo sprintf("%05.2f", 3.14159), " ", gmdate("Y", 1700000000), "\n";
echo array_sum(array_map(fn($l) => preg_match_all('/[aeiou]+(?=n)/', $l), array_fill(0, 300, "ancient banana union"))), "\n";
exit(3);
END
php prog.php || echo "status $?"
php -d pcre.jit=0 prog.php | tail -1 || true
