#!/bin/sh
# SPDX-License-Identifier: MIT
# `protect --seal` on a machine with protection keys (tools/oracle pkeys): programs run as natively, and one that goes for all of
# the engine's memory finds one page of it open. Prints TAP.
# shellcheck source=tests/lib/machine.sh
. /t/*-machine.sh
unpack gnomon gnomon-engine pkeys engine_memory threads process signals gs exits
# shellcheck disable=SC2086 # words
for t in pkeys threads process "signals 3" gs exits; do
	./$t >native
	ok "$t natively" $?
	for how in "" "-X tiny" "-X far"; do
		./gnomon protect --seal $how -- ./$t >said 2>err && cmp native said
		ok "$t $how" $?
	done
done
./gnomon protect --seal -- ./engine_memory all >said 2>err
ok "engine_memory all" $?
tail -n 5 said
tail -n 2 err
finish
