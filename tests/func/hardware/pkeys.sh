#!/bin/sh
# SPDX-License-Identifier: MIT
# On a machine with protection keys (tools/oracle pkeys): programs that use them, and one that goes for the engine's
# memory, natively and under gnomon. Prints TAP.
# shellcheck source=tests/lib/machine.sh
. /t/*-machine.sh
unpack gnomon gnomon-engine pkeys ptrace_pkeys engine_memory
./gnomon doctor >offers
grep -q 'protection keys (PKU) *yes' offers
ok "doctor" $?
for t in pkeys ptrace_pkeys engine_memory; do
	./$t >native
	ok "$t natively" $?
	for how in "run" "check" "check -X tiny -X nopext" "check -X flush" "check -X step" "check -X far"; do
		case "$t $how" in engine_memory*step | engine_memory*flush) continue ;; esac # 200 000 system calls: minutes
		# shellcheck disable=SC2086 # words
		./gnomon $how -- ./$t >said 2>err && cmp native said
		ok "$t, $how" $?
		[ $t = engine_memory ] && tail -n 2 err
	done
done

# what has the key, and what has not
./gnomon run -- /bin/busybox sleep 1000 &
p=$!
keys() { # of the program's process
	for q in /proc/[0-9]*; do
		[ "$(cat "$q/comm" 2>/dev/null)" != busybox ] && [ "$(cat "$q/comm" 2>/dev/null)" != sleep ] ||
			awk '/^[0-9a-f]+-/ { at = $2 " " $6 } /^ProtectionKey/ { print $2, at }' "$q/smaps"
	done
}
until keys 2>/dev/null | grep -q '^15 rwxp'; do :; done
keys >seen 2>/dev/null
! grep -q '^0 .wx' seen
ok "all code has it" $?
grep -q '^15 rw-s /memfd:gnomon-board' seen && grep -q '^15 rw-p .*gnomon-engine' seen
ok "so have the board and the engine's variables" $?
kill_all sleep
kill_all busybox
wait $p
finish
