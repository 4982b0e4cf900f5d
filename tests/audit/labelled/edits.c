/* SPDX-License-Identifier: MIT */
/* Return addresses that are made, changed or not used; and what only looks like it. */
#include "labelled.h"

long edit_landed(void);
__asm__(ASM_BEGIN(edit_landed) "mov $7, %eax\nret\n" ASM_END(edit_landed));

/* ---- push and ret as a jump: a register, a constant, memory, a store */
long push_register_go(void);
long push_memory_go(void);
long push_store_go(void);
long push_two_go(void);
__asm__(ASM_BEGIN(push_register_go) "lea edit_landed(%rip), %rax\npush %rax\nret\n" ASM_END(push_register_go)
	".section .data.rel.local, \"aw\"\n1: .quad edit_landed\n"
	ASM_BEGIN(push_memory_go) "push 1b(%rip)\nret\n" ASM_END(push_memory_go)
	ASM_BEGIN(push_store_go) "lea edit_landed(%rip), %rax\nsub $8, %rsp\nmov %rax, (%rsp)\nret\n" ASM_END(push_store_go)
	ASM_BEGIN(push_two_go) "push %rbx\nlea 2f(%rip), %rax\npush %rax\nlea edit_landed(%rip), %rcx\nmov %rcx, %rbx\npush %rcx\n"
	"ret\n2: pop %rbx\nret\n" ASM_END(push_two_go));

static NOINLINE void push_register(void) { sink += push_register_go(); }
static NOINLINE void push_memory(void) { sink += push_memory_go(); }
static NOINLINE void push_store(void) { sink += push_store_go(); }
static NOINLINE void push_two(void) { sink += push_two_go(); }

/* ---- retpoline */
long retpoline_thunk(void);
long retpoline_go(void);
__asm__(ASM_BEGIN(retpoline_thunk) "call 2f\n1: pause\nlfence\njmp 1b\n2: mov %rax, (%rsp)\nret\n" ASM_END(retpoline_thunk)
	ASM_BEGIN(retpoline_go) "lea edit_landed(%rip), %rax\njmp retpoline_thunk\n" ASM_END(retpoline_go));

static NOINLINE void retpoline(void) { sink += retpoline_go(); }

/* ---- the own return address changed: skipped bytes behind the call, a word above the frame */
long skip_bytes_callee(void);
long skip_bytes_go(void);
__asm__(ASM_BEGIN(skip_bytes_callee) "mov $3, %eax\naddq $3, (%rsp)\nret\n" ASM_END(skip_bytes_callee)
	ASM_BEGIN(skip_bytes_go) "call skip_bytes_callee\n.byte 0x0f, 0x0b, 0x90\nret\n" ASM_END(skip_bytes_go));

static NOINLINE void skip_bytes(void) { sink += skip_bytes_go(); }

long frame_word_callee(void *to);
void frame_word_landed(void);
__asm__(ASM_BEGIN(frame_word_callee) "push %rbp\nmov %rsp, %rbp\nmov %rdi, 8(%rbp)\nmov $1, %eax\npop %rbp\nret\n"
	ASM_END(frame_word_callee)
	ASM_BEGIN(frame_word_landed) "mov %eax, sink(%rip)\nxor %edi, %edi\ncall _Exit@PLT\n" ASM_END(frame_word_landed));

static NOINLINE void frame_word(void)
{
	frame_word_callee((void *)frame_word_landed);
}

/* the same in C, as an overflow or an obfuscator does it */
static void edited_c_end(void)
{
	_Exit(0);
}

static NOINLINE void edited_c_victim(void)
{
	void *volatile *frame = __builtin_frame_address(0);

	frame[1] = (void *)edited_c_end;
}

static NOINLINE void edited_c(void)
{
	edited_c_victim();
	abort();
}

/* ... and by another function, which sees a pointer like any other */
static NOINLINE void edited_far_write(void **word)
{
	*word = (void *)edited_c_end;
}

static NOINLINE void edited_far_victim(void)
{
	void **frame = __builtin_frame_address(0);

	edited_far_write(frame + 1);
	sink++;
}

static NOINLINE void edited_far(void)
{
	edited_far_victim();
	abort();
}

/* ---- return by a jump */
long pop_jump_callee(void);
__asm__(ASM_BEGIN(pop_jump_callee) "mov $4, %eax\npop %rcx\njmp *%rcx\n" ASM_END(pop_jump_callee));

static NOINLINE void pop_jump(void) { sink += pop_jump_callee(); }

long read_jump_callee(void);
__asm__(ASM_BEGIN(read_jump_callee) "mov (%rsp), %rdx\nmov $4, %eax\nadd $8, %rsp\njmp *%rdx\n" ASM_END(read_jump_callee));

static NOINLINE void read_jump(void) { sink += read_jump_callee(); }

/* ---- a call over data, to have its address */
const char *over_data_go(void);
__asm__(ASM_BEGIN(over_data_go) "call 1f\n.asciz \"data\"\n1: pop %rax\nret\n" ASM_END(over_data_go));

static NOINLINE void over_data(void) { sink += *over_data_go(); }

/* ---- call with displacement 0: the one that leaves the shadow stack alone */
void *get_pc_go(void);
__asm__(ASM_BEGIN(get_pc_go) "call 1f\n1: pop %rax\nret\n" ASM_END(get_pc_go));

static NOINLINE void get_pc(void) { sink += (long)get_pc_go(); }

/* ---- the return address taken and put back, as vfork must */
long put_back_go(void);
__asm__(ASM_BEGIN(put_back_go) "pop %rdi\nmov $39, %eax\nsyscall\npush %rdi\nret\n" ASM_END(put_back_go));

static NOINLINE void put_back(void) { sink += put_back_go(); }

/* ---- the return address moved with its frame */
long moved_frame_go(void);
__asm__(ASM_BEGIN(moved_frame_go) "mov (%rsp), %rax\nsub $16, %rsp\nmov %rax, (%rsp)\npop %rcx\nadd $8, %rsp\nmov $2, %eax\n"
	"mov %rcx, (%rsp)\nret\n" ASM_END(moved_frame_go));

static NOINLINE void moved_frame(void) { sink += moved_frame_go(); }

/* ---- memory barriers on the return address */
long barrier_go(void);
__asm__(ASM_BEGIN(barrier_go) "lock orl $0, (%rsp)\nlock addq $0, (%rsp)\nmov $1, %eax\nret\n" ASM_END(barrier_go));

static NOINLINE void barrier(void) { sink += barrier_go(); }

/* ---- arguments above the return address, popped by the callee */
long popped_args_callee(void);
long popped_args_go(void);
__asm__(ASM_BEGIN(popped_args_callee) "mov 8(%rsp), %rax\nmovq $5, 16(%rsp)\nret $16\n" ASM_END(popped_args_callee)
	ASM_BEGIN(popped_args_go) "push $1\npush $2\ncall popped_args_callee\nret\n" ASM_END(popped_args_go));

static NOINLINE void popped_args(void) { sink += popped_args_go(); }

/* ---- a local subroutine: a call inside a function, and its ret */
long local_sub_go(void);
__asm__(ASM_BEGIN(local_sub_go) "push %rbx\ncall 1f\ncall 1f\nmov %rbx, %rax\npop %rbx\nret\n1: lea 3(%rbx), %rbx\nret\n"
	ASM_END(local_sub_go));

static NOINLINE void local_sub(void) { sink += local_sub_go(); }

/* ---- pushes that a jump leads away from, with a ret behind it */
long pushed_away_go(long n);
__asm__(ASM_BEGIN(pushed_away_go) "test %rdi, %rdi\nje 2f\npush %rdi\njmp 3f\n2: mov $1, %eax\nret\n3: pop %rax\nret\n"
	ASM_END(pushed_away_go));

static NOINLINE void pushed_away(void) { sink += pushed_away_go(0) + pushed_away_go(5); }

/* ---- map_shadow_stack by the number it had before it was merged */
long old_number_go(void);
__asm__(ASM_BEGIN(old_number_go) "mov $451, %eax\nxor %edi, %edi\nmov $4096, %esi\nmov $1, %edx\nsyscall\nret\n"
	ASM_END(old_number_go));

const struct labelled edits[] = {
	{ "push_register", push_register }, { "push_memory", push_memory }, { "push_store", push_store }, { "push_two", push_two },
	{ "retpoline", retpoline }, { "skip_bytes", skip_bytes }, { "frame_word", frame_word }, { "edited_c", edited_c },
	{ "edited_far", edited_far },
	{ "pop_jump", pop_jump }, { "read_jump", read_jump }, { "over_data", over_data }, { "get_pc", get_pc },
	{ "put_back", put_back }, { "moved_frame", moved_frame }, { "barrier", barrier }, { "popped_args", popped_args },
	{ "local_sub", local_sub }, { "pushed_away", pushed_away }, { 0 },
};
