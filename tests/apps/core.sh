# SPDX-License-Identifier: MIT
# setup: yes
# needs: gdb gcc
# timeout: 120
# modes: tiny flush=500
# may: unwind l*.so* _dl_catch_exception
# may: unwind libc.so.6 __vfork
# Programs that die and leave a core: gdb finds in it what it finds natively: frames, registers, threads, memory, files.
set -eu
if [ "${1-}" = setup ]; then
	[ "$(cat /proc/sys/kernel/core_pattern)" = core ] || { echo "core_pattern is not core"; exit 77; }
	cat >crash.c <<-'END'
	#include <pthread.h>
	#include <signal.h>
	#include <stdlib.h>
	#include <string.h>
	#include <sys/resource.h>
	#include <unistd.h>
	struct node { int value; struct node *next; };
	static char *heap, big[1 << 20];
	static volatile int ready;
	static __attribute__((noinline)) int sum(struct node *n) { return n->value + sum(n->next); }
	static void *waits(void *a) { double d = 2.5; __asm__ volatile("movsd %0, %%xmm9" : : "m"(d) : "xmm9"); __sync_fetch_and_add(&ready, 1); for (;;) pause(); }
	static void *spins(void *a) { __asm__ volatile("mov $0x1234567, %%r15; lock incl %0; 1: jmp 1b" : "+m"(ready) : : "r15"); return 0; }
	int main(int argc, char **argv)
	{
		struct node b = { 2, 0 }, a = { 1, &b };
		pthread_t t;
		heap = strdup("on the heap");
		strcpy(big + 500000, "far inside");
		if (argc > 2)
			setrlimit(RLIMIT_CORE, &(struct rlimit){ 100000, 1 << 24 });
		pthread_create(&t, 0, waits, 0);
		if (argc > 1) /* more than one beside the dying: in any order */
			pthread_create(&t, 0, spins, 0);
		while (ready < 1 + (argc > 1))
			;
		usleep(20000);
		switch (argc) {
		case 2: abort();
		case 3: raise(SIGQUIT);
		case 4: pthread_kill(t, SIGTRAP); for (;;) pause();
		}
		return sum(&a);
	}
	END
	gcc -g -O0 -pthread crash.c -o crash
	exit 0
fi
ulimit -c unlimited 2>/dev/null || ulimit -c "$(ulimit -H -c)"
look() {
	gdb -nx -batch "$@" "$SETUP/crash" core 2>&1 | grep -v '^warning\|^\[New\|libthread_db\|^Core was' |
		sed -E -e 's/0x[0-9a-f]{6,}/ADDR/g' -e 's/LWP [0-9]+/LWP N/' -e 's/  +/ /g' -e 's/^(ADDR|ADDR ADDR) .*(\[heap\]|crash|so.*)$/\2/'
}
for args in '' a 'a b' 'a b c'; do
	rm -f core
	status=0
	(trap - QUIT; "$SETUP/crash" $args) 2>/dev/null || status=$?
	echo "case '$args': status $status, $(ls)"
	[ "$args" != a ] || look -ex bt | grep -A4 '^#0' | tail -4
done
rm -f core
"$SETUP/crash" 2>/dev/null || true
look -ex 'thread apply all bt' -ex 'frame 2' -ex 'info locals' -ex 'print *n' -ex 'print heap' -ex 'print &big[500000]' -ex 'info registers rip rax' \
	-ex 'print $_siginfo.si_signo' -ex 'print $_siginfo._sifields._sigfault.si_addr' -ex 'thread apply all print $r15 == 0x1234567' \
	-ex 'thread apply all print $xmm9.v2_double[0]' -ex 'info sharedlibrary'
(ulimit -c 0; rm -f core; "$SETUP/crash" 2>/dev/null || echo "status $?, $(ls)")
/usr/bin/python3 -c '
import os, signal, resource
pid = os.fork()
if not pid:
    os.kill(os.getpid(), signal.SIGSEGV)
print(os.WCOREDUMP(os.waitpid(pid, 0)[1]) if os.getuid() == 0 else True, os.path.exists("core"))'
