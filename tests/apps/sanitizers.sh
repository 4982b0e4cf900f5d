# SPDX-License-Identifier: MIT
# needs: gcc
# timeout: 180
# modes: tiny
# may: unwind * *
# Programs of the sanitizers, which take fixed places in memory for themselves, hand out stacks, and stop threads by ptrace
# (LeakSanitizer): what they find, and that they find nothing else.
set -eu
cat >s.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static int count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *lost;
static void *work(void *kind)
{
	for (int i = 0; i < 1000; i++) {
		if (*(char *)kind != 'r')
			pthread_mutex_lock(&lock);
		count++;
		if (*(char *)kind != 'r')
			pthread_mutex_unlock(&lock);
	}
	return NULL;
}
int main(int argc, char **argv)
{
	char kind = argc > 1 ? *argv[1] : ' ', *p = malloc(10);
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, work, &kind);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	p[9] = 1;
	if (kind == 'o')
		printf("%d\n", p[10]);
	if (kind == 'u')
		printf("%d\n", 0x7fffffff + argc);
	free(p);
	if (kind == 'f')
		printf("%d\n", p[9]);
	if (kind == 'l')
		lost = malloc(77), lost = NULL;
	puts("done");
	return 0;
}
END
for cc in gcc clang; do
	command -v $cc >/dev/null || continue
	for san in address leak thread undefined; do
		$cc -g -O1 -fsanitize=$san -pthread s.c -o s
		for kind in none over-the-end freed leak race; do
			case $san.$kind in
			thread.over* | thread.freed | address.race) continue ;; # found by chance
			esac
			st=0
			./s $kind >out 2>err || st=$?
			echo "$cc $san $kind: status $st, $(grep -cE '(ERROR|WARNING): .*Sanitizer|runtime error' err || true) found"
		done
	done
done
