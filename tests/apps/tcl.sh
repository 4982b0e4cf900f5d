# SPDX-License-Identifier: MIT
# large: tcl
# needs: tclsh
# timeout: 60
# modes: tiny flush=300
# Procedures, coroutines (Tcl's own, without a stack switch), errors, exec, regular expressions, the event loop.
set -eu
cat >prog.tcl <<'END'
proc fib n { expr {$n < 2 ? $n : [fib [expr $n-1]] + [fib [expr $n-2]]} }
puts [fib 16]
proc gen {} { yield; for {set i 0} {$i<10} {incr i} { yield $i } }
coroutine c gen
for {set i 0} {$i<10} {incr i} { puts [c] }
puts [catch {error foo} m]; puts $m
puts [exec echo hi | tr a-z A-Z]
puts [regexp -all -inline {\w+} "a b c"]
after 20 {set done 1}; vwait done
puts [lsort -integer {3 1 2}]
puts [clock format 1700000000 -gmt 1]
puts [string length [string repeat abc 10000]]
exit 4
END
tclsh prog.tcl || echo "status $?"
