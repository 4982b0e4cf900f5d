/* SPDX-License-Identifier: MIT */
__asm__(".globl trick1\n.type trick1, @function\ntrick1: lea 1f(%rip), %rax; push %rax; ret\n1: mov $1, %eax; ret\n.size trick1, . - trick1\n");
