# SPDX-License-Identifier: MIT
# setup: yes
# needs: musl-gcc
# timeout: 120
# modes: tiny flush=300
# expect: unwind dynamic main
# expect: unwind static main
# expect: unwind static-pie main
# Programs of the musl C library: dynamic (its own ld.so), static, static-PIE; threads, stdio, printf, fork, qsort, dlopen.
set -eu
if [ "${1-}" = setup ]; then
	cat >prog.c <<-'END'
	#define _GNU_SOURCE
	#include <dlfcn.h>
	#include <math.h>
	#include <pthread.h>
	#include <setjmp.h>
	#include <signal.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <string.h>
	#include <sys/wait.h>
	#include <time.h>
	#include <unistd.h>
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static long total;
	static jmp_buf env;
	static volatile sig_atomic_t alarms;
	static void *work(void *arg)
	{
		for (int i = 0; i < 1000; i++) { pthread_mutex_lock(&lock); total += (long)arg; pthread_mutex_unlock(&lock); }
		return (void *)((long)arg * 2);
	}
	static int cmp(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
	static void on_alarm(int s) { (void)s; alarms++; }
	static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
	static void deep(int n) { char pad[64]; memset(pad, n, sizeof(pad)); if (!n) longjmp(env, 5); deep(n - 1); printf("%c", pad[3]); }
	int main(int argc, char **argv)
	{
		pthread_t t[6];
		int a[500], status;
		long sum = 0;
		printf("%s %d %.3f %d\n", argv[1], argc, sqrt(2), fib(22));
		for (long i = 0; i < 6; i++) pthread_create(&t[i], NULL, work, (void *)i);
		for (int i = 0; i < 6; i++) { void *r; pthread_join(t[i], &r); sum += (long)r; }
		printf("%ld %ld\n", total, sum);
		for (int i = 0; i < 500; i++) a[i] = i * 7919 % 503;
		qsort(a, 500, sizeof(*a), cmp);
		printf("%d %d %d\n", a[0], a[250], a[499]);
		status = setjmp(env);
		if (!status) deep(40);
		printf("longjmp %d\n", status);
		signal(SIGALRM, on_alarm);
		ualarm(5000, 0);
		while (!alarms) ;
		puts("alarm");
		fflush(stdout);
		pid_t p = fork();
		if (!p) { printf("child\n"); fflush(stdout); execl("/bin/sh", "sh", "-c", "exit 7", (char *)0); _exit(1); }
		waitpid(p, &status, 0);
		printf("status %d\n", WEXITSTATUS(status));
		FILE *f = popen("echo popen; exit 2", "r");
		char line[100];
		while (fgets(line, sizeof(line), f)) fputs(line, stdout);
		printf("%d %s\n", WEXITSTATUS(pclose(f)), getenv("TZ"));
		void *h = dlopen(NULL, RTLD_NOW);
		printf("dlopen %s\n", h && dlsym(h, "qsort") ? "found" : "nothing");
		char *m = malloc(1 << 20);
		memset(m, 1, 1 << 20);
		m = realloc(m, 3 << 20);
		printf("%d %zu\n", m[(1 << 20) - 1], strlen(strerror(2)));
		free(m);
		system("exit 3");
		struct tm *tm = gmtime(&(time_t){ 1700000000 });
		strftime(line, sizeof(line), "%F %T", tm);
		puts(line);
		return 4;
	}
	END
	musl-gcc -g -O2 -o dynamic prog.c
	musl-gcc -g -O2 -static -o static prog.c
	musl-gcc -g -O2 -static-pie -fPIE -o static-pie prog.c 2>/dev/null || cp static static-pie
	exit 0
fi
for p in dynamic static static-pie; do
	"$SETUP/$p" $p || echo "status $?"
done
readelf -l "$SETUP/dynamic" | grep -o '/lib/ld-musl[^]]*'
/lib/ld-musl-x86_64.so.1 "$SETUP/dynamic" by-loader || echo "status $?"
/lib/ld-musl-x86_64.so.1 --list "$SETUP/dynamic" | sed 's/(.*//'
