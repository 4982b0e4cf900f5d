/* SPDX-License-Identifier: MIT */
/* Other stacks: coroutines, contexts, long jumps, exceptions by a handler's stack pointer; and what only looks like it. */
#include "labelled.h"

static char stack_memory[65536] __attribute__((aligned(16)));
static void *main_sp, *other_sp;

/* ---- coroutine by push, exchange of stack pointers, pop, ret */
void coroutine_switch(void **save, void *to);
__asm__(ASM_BEGIN(coroutine_switch)
	"push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
	"mov %rsp, (%rdi)\nmov %rsi, %rsp\n"
	"pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n" ASM_END(coroutine_switch));

static void coroutine_body(void)
{
	sink++;
	coroutine_switch(&other_sp, main_sp);
	abort();
}

static void *fresh_stack(void (*entry)(void), unsigned saved)
{
	void **top = (void **)(stack_memory + sizeof(stack_memory) - 64);

	top[0] = (void *)entry;
	memset(top - saved, 0, saved * sizeof(*top));
	return top - saved;
}

static NOINLINE void coroutine(void)
{
	other_sp = fresh_stack(coroutine_body, 6);
	coroutine_switch(&main_sp, other_sp);
	sink++;
}

/* ---- the same by xchg */
void exchange_switch(void **slot);
__asm__(ASM_BEGIN(exchange_switch) "push %rbp\npush %rbx\nxchg %rsp, (%rdi)\npop %rbx\npop %rbp\nret\n" ASM_END(exchange_switch));

static void exchange_body(void)
{
	sink++;
	exchange_switch(&other_sp);
	abort();
}

static NOINLINE void exchange(void)
{
	other_sp = fresh_stack(exchange_body, 2);
	exchange_switch(&other_sp);
	sink++;
}

/* ---- one branch of two changes stacks, as PyPy's stacklets do */
void branch_switch(void **save, void *to);
__asm__(ASM_BEGIN(branch_switch)
	"push %rbp\npush %rbx\npush %r12\npush %r13\nmov %rsp, (%rdi)\ntest %rsi, %rsi\nje 1f\nmov %rsi, %rsp\n"
	"1: pop %r13\npop %r12\npop %rbx\npop %rbp\nret\n" ASM_END(branch_switch));

static void branch_body(void)
{
	sink++;
	branch_switch(&other_sp, main_sp);
	abort();
}

static NOINLINE void branch(void)
{
	other_sp = fresh_stack(branch_body, 4);
	branch_switch(&main_sp, other_sp);
	sink++;
}

/* ---- stack and frame pointer moved by the distance to the other stack, as greenlets do */
void distance_switch(void **save, void *to);
__asm__(ASM_BEGIN(distance_switch)
	"push %rbp\nmov %rsp, %rbp\npush %rbx\nsub $24, %rsp\nmov %rbp, (%rdi)\nsub %rbp, %rsi\n"
	"add %rsi, %rsp\nadd %rsi, %rbp\nadd $24, %rsp\npop %rbx\npop %rbp\nret\n" ASM_END(distance_switch));

static void distance_body(void)
{
	sink++;
	distance_switch(&other_sp, main_sp);
	abort();
}

static NOINLINE void distance(void)
{
	other_sp = fresh_stack(distance_body, 1);
	distance_switch(&main_sp, other_sp);
	sink++;
}

/* ---- contexts as fiber libraries have them: into a structure, and a jump at the end */
void fcontext_jump(void *from, void *to);
__asm__(ASM_BEGIN(fcontext_jump)
	"mov (%rsp), %rax\nmov %rax, (%rdi)\nlea 8(%rsp), %rax\nmov %rax, 8(%rdi)\n"
	"mov %rbx, 16(%rdi)\nmov %rbp, 24(%rdi)\nmov %r12, 32(%rdi)\nmov %r13, 40(%rdi)\nmov %r14, 48(%rdi)\nmov %r15, 56(%rdi)\n"
	"mov 16(%rsi), %rbx\nmov 24(%rsi), %rbp\nmov 32(%rsi), %r12\nmov 40(%rsi), %r13\nmov 48(%rsi), %r14\nmov 56(%rsi), %r15\n"
	"mov 8(%rsi), %rsp\nmov (%rsi), %rcx\njmp *%rcx\n" ASM_END(fcontext_jump));

static uint64_t here[8], there[8];

static void fcontext_body(void)
{
	sink++;
	fcontext_jump(there, here);
	abort();
}

static NOINLINE void fcontext(void)
{
	there[0] = (uint64_t)fcontext_body;
	there[1] = (uint64_t)(stack_memory + sizeof(stack_memory) - 72);
	fcontext_jump(here, there);
	sink++;
}

/* ---- setjmp and longjmp by hand */
int jump_save(uint64_t *env) __attribute__((returns_twice));
void jump_back(uint64_t *env) __attribute__((noreturn));
__asm__(ASM_BEGIN(jump_save)
	"mov %rbx, (%rdi)\nmov %rbp, 8(%rdi)\nmov %r12, 16(%rdi)\nmov %r13, 24(%rdi)\nmov %r14, 32(%rdi)\nmov %r15, 40(%rdi)\n"
	"lea 8(%rsp), %rdx\nmov %rdx, 48(%rdi)\nmov (%rsp), %rdx\nmov %rdx, 56(%rdi)\nxor %eax, %eax\nret\n" ASM_END(jump_save)
	ASM_BEGIN(jump_back)
	"mov (%rdi), %rbx\nmov 8(%rdi), %rbp\nmov 16(%rdi), %r12\nmov 24(%rdi), %r13\nmov 32(%rdi), %r14\nmov 40(%rdi), %r15\n"
	"mov 48(%rdi), %rsp\nmov $1, %eax\njmp *56(%rdi)\n" ASM_END(jump_back));

static uint64_t env[8];

static NOINLINE void jump_deep(int n)
{
	if (n)
		jump_deep(n - 1);
	else
		jump_back(env);
	sink++;
}

static NOINLINE void jump_guarded(void)
{
	if (!jump_save(env))
		jump_deep(5);
}

static NOINLINE void jump(void)
{
	jump_guarded();
	sink++;
}

/* ---- the compiler's own: __builtin_longjmp of a compiler that was not asked for shadow stacks */
static void *builtin_env[5];

static NOINLINE void builtin_back(void)
{
	__builtin_longjmp(builtin_env, 1);
}

static NOINLINE void builtin_guarded(void)
{
	if (!__builtin_setjmp(builtin_env))
		builtin_back();
	sink++;
}

static NOINLINE void builtin(void)
{
	builtin_guarded();
	sink++;
}

/* ---- exceptions as OCaml's native code raises them: a chain of handlers on the stack */
void handler_raise(void **top) __attribute__((noreturn));
long handler_try(void (*body)(void), void **top);
__asm__(ASM_BEGIN(handler_try)
	"push %rbx\nmov %rsi, %rbx\nlea 1f(%rip), %rax\npush %rax\npush (%rsi)\nmov %rsp, (%rsi)\ncall *%rdi\npop (%rbx)\npop %rax\n"
	"xor %eax, %eax\npop %rbx\nret\n1: mov $1, %eax\npop %rbx\nret\n" ASM_END(handler_try)
	ASM_BEGIN(handler_raise) "mov %rdi, %rbx\nmov (%rdi), %rsp\npop (%rbx)\nret\n" ASM_END(handler_raise));

static void *handler_top;

static NOINLINE void handler_body(void)
{
	sink++;
	handler_raise(&handler_top);
}

static NOINLINE void handler(void)
{
	sink += handler_try(handler_body, &handler_top);
}

/* ---- a function called on another stack, and back: calls and returns stay in pairs */
void on_stack_call(void (*f)(void), void *top);
__asm__(ASM_BEGIN(on_stack_call)
	"push %rbp\nmov %rsp, %rbp\nmov %rsi, %rsp\ncall *%rdi\nmov %rbp, %rsp\npop %rbp\nret\n" ASM_END(on_stack_call));

static NOINLINE void on_stack_body(void)
{
	sink++;
}

static NOINLINE void on_stack(void)
{
	on_stack_call(on_stack_body, stack_memory + sizeof(stack_memory) - 64);
}

/* ---- the same, on the other stack only if there is one */
void either_stack_call(void (*f)(void), void *top);
__asm__(ASM_BEGIN(either_stack_call)
	"push %rbp\nmov %rsp, %rbp\ntest %rsi, %rsi\nje 1f\nmov %rsi, %rsp\n1: call *%rdi\nmov %rbp, %rsp\npop %rbp\nret\n"
	ASM_END(either_stack_call));

static NOINLINE void either_stack(void)
{
	either_stack_call(on_stack_body, stack_memory + sizeof(stack_memory) - 64);
	either_stack_call(on_stack_body, NULL);
}

/* ---- the own stack pointer in a register that a call of one's own leaves alone, and a way around all that: AES-GCM of OpenSSL */
void around_go(long some);
__asm__(ASM_BEGIN(around_go)
	"test %rdi, %rdi\nje 1f\nlea (%rsp), %rax\npush %rbx\nand $-64, %rsp\ncall around_leaf\ncall around_leaf\nmov -8(%rax), %rbx\nlea (%rax), %rsp\n"
	"1: ret\n" ASM_END(around_go) ASM_BEGIN(around_leaf) "xor %ecx, %ecx\nret\n" ASM_END(around_leaf));

static NOINLINE void around(void)
{
	around_go(0);
	around_go(1);
}

/* ---- the same with the old stack pointer kept on the new stack */
void kept_there_call(void (*f)(void), void *top);
__asm__(ASM_BEGIN(kept_there_call)
	"mov %rsp, %rax\nmov %rsi, %rsp\npush %rax\nsub $8, %rsp\ncall *%rdi\nadd $8, %rsp\npop %rsp\nret\n"
	ASM_END(kept_there_call));

static NOINLINE void kept_there(void)
{
	kept_there_call(on_stack_body, stack_memory + sizeof(stack_memory) - 64);
}

/*
 * ---- arguments laid out by the caller, the return address carried along, as libffi does. The callee gives the room
 * back, too: only a caller that does not know its size, and so has a frame pointer, can live with that.
 */
void carried_call(void *stack, void *frame, void (*f)(void));
__asm__(ASM_BEGIN(carried_call)
	"mov (%rsp), %rax\nmov %rbp, (%rsi)\nmov %rax, 8(%rsi)\nmov %rsi, %rbp\nmov %rdi, %rsp\ncall *%rdx\nleave\nret\n"
	ASM_END(carried_call));

static NOINLINE void carried(void)
{
	char *room = __builtin_alloca(512 + (size_t)sink);

	carried_call(room, room + 256, on_stack_body);
}

/* ---- a stack of one's own for ever: the thread ends there */
void last_stack_go(void (*f)(void), void *top) __attribute__((noreturn));
__asm__(ASM_BEGIN(last_stack_go) "mov %rsi, %rsp\nxor %ebp, %ebp\ncall *%rdi\nhlt\n" ASM_END(last_stack_go));

static void last_stack_end(void)
{
	_Exit(0);
}

static NOINLINE void last_stack(void)
{
	last_stack_go(last_stack_end, stack_memory + sizeof(stack_memory) - 64);
}

const struct labelled switches[] = {
	{ "coroutine", coroutine }, { "exchange", exchange }, { "branch", branch }, { "distance", distance },
	{ "fcontext", fcontext }, { "jump", jump }, { "builtin", builtin }, { "handler", handler }, { "on_stack", on_stack },
	{ "either_stack", either_stack }, { "around", around }, { "kept_there", kept_there }, { "carried", carried }, { "last_stack", last_stack }, { 0 },
};
