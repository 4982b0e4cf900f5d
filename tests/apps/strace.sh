# SPDX-License-Identifier: MIT
# needs: strace gcc
# timeout: 120
# modes: tiny flush=500
# may: unwind libc.so.6 __vfork
# may: unwind l*.so* _dl_catch_exception
# strace of programs, their children and threads, of one that is killed by a signal, of one that runs already: what it prints is
# the same as natively but for addresses, ids, times and random bytes; and rseq, which programs do without here.
set -eu
exec 3>&- 4>&- 5>&- 6>&- # what the tests keep open shows in the numbers of descriptors
# one file for each task, in the order in which tasks began
show() {
	for f in $(ls "$1".* | sort -t. -k2 -n); do
		echo "task"
		sed -E -e '/^rseq\(/d' -e 's/0x[0-9a-f]+/ADDR/g' -e 's/^(getrandom\()"[^"]*"/\1BYTES/' -e 's/[0-9]{4,}/N/g' \
			-e 's/\bst_[acm]time[^,}]*,? ?//g' -e 's/si_(utime|stime)=[0-9]+/si_\1=T/g' -e 's/NULL|ADDR/PTR/g' -e 's/ +=/ =/' \
			-e 's/^(set_tid_address.*=).*/\1 N/' "$f"
	done
	rm -f "$1".*
}
strace -ff -o one ls / >/dev/null
show one
strace -ff -e signal=none -o two /bin/sh -c 'ls / | cat; exit 3' >/dev/null && exit 1 || echo "status $?"
show two | grep -v '^wait4\|^rt_sigreturn' # whether a SIGCHLD comes before the call or into it
cat >threads.c <<'END'
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static void on(int s) { write(1, "h\n", 2); }
static void *run(void *arg) { return write(1, "t\n", 2), arg; }
int main(void)
{
	pthread_t t;
	void *ret;
	signal(SIGUSR1, on);
	for (long i = 0; i < 3; i++) {
		pthread_create(&t, NULL, run, (void *)i);
		pthread_join(t, &ret);
	}
	raise(SIGUSR1);
	raise(SIGTERM);
	return 0;
}
END
gcc -O1 -pthread threads.c -o threads
strace -ff -e trace=write,clone3,rt_sigreturn,tgkill,rt_sigaction,exit,exit_group -o three ./threads || echo "status $?"
show three
strace -f -c -o counts -e trace=write,clone3,openat ./threads || echo "status $?"
awk 'NF >= 5 && $4 ~ /^[0-9]+$/ { print $NF, $4 }' counts | sort
# a tracer that comes later, and leaves
sleep 100 &
pid=$!
until grep -q '^State:.S' /proc/$pid/status && grep -qx sleep /proc/$pid/comm; do :; done
timeout 1 strace -o four -p $pid 2>/dev/null || echo "status $?"
grep -c resuming four
kill $pid
wait $pid 2>/dev/null || echo "status $?"
strace -f -e inject=getuid:retval=4711 -e trace=getuid -o five id -ru || echo "status $?"
cat five | sed 's/^[0-9]* *//'
strace -e inject=openat:error=EACCES -e trace=openat -o six cat /etc/passwd 2>&1 || echo "status $?"
