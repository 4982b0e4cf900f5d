/* SPDX-License-Identifier: MIT */
/* Tasks as a runtime schedules them (Go's gogo): their stacks are pieces of one mapping, the switch loads RSP and jumps, and
 * returns that nobody called follow in innocent functions. All of it is the switch's doing.
 * expect: stack-switch switcher=task_go
 * expect: unwind
 * optional: 1 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define TASKS 5
#define SIZE 16384

struct task {
	void *sp, *pc;
};

/* task_go(to): its stack and place; task_leave(from, fn): remembers both, calls fn on the scheduler's stack */
__asm__(".text\n.globl task_go\n.type task_go, @function\n"
	"task_go:\n	mov 8(%rdi), %rax\n	mov (%rdi), %rsp\n	jmp *%rax\n.size task_go, . - task_go\n"
	".globl task_leave\n.type task_leave, @function\n"
	"task_leave:\n	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	lea 1f(%rip), %rax\n	mov %rax, 8(%rdi)\n	mov %rsp, (%rdi)\n"
	"	mov scheduler_sp(%rip), %rsp\n"
	"	call *%rsi\n"
	"1:	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n	ret\n"
	".size task_leave, . - task_leave\n"
	".globl task_end\n.type task_end, @function\ntask_end:\n	call task_over\n	ud2\n.size task_end, . - task_end\n");
void task_go(struct task *t) __attribute__((noreturn));
void task_leave(struct task *t, void (*fn)(void));
void task_end(void);
void *scheduler_sp;

static struct task tasks[TASKS], home;
static int current, alive;
static long total;

static long __attribute__((noinline)) work(long n)
{
	return n < 2 ? n : work(n - 1) + work(n - 2);
}

static void pick(void)
{
	if (!alive)
		task_go(&home);
	do
		current = (current + 1) % TASKS;
	while (!tasks[current].sp);
	task_go(&tasks[current]);
}

void task_over(void)
{
	tasks[current].sp = NULL;
	alive--;
	task_leave(&(struct task){ 0 }, pick);
}

/* returns to its callers on a stack that was another's a moment ago */
static long __attribute__((noinline)) yield_deep(int n)
{
	if (n == 0) {
		task_leave(&tasks[current], pick);
		return 1;
	}
	return yield_deep(n - 1) + 1;
}

static void body(void)
{
	for (int i = 0; i < 20; i++)
		total += work(6 + current) + yield_deep(i % 4);
}

int main(void)
{
	char *mem = mmap(NULL, (TASKS + 1) * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* the scheduler's in the middle */
	scheduler_sp = mem + 3 * SIZE;
	for (int i = 0; i < TASKS; i++) {
		void **sp = (void **)(mem + (i + (i >= 2 ? 2 : 1)) * SIZE) - 2;

		*--sp = (void *)task_end;
		tasks[i] = (struct task){ sp, (void *)body };
	}
	alive = TASKS;
	task_leave(&home, pick);
	printf("%ld\n", total);
	return 0;
}
