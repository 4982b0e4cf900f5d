#!/bin/sh
# SPDX-License-Identifier: MIT
# On a machine whose kernel and CPU have shadow stacks (tools/oracle hardware): `gnomon run` uses them, or its own, as it is
# told. Prints TAP.
# shellcheck source=tests/lib/machine.sh
. /t/*-machine.sh
unpack gnomon gnomon-engine shstk_on stay insns signals
want='enable 0 fib 6765 status 1 ssp 1
disable 0 fib 55 ssp 0'
[ "$(./shstk_on)" = "$want" ]
ok "natively" $?
for engine in hard auto soft; do
	[ "$(./gnomon run --engine=$engine -- ./shstk_on)" = "$want" ]
	ok "--engine=$engine" $?
done
./gnomon run --engine=hard --enable=always -- ./shstk_on 2>err
[ $? = 125 ] && grep -q -- --enable err
ok "--engine=hard with what only the software does" $?
./gnomon doctor >offers
grep -q 'user shadow stacks *yes' offers && grep -q 'gnomon run *natively' offers
ok "doctor" $?

# what the kernel says of a process that has a shadow stack: its own one, or the engine's, of which it knows nothing
for engine in hard auto soft; do
	rm -f ready
	./gnomon run --engine=$engine -- ./stay ready >said &
	p=$!
	while [ ! -e ready ]; do :; done
	seen=$(cat /proc/[0-9]*/status | grep -c 'features:.*shstk')
	grep -q 'own view: .*features:.*shstk' said
	ok "--engine=$engine: the program has one" $?
	[ "$seen" = "$([ $engine = soft ] && echo 0 || echo 1)" ]
	ok "--engine=$engine: processes with the machine's: $seen" $?
	kill -9 $p
	kill_all stay
	wait $p
done
for t in insns signals; do
	./$t >native
	./gnomon run --engine=soft -- ./$t >soft
	cmp native soft
	ok "$t by the engine on this CPU" $?
done
finish
