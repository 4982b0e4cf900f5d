/* SPDX-License-Identifier: MIT */
/*
 * gnomon race: opens the unlock window on purpose. The program's threads are traced; each one's pending slot has a
 * hardware watchpoint. When a slot is set while its word holds the thread's id, an unlock has begun: the thread is
 * stepped until the word is no longer its own, and stands there while the others run. Knows no libc: any protocol
 * over set_robust_list(2) will do.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gnomon/exit.h"
#include "tracee.h"

#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
		 PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)
#define THREADS 4096
#define STEP_LIMIT 2000 /* instructions from the slot's store to the release; more is no unlock */
#define STEP_MS 50	/* one that takes longer sleeps */

enum mode { NO_LIST, WATCHED, STEPPING };

struct thread {
	pid_t tid;
	enum mode mode;
	int steps;
	struct robust robust; /* STEPPING: what its slot held at the start */
};

/* what a held window showed */
enum outcome { KEPT, TAKEN, UNMAPPED, REPLACED, REWRITTEN, OUTCOMES };
static const char *const said[OUTCOMES] = {
	"the word stayed as it was released",
	"the lock was taken by others",
	"the memory was unmapped",
	"other memory was mapped there",
	"the word was overwritten by something that is no lock value",
};

static struct thread threads[THREADS];
static int n_threads, windows;
static bool killed, holding;
static int seen[OUTCOMES];
static const struct settings *set;
static pid_t program;
static int program_status = -1;

static struct thread *thread(pid_t tid)
{
	for (int i = 0; i < n_threads; i++)
		if (threads[i].tid == tid)
			return &threads[i];
	if (n_threads == THREADS)
		die(GN_EXIT_USAGE, "more than %d threads", THREADS);
	threads[n_threads] = (struct thread){ .tid = tid };
	return &threads[n_threads++];
}

static void forget(pid_t tid)
{
	struct thread *t = thread(tid);

	*t = threads[--n_threads];
}

/* until a thread has told the kernel about its list, its system calls are followed */
static void go(struct thread *t, int sig)
{
	ptrace(t->mode == NO_LIST ? PTRACE_SYSCALL : t->mode == STEPPING ? PTRACE_SINGLESTEP : PTRACE_CONT, t->tid, 0, sig);
}

static bool watch(struct thread *t)
{
	struct regs regs;
	struct robust r;

	if (!tracee_regs(t->tid, &regs) || !robust_get(t->tid, regs.bits, &r))
		return false;
	/* DR0: the slot; DR7: local enable, on writes, of its size */
	if (ptrace(PTRACE_POKEUSER, t->tid, offsetof(struct user, u_debugreg[0]), r.slot) < 0 ||
	    ptrace(PTRACE_POKEUSER, t->tid, offsetof(struct user, u_debugreg[7]),
		   1ul | 1ul << 16 | (r.size == 8 ? 2ul : 3ul) << 18) < 0)
		die(GN_EXIT_USAGE, "no hardware watchpoint: %s", strerror(errno));
	t->mode = WATCHED;
	return true;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* a millisecond, or until a tracee stops; SIGCHLD is blocked */
static void pause_a_little(void)
{
	struct timespec t = { .tv_nsec = 1000000 };
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigtimedwait(&child, NULL, &t);
}

/* ---- a window -------------------------------------------------------------------------------------------------- */

static bool lock_value(uint32_t v, const struct thread *t)
{
	char path[64];

	if (!(v & TID_MASK) || (v & TID_MASK) == (uint32_t)tracee_own_tid(t->tid))
		return true;
	snprintf(path, sizeof(path), "/proc/%u", v & TID_MASK);
	return !access(path, F_OK);
}

static enum outcome look(const struct thread *t, const struct object *was, uint32_t released)
{
	struct object now;
	uint32_t value;

	if (!object_find(t->tid, t->robust.word, &now))
		return UNMAPPED;
	if (!object_same(was, &now) || was->offset - was->start != now.offset - now.start)
		return REPLACED;
	if (!tracee_read(t->tid, t->robust.word, &value, sizeof(value)) || value == released)
		return KEPT;
	return lock_value(value, t) ? TAKEN : REWRITTEN;
}

static void dispatch(pid_t tid, int status);

/*
 * The others run, until the memory is somebody else's or the time is over; false: the thread died meanwhile. Memory that was
 * unmapped may be on its way to somebody else.
 */
static bool hold(const struct thread *t, const struct object *was, uint32_t released, enum outcome *worst)
{
	bool alive = true;
	int64_t end = now_ms() + set->hold;
	int status;

	*worst = KEPT;
	holding = true;
	while (alive && *worst < REPLACED && now_ms() < end) {
		enum outcome now;
		pid_t tid;

		while (alive && (tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
			alive = tid != t->tid || (WIFSTOPPED(status) && status >> 16 != PTRACE_EVENT_EXIT);
			dispatch(tid, status);
		}
		now = alive ? look(t, was, released) : KEPT;
		if (now > *worst)
			*worst = now;
		pause_a_little();
	}
	holding = false;
	return alive;
}

static const char *what(const struct object *o)
{
	return *o->name ? o->name : o->shared ? "shared memory" : "private memory";
}

static void plant(const struct thread *t)
{
	uint32_t id = (uint32_t)tracee_own_tid(t->tid);

	if (set->plant && !tracee_write(t->tid, t->robust.word, &id, sizeof(id)))
		msg("the word cannot be written: nothing planted");
}

/* the process dies; what the kernel did to the page that lay there is seen through a mapping of our own */
static void kill_it(const struct thread *t)
{
	uint64_t word = t->robust.word;
	pid_t tid = t->tid, group = tracee_group(tid);
	uint32_t *page, before = 0, after;
	bool readable;
	int status;

	plant(t);
	page = object_map(group, word);
	readable = tracee_read(tid, word, &before, sizeof(before));
	killed = true;
	kill(group, SIGKILL);
	for (;;) {
		pid_t w = waitpid(-1, &status, __WALL);

		if (w < 0)
			break;
		dispatch(w, status);
		if (w == group && !WIFSTOPPED(status))
			break;
	}
	if (!page) {
		msg(readable ? "killed: the memory was the process's own and is gone with it"
			     : "killed: nothing was mapped there, nothing was written");
		return;
	}
	after = *(volatile uint32_t *)page;
	if (after != before)
		msg("killed: THE KERNEL WROTE %#x over %#x (%s)", after, before,
		    after == ((before & WAITERS) | OWNER_DIED) ? "owner died" : "not by the robust list?");
	else
		msg("killed: the word %#x stayed as it was", before);
	object_unmap(page);
}

static void opened(const struct thread *t)
{
	struct object was;
	struct regs regs;
	uint32_t released = 0;
	enum outcome o;

	/* a lock on the stack is its thread's own (the guard's library makes one at its start) */
	if (!object_find(t->tid, t->robust.word, &was) || !strcmp(was.name, "[stack]"))
		return;
	windows++;
	if (!set->all && windows != set->nth)
		return;
	tracee_regs(t->tid, &regs);
	tracee_read(t->tid, t->robust.word, &released, sizeof(released));
	if (!hold(t, &was, released, &o))
		return;
	seen[o]++;
	if (set->all)
		return;
	msg("thread %d has released the lock at %#lx (%s) and stands at %#lx", t->tid, (unsigned long)t->robust.word,
	    what(&was), (unsigned long)regs.ip);
	msg("meanwhile: %s", said[o]);
	if (o == REPLACED && object_find(t->tid, t->robust.word, &was))
		msg("what lies there: %s", what(&was));
	kill_it(t);
}

/* ---- stops ------------------------------------------------------------------------------------------------------- */

/* after the store to the slot, and after each step from there */
static void slot_set(pid_t tid)
{
	struct thread *t = thread(tid), copy;
	enum mode was = t->mode;
	struct robust r;
	struct regs regs;
	uint32_t value;

	t->mode = WATCHED;
	if (holding) /* one window at a time: what others unlock meanwhile need not be stepped through */
		return;
	if (!tracee_regs(tid, &regs) || !robust_get(tid, regs.bits, &r) || !r.entry ||
	    !tracee_read(tid, r.word, &value, sizeof(value)))
		return;
	if ((value & TID_MASK) == (uint32_t)tracee_own_tid(tid)) {
		if (was != STEPPING) {
			t->steps = 0;
			t->robust = r;
		}
		if (++t->steps < STEP_LIMIT)
			t->mode = STEPPING;
	} else if (was == STEPPING && r.entry == t->robust.entry) {
		/* the table moves when threads end */
		copy = *t;
		opened(&copy);
	}
}

static void dispatch(pid_t tid, int status)
{
	int event = status >> 16, sig = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
	struct thread *t;
	siginfo_t si;

	if (!WIFSTOPPED(status)) {
		if (tid == program)
			program_status = status;
		forget(tid);
		return;
	}
	t = thread(tid);
	if (event == PTRACE_EVENT_EXEC) {
		t->mode = NO_LIST;
		go(t, 0);
	} else if (event == PTRACE_EVENT_STOP && (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)) {
		ptrace(PTRACE_LISTEN, tid, 0, 0);
	} else if (event) {
		go(t, 0);
	} else if (sig == (SIGTRAP | 0x80)) {
		watch(t);
		go(t, 0);
	} else if (sig == SIGTRAP && !ptrace(PTRACE_GETSIGINFO, tid, 0, &si) && si.si_code > 0 && si.si_code != SI_KERNEL) {
		/* the watchpoint or a step: none of the program's own */
		if (!killed)
			slot_set(tid);
		go(thread(tid), 0);
	} else {
		go(t, sig);
	}
}

/*
 * The next stop or end of a tracee, -1: there are none. A thread that is stepped goes before all others: who takes the lock
 * from it must not be seen before the release is. It may sleep, in a system call or for a page, and then others have to run.
 */
static pid_t next_event(int *status)
{
	int64_t end = now_ms() + STEP_MS;
	pid_t stepped = 0, tid;

	for (int i = 0; i < n_threads && !stepped; i++)
		if (threads[i].mode == STEPPING)
			stepped = threads[i].tid;
	while (stepped && now_ms() < end) {
		tid = waitpid(stepped, status, __WALL | WNOHANG);
		if (tid > 0)
			return tid;
		if (tid < 0)
			break;
		pause_a_little();
	}
	return waitpid(-1, status, __WALL);
}

int race_run(const struct settings *s, char **argv)
{
	int status, p[2];
	sigset_t child;
	char c = 0;

	set = s;
	if (pipe(p) < 0)
		die(GN_EXIT_USAGE, "pipe: %s", strerror(errno));
	program = fork();
	if (program < 0)
		die(GN_EXIT_USAGE, "fork: %s", strerror(errno));
	if (!program) {
		close(p[1]);
		if (read(p[0], &c, 1) < 0)
			_exit(GN_EXIT_USAGE);
		close(p[0]);
		if (s->preload)
			preload_set(s->program, true);
		program_exec(s->program, argv);
	}
	if (ptrace(PTRACE_SEIZE, program, 0, OPTIONS) < 0)
		die(GN_EXIT_USAGE, "ptrace: %s ('gnomon doctor' says what forbids it)", strerror(errno));
	/* stops once, so that its system calls are followed from here */
	ptrace(PTRACE_INTERRUPT, program, 0, 0);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	close(p[1]);
	close(p[0]);
	for (;;) {
		pid_t tid = next_event(&status);

		if (tid < 0 && errno == ECHILD)
			break;
		if (tid > 0)
			dispatch(tid, status);
	}
	if (s->all) {
		msg("%d unlocks of robust mutexes opened", windows);
		for (int i = 0; i < OUTCOMES; i++)
			if (seen[i])
				msg("%8d times %s", seen[i], said[i]);
	} else if (!killed) {
		msg("%s: the program unlocked robust mutexes %d times, --nth was %d", windows ? "no window held" : "nothing to open",
		    windows, s->nth);
	}
	if (program_status < 0 || WIFSIGNALED(program_status))
		return killed ? 0 : 128 + (WIFSIGNALED(program_status) ? WTERMSIG(program_status) : 0);
	return WEXITSTATUS(program_status);
}
