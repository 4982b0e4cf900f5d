/* SPDX-License-Identifier: MIT */
/* libs: -pthread
 * A smashed return address in a thread and in a child: both are reported, each process goes on.
 * expect: overwritten at=hook_thread
 * expect: overwritten at=hook_child */
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOOK(n) \
	__asm__(".text\n.type hook_" #n ", @function\nhook_" #n ":\n	addq $2, (%rsp)\n	ret\n.size hook_" #n ", . - hook_" #n "\n" \
		".globl use_" #n "\n.type use_" #n ", @function\nuse_" #n ":\n	sub $8, %rsp\n	call hook_" #n "\n	jmp 1f\n" \
		"	mov $7, %eax\n	add $8, %rsp\n	ret\n1:	mov $1, %eax\n	add $8, %rsp\n	ret\n.size use_" #n ", . - use_" #n "\n"); \
	int use_##n(void)
HOOK(thread);
HOOK(child);

static void *thread(void *p)
{
	return (void *)(long)use_thread();
}

int main(void)
{
	pthread_t t;
	void *r;
	int status;

	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, &r);
	if (fork() == 0)
		_exit(use_child());
	wait(&status);
	printf("%ld %d\n", (long)r, WEXITSTATUS(status));
	return 0;
}
