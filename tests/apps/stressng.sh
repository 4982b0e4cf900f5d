# SPDX-License-Identifier: MIT
# large: stress-ng
# needs: stress-ng
# timeout: 300
# expect: stack-switch libc.so.6 *
# may: * stress-ng *
# may: unwind libc.so.6 *
# may: * (generated) -
# stress-ng's stressors of signals, timers, threads, locks, processes, memory, code and contexts, each counted and verified by itself.
# Left out: those that end by a race of their own (alarm, sigio, hrtimers, mutex, sem), and what needs ptrace (vm-segv).
set -eu
stress() { # NAME OPERATIONS, by two processes
	stress-ng --$1 2 --$1-ops $2 --verify --oomable -t 0 --temp-path . >log 2>&1 && s=0 || s=$?
	echo "$1 $s"
	grep -E "fail|error" log || true
}
for x in "signal 20000" "sigfd 2000" "sigfpe 2000" "sigsegv 2000" "sigtrap 2000" "sigabrt 100" "sigchld 200" "signest 500" \
	"sigpending 2000" "sigpipe 1000" "sigq 2000" "sigrt 2000" "sigsuspend 1000" "kill 2000" "bad-altstack 100"; do stress $x; done
for x in "itimer 500" "timer 1000" "timerfd 500" "nanosleep 50" "clock 100"; do stress $x; done
for x in "pthread 300" "futex 5000" "switch 5000" "membarrier 20" "atomic 20"; do stress $x; done
for x in "fork 200" "vfork 200" "vforkmany 50" "clone 100" "wait 20" "exit-group 20" "daemon 20" "zombie 50" "session 50" "pidfd 200"; do
	stress $x; done
for x in "vm 100" "vm-rw 50" "vm-splice 200" "mmapaddr 2000" "mmapmany 4" "mprotect 5000" "munmap 20" "brk 2000" "malloc 5000" \
	"shm 8" "shm-sysv 8" "memfd 8" "pkey 500" "remap 5" "fault 500" "userfaultfd 500" "stack 2" "stackmmap 3"; do stress $x; done
for x in "icache 20" "nop 200" "goto 200" "funccall 200" "funcret 200" "branch 200" "regs 200" "vecmath 20" "vecwide 20" "fp 20" \
	"opcode 50" "context 2000" "longjmp 2000" "dynlib 50" "seccomp 50" "vdso 5000" "x86cpuid 20" "priv-instr 200"; do stress $x; done
