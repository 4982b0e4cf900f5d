/* SPDX-License-Identifier: MIT */
/* Tasks as a runtime schedules them (Go's gogo): their stacks are pieces of one mapping, the switch loads RSP and jumps, and
 * returns that nobody called follow in innocent functions; some stacks move to where none has been, deep in calls, as a
 * stack that grows does. All of it is the switch's doing. A return address that is smashed on the way still is overwritten.
 * expect: stack-switch switcher=task_go
 * expect: unwind
 * expect: overwritten at=smashed
 * optional: 1 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define TASKS 5
#define SIZE 16384
#define ROOM (TASKS << 20) /* for stacks that move */

struct task {
	void *sp, *pc;
};

/*
 * task_go(to): its stack and place; task_leave(from, fn): remembers both, calls fn on the scheduler's stack; task_grow(from,
 * fn): the same, but it is a jump that comes back, with all registers lost
 */
__asm__(".text\n.globl task_go\n.type task_go, @function\n"
	"task_go:\n	mov 8(%rdi), %rax\n	mov (%rdi), %rsp\n	jmp *%rax\n.size task_go, . - task_go\n"
	".globl task_leave\n.type task_leave, @function\n"
	"task_leave:\n	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	lea 1f(%rip), %rax\n	mov %rax, 8(%rdi)\n	mov %rsp, (%rdi)\n"
	"	mov scheduler_sp(%rip), %rsp\n"
	"	call *%rsi\n"
	"1:	mov %rsp, %rax\n	mov %rax, %rsp\n	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n	ret\n"
	".size task_leave, . - task_leave\n"
	".globl task_grow\n.type task_grow, @function\n"
	"task_grow:\n	pop 8(%rdi)\n	mov %rsp, (%rdi)\n	mov scheduler_sp(%rip), %rsp\n	call *%rsi\n	ud2\n"
	".size task_grow, . - task_grow\n"
	".globl smashed\n.type smashed, @function\nsmashed:\n	addq $2, (%rsp)\n	ret\n.size smashed, . - smashed\n"
	".globl smashed_caller\n.type smashed_caller, @function\nsmashed_caller:\n	sub $8, %rsp\n	call smashed\n	jmp 1f\n"
	"	movl $7, %eax\n	add $8, %rsp\n	ret\n1:	movl $1, %eax\n	add $8, %rsp\n	ret\n.size smashed_caller, . - smashed_caller\n"
	".globl task_end\n.type task_end, @function\ntask_end:\n	call task_over\n	ud2\n.size task_end, . - task_end\n");
void task_go(struct task *t) __attribute__((noreturn));
void task_leave(struct task *t, void (*fn)(void));
void task_end(void);
int smashed_caller(void);
void *scheduler_sp;

static struct task tasks[TASKS], home;
static int current, alive, smash;
static long total;
static char *room, *top[TASKS];

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

/* on the scheduler's stack: the task's goes on elsewhere; nothing on it points to itself */
static void move(void)
{
	struct task *t = &tasks[current];
	size_t len = (size_t)(top[current] - (char *)t->sp);

	room += ROOM / TASKS;
	t->sp = memcpy(room - len, t->sp, len);
	top[current] = room;
	task_go(t);
}

static long __attribute__((noinline)) move_deep(int n)
{
	if (n == 0) {
		struct task *t = &tasks[current];
		void (*fn)(void) = move;

		__asm__ volatile("sub $128, %%rsp\n	call task_grow\n	add $128, %%rsp"
				 : "+D"(t), "+S"(fn)::"rax", "rbx", "rcx", "rdx", "rbp", "r8", "r9", "r10", "r11", "r12",
				   "r13", "r14", "r15", "cc", "memory");
		return work(5);
	}
	return move_deep(n - 1) + 1;
}

static void body(void)
{
	for (int i = 0; i < 20; i++) {
		total += work(6 + current) + yield_deep(i % 4);
		if (i == 15 && smash)
			total += smashed_caller();
		if (i == 9)
			total += move_deep(30) + yield_deep(2);
	}
}

int main(int argc, char **argv)
{
	char *mem = mmap(NULL, (TASKS + 1) * SIZE + ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	room = mem + (TASKS + 1) * SIZE;
	/* the scheduler's in the middle */
	scheduler_sp = mem + 3 * SIZE;
	for (int i = 0; i < TASKS; i++) {
		void **sp = (void **)(mem + (i + (i >= 2 ? 2 : 1)) * SIZE) - 2;

		top[i] = (char *)(sp + 2);
		*--sp = (void *)task_end;
		tasks[i] = (struct task){ sp, (void *)body };
	}
	(void)argv;
	smash = argc < 2; /* with an argument: nothing is smashed */
	alive = TASKS;
	task_leave(&home, pick);
	printf("%ld\n", total);
	return 0;
}
