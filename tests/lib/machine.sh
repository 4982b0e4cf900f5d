#!/bin/sh
# SPDX-License-Identifier: MIT
# Read by the scripts that run on the machines of tools/oracle: the files lie in /t with a number in front; prints TAP.
n=0
bad=0

ok() { # NAME STATUS
	n=$((n + 1))
	if [ "$2" = 0 ]; then echo "ok $n - $1"; else
		bad=1
		echo "not ok $n - $1"
	fi
}

unpack() { # NAME...: to a folder of their own, which is the current one then
	mkdir -p /tmp/g
	for f; do
		cp /t/*-"$f" /tmp/g/"$f"
	done
	cd /tmp/g || exit 1
}

kill_all() { # COMMAND: the processes that are called so
	for q in /proc/[0-9]*; do
		[ "$(cat "$q/comm" 2>/dev/null)" != "$1" ] || kill -9 "${q#/proc/}" 2>/dev/null
	done
}

finish() {
	echo "1..$n"
	exit $bad
}
