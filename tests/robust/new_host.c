/* SPDX-License-Identifier: MIT */
/*
 * new_host [PROGRAM ARGUMENTS...]: a machine whose kernel knows FUTEX_ROBUST_UNLOCK and FUTEX_ROBUST_LIST32, as far as
 * one can tell from outside: a filter answers calls with these flags with an error that no kernel gives. Without
 * arguments: 0 if that is the answer, so that the call has gone to the kernel with its flags.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "robust.h"

#define ROBUST_UNLOCK 512
#define ROBUST_LIST32 1024

static int asked(int op)
{
	uint64_t slot = 1;
	uint32_t word = 1;

	return syscall(SYS_futex, &word, op, 1, NULL, &slot, -1) < 0 && word == 1 && slot == 1 ? errno : 0;
}

int main(int argc, char **argv)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, ROBUST_UNLOCK | ROBUST_LIST32, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(*f), f };

	if (argc < 2)
		return asked(FUTEX_WAKE | ROBUST_UNLOCK) != EXDEV || asked(FUTEX_WAKE_BITSET | ROBUST_UNLOCK | ROBUST_LIST32) != EXDEV ||
		       asked(FUTEX_UNLOCK_PI | ROBUST_UNLOCK | FUTEX_PRIVATE_FLAG) != EXDEV || asked(FUTEX_WAKE | ROBUST_LIST32) != EXDEV;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	need(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), "seccomp");
	execv(argv[1], argv + 1);
	need(false, argv[1]);
}
