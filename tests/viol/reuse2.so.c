/* SPDX-License-Identifier: MIT */
__asm__(".globl trick2\n.type trick2, @function\ntrick2: lea 1f(%rip), %rax; push %rax; ret\n1: mov $2, %eax; ret\n.size trick2, . - trick2\n");
