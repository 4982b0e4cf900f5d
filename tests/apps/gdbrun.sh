# SPDX-License-Identifier: MIT
# setup: yes
# needs: gdb gcc
# timeout: 120
# modes: tiny flush=500
# may: unwind l*.so* _dl_catch_exception
# expect: never-called gdb -
# expect: never-called prog twice
# gdb on programs that it runs itself: breakpoints, steps, watches in software, calls into the program, threads, signals. Its own
# trial whether a stack is executable returns to an address that it pushed; so does a call into the program, with a stack
# that gdb has made.
set -eu
if [ "${1-}" = setup ]; then
	cat >prog.c <<-'END'
	#include <stdio.h>
	#include <stdlib.h>
	#include <signal.h>
	int total;
	int twice(int x) { int y = 2 * x; return y; }
	void add(int x) { total += twice(x); }
	int main(int argc, char **argv)
	{
		for (int i = 1; i < 4; i++)
			add(i);
		printf("total %d\n", total);
		fflush(stdout);
		if (argc > 1)
			raise(SIGUSR1), *(volatile int *)16 = 1;
		return 3;
	}
	END
	cat >threads.c <<-'END'
	#include <pthread.h>
	#include <stdio.h>
	static void inside(long n) { __asm__ volatile("" : : "r"(n)); }
	static void *run(void *arg) { inside((long)arg); return arg; }
	int main(void)
	{
		pthread_t t;
		for (long i = 0; i < 4; i++) {
			pthread_create(&t, NULL, run, (void *)i);
			pthread_join(t, NULL);
		}
		puts("joined");
		return 0;
	}
	END
	cat >sleeper.c <<-'END'
	#include <stdio.h>
	#include <unistd.h>
	static int inner(int n) { return pause() + n; }
	int main(void)
	{
		puts("ready");
		fflush(stdout);
		return inner(3);
	}
	END
	gcc -g -O0 sleeper.c -o sleeper
	gcc -g -O0 prog.c -o prog
	gcc -g -O0 -pthread threads.c -o threads
	exit 0
fi
cd "$SETUP"
run() { gdb -nx -batch -ex 'set can-use-hw-watchpoints 0' "$@" 2>&1 | sed -E -e 's/0x[0-9a-f]{6,}/ADDR/g' -e 's/(LWP|process) [0-9]+/\1 N/g' -e '/^warning/d' -e '/New (Thread|process)|Thread.*exited/d' -e 's/^\[joined/joined/'; }
run -ex 'break main' -ex run -ex bt -ex 'info registers rip' -ex next -ex 'print i' -ex 'break twice' -ex continue -ex 'print x' -ex bt \
	-ex finish -ex 'print twice(21)' -ex 'info locals' -ex 'delete' -ex 'watch total' -ex continue -ex continue -ex 'delete' \
	-ex 'set var total = 100' -ex continue ./prog
run -ex 'break add if x == 3' -ex run -ex 'print x' -ex stepi -ex stepi -ex 'x/2i $pc' -ex 'set var x = 50' -ex 'info breakpoints' -ex continue ./prog
run -ex 'handle SIGUSR1 stop print nopass' -ex 'run more' -ex 'print $_siginfo.si_signo' -ex continue -ex bt -ex 'print $_siginfo._sifields._sigfault.si_addr' \
	-ex kill ./prog
run -ex 'break inside' -ex run -ex 'print n' -ex continue -ex 'print n' -ex 'bt' -ex 'delete' -ex continue ./threads | grep -v 'libthread_db\|Switching'
# one that runs already: found by its /proc entries, and left as it was
cd - >/dev/null
"$SETUP/sleeper" >ready &
pid=$!
until grep -qs ready ready; do :; done
run -p $pid -ex bt -ex 'info proc exe' -ex 'info proc mappings' | sed -E -e "s/$pid/N/g" -e '/objfile|\[|ADDR$|ADDR +$|p +$|\.c: No such/d' -e 's/  +/ /g' | grep -v libthread_db
until grep -q '^State:.S' /proc/$pid/status; do :; done
kill $pid
wait $pid 2>/dev/null || echo "status $?"
