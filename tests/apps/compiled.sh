# SPDX-License-Identifier: MIT
# large: gnat fp-compiler ldc
# needs: gnatmake fpc ldc2
# timeout: 240
# modes: tiny
# expect: stack-switch libdruntime-ldc-shared.so* fiber_switchContext
# expect: overwritten pasprog *
# may: unwind * *
# Ada: tasks, a stack overflow caught. Pascal: exceptions from signals whose handlers edit the context, threads. D: fibers.
set -eu
cat >adaprog.adb <<'END'
with Ada.Text_IO; use Ada.Text_IO;
procedure Adaprog is
  protected C is procedure Inc; function Get return Integer; private V : Integer := 0; end C;
  protected body C is procedure Inc is begin V := V + 1; end Inc; function Get return Integer is (V); end C;
  procedure Run is
    task type W; task body W is begin for I in 1 .. 5000 loop C.Inc; end loop; end W;
    X : array (1 .. 8) of W;
  begin null; end Run;
  function Deep (N : Integer) return Integer is (1 + Deep (N + 1));
begin
  Run; Put_Line (Integer'Image (C.Get));
  begin raise Constraint_Error with "boo"; exception when others => Put_Line ("caught"); end;
  begin Put_Line (Integer'Image (Deep (0))); exception when Storage_Error => Put_Line ("storage"); end;
end Adaprog;
END
gnatmake -q adaprog.adb
./adaprog
cat >pasprog.pas <<'END'
program pasprog; {$mode objfpc} uses cthreads, sysutils, classes;
type T = class(TThread) procedure Execute; override; end;
var n: longint = 0; a, b: T; p: ^longint;
procedure T.Execute; var i: integer; begin for i := 1 to 100000 do InterlockedIncrement(n); end;
begin
  try raise Exception.Create('x') except on e: Exception do writeln('caught ', e.Message); end;
  try p := nil; writeln(p^); except on e: EAccessViolation do writeln('no memory'); end;
  a := T.Create(false); b := T.Create(false); a.WaitFor; b.WaitFor; writeln(n);
end.
END
fpc -v0 -opasprog pasprog.pas >/dev/null 2>&1
./pasprog
cat >dprog.d <<'END'
import std.stdio, core.thread, std.parallelism, std.range;
void main() {
	try throw new Exception("x"); catch (Exception e) writeln("caught ", e.msg);
	auto f = new Fiber({ foreach (i; 0 .. 5) { writeln("f", i); Fiber.yield(); } });
	while (f.state != Fiber.State.TERM) f.call();
	writeln(taskPool.reduce!"a+b"(iota(100_000L)));
	int[][] x; foreach (i; 0 .. 100000) x ~= new int[10]; writeln(x.length);
}
END
ldc2 -of=dprog dprog.d
./dprog
