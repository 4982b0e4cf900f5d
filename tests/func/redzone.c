/* SPDX-License-Identifier: MIT */
/* The 128 bytes below rsp, and everything further down, are the program's: only pushes and calls write there. */
#include "regs.h"

/* fills 16 words below rsp, does BODY, sums differences into rax */
#define ZONE(name, body)                                                                    \
	PIECE(name, "mov $16, %ecx; 1: mov %rcx, %rdx; neg %rdx; lea (%rcx,%rcx,2), %r8; mov %r8, (%rsp,%rdx,8);" \
		    "dec %ecx; jnz 1b;" body                                                \
		    "xor %eax, %eax; mov $16, %ecx; 1: mov %rcx, %rdx; neg %rdx; lea (%rcx,%rcx,2), %r8;" \
		    "xor (%rsp,%rdx,8), %r8; or %r8, %rax; dec %ecx; jnz 1b; ret; 9: ret")
ZONE(zone_nothing, "");
ZONE(zone_jump, "lea 2f(%rip), %r10; jmp *%r10; ud2; 2: lea 3f(%rip), %r11; jmp *%r11; ud2; 3:");
ZONE(zone_loop, "mov $300, %r10d; xor %r11d, %r11d; 2: add %r10, %r11; dec %r10; jnz 2b; cmp $45150, %r11; jne 9f;");
ZONE(zone_syscall, "mov $39, %eax; syscall; mov $39, %eax; syscall;");
ZONE(zone_cpuid, "push %rbx; pop %rbx; movq $3, -8(%rsp); xor %eax, %eax; xor %ecx, %ecx; mov %rbx, %r12; cpuid; mov %r12, %rbx;");
ZONE(zone_rdtsc, "rdtsc; rdtsc;");
ZONE(zone_cmp, "cmp %r10, %r11; sete %r10b; seta %r11b; movzbl %r10b, %r10d;");
/* a call dirties exactly one word, and leaves its return address there */
ZONE(zone_call, "call 9f; 2: mov -8(%rsp), %rdx; lea 2b(%rip), %r8; cmp %rdx, %r8; jne 4f; movq $3, -8(%rsp); 4:");
ZONE(zone_call_ind, "lea 9f(%rip), %r11; call *%r11; movq $3, -8(%rsp);");
ZONE(zone_many, "mov $1000, %r10d; 2: call 9f; lea 9f(%rip), %rax; call *%rax; dec %r10d; jnz 2b; movq $3, -8(%rsp);");
/* words far below are not touched either */
PIECE(far_below, "movq $0x77, -4096(%rsp); movq $0x78, -1024(%rsp); movq $0x79, -256(%rsp); mov $200, %ecx; 1: call 2f;"
		 "lea 2f(%rip), %r10; call *%r10; jmp 3f; 2: ret; 3: loop 1b; mov -4096(%rsp), %rax; add -1024(%rsp), %rax;"
		 "add -256(%rsp), %rax; ret");

int main(void)
{
	extern void zone_nothing(void), zone_jump(void), zone_loop(void), zone_syscall(void), zone_cpuid(void),
		zone_rdtsc(void), zone_cmp(void), zone_call(void), zone_call_ind(void), zone_many(void), far_below(void);
	static const struct {
		const char *name;
		void (*f)(void);
	} all[] = { { "nothing", zone_nothing }, { "jump", zone_jump }, { "loop", zone_loop }, { "syscall", zone_syscall },
		    { "cpuid", zone_cpuid }, { "rdtsc", zone_rdtsc }, { "cmp", zone_cmp }, { "call", zone_call },
		    { "call_ind", zone_call_ind }, { "many", zone_many } };

	for (int again = 0; again < 20; again++) {
		for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
			struct regs r = regs_run(regs_pattern(0), all[i].f);

			check_count++;
			if (r.rax) {
				check_failed++;
				printf("not ok - %s: differs by %#lx\n", all[i].name, r.rax);
			}
		}
		CHECK_EQ(regs_run(regs_pattern(0), far_below).rax, 0x77 + 0x78 + 0x79);
	}
	return check_done();
}
