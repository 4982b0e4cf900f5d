/* SPDX-License-Identifier: MIT */
/*
 * /proc/self/status and stat: the signals show the engine's handlers and mask natively; the last two lines of status
 * show the shadow stack, on kernels that know it and in gnomon run always. A thread that stands before its tracer makes its own for
 * it, and does not look as if it ran.
 */
#include "cpu/threads.h"
#include "kern/proc.h"
#include "kern/seccomp.h"

enum { SIG_IGN_ = 1 };

static bool is(const char *s, u32 len, const char *key)
{
	size_t n = strlen(key);

	return len > n && !memcmp(s, key, n) && s[n] == ':';
}

static void handlers(struct vcpu *v, u64 *ign, u64 *cgt)
{
	*ign = *cgt = 0;
	for (int i = 1; i <= GSIG_MAX; i++) {
		struct ksigaction act;

		if (sig_action(v, i, NULL, &act))
			continue;
		if (act.handler == SIG_IGN_)
			*ign |= 1ull << (i - 1);
		else if (act.handler)
			*cgt |= 1ull << (i - 1);
	}
}

/* it is asked for this in a stop (kern/proc_tracee.c) */
static bool stands(const struct vcpu *v)
{
	return v->traced.where != TRACED_RUNS;
}

static void features(struct proc_text *out, const char *key, u64 bits)
{
	proc_printf(out, "%s:\t%s%s\n", key, bits & 1 ? "shstk " : "", bits & 2 ? "wrss " : "");
}

/* of thread `task`; false: it is not known here */
static bool thread_features(long task, u64 masks[2])
{
	struct vcpu *t;

	cpu_threads_lock();
	for (t = cpu_threads; t && t->tid != task; t = t->next)
		;
	if (t) {
		masks[0] = t->shstk_features;
		masks[1] = t->shstk_locked;
	}
	cpu_threads_unlock();
	return t != NULL;
}

void proc_status(struct vcpu *v, struct proc_lines *in, struct proc_text *out, long task)
{
	bool own = task == v->tid, shown;
	const char *s;
	u64 ign, cgt, masks[2];
	u32 len, filters;

	shown = eng.set.mode == GN_MODE_RUN && thread_features(task, masks);
	handlers(v, &ign, &cgt);
	while ((s = proc_line(in, &len))) {
		if (own && is(s, len, "SigBlk"))
			proc_printf(out, "SigBlk:\t%016lx\n", sig_mask(v));
		else if (own && stands(v) && is(s, len, "State"))
			proc_printf(out, "State:\tt (tracing stop)\n");
		else if (is(s, len, "SigIgn"))
			proc_printf(out, "SigIgn:\t%016lx\n", ign);
		else if (is(s, len, "SigCgt"))
			proc_printf(out, "SigCgt:\t%016lx\n", cgt);
		else if (own && is(s, len, "Seccomp"))
			proc_printf(out, "Seccomp:\t%u\n", seccomp_mode(v, &filters));
		else if (own && is(s, len, "Seccomp_filters"))
			proc_printf(out, "Seccomp_filters:\t%u\n", (seccomp_mode(v, &filters), filters));
		else if (!shown || (!is(s, len, "x86_Thread_features") && !is(s, len, "x86_Thread_features_locked")))
			proc_write(out, s, len);
	}
	if (shown) {
		features(out, "x86_Thread_features", masks[0]);
		features(out, "x86_Thread_features_locked", masks[1]);
	}
}

static bool names(const char *s, u32 len, const char *flag)
{
	u32 n = (u32)strlen(flag);

	for (u32 i = 0; i + n <= len; i++)
		if (!memcmp(s + i, flag, n))
			return true;
	return false;
}

/* the flag that programs look for */
void proc_cpuinfo(struct proc_lines *in, struct proc_text *out)
{
	const char *s;
	u32 len;

	while ((s = proc_line(in, &len))) {
		bool flags = len > 6 && !memcmp(s, "flags\t", 6) && !names(s, len, " user_shstk");

		proc_write(out, s, flags ? len - 1 : len);
		if (flags)
			proc_printf(out, " user_shstk\n");
	}
}

/* field 3: the state; 32 to 34: signals blocked, ignored, caught; they stop at bit 30 */
void proc_stat(struct vcpu *v, struct proc_lines *in, struct proc_text *out, bool own)
{
	u64 ign, cgt;
	u32 len, field = 2;
	const char *s = proc_line(in, &len), *end, *p;

	if (!s)
		return;
	end = s + len;
	handlers(v, &ign, &cgt);
	for (p = end; p > s && p[-1] != ')';) /* the name before it may hold anything */
		p--;
	proc_write(out, s, (size_t)(p - s));
	while (p < end) {
		const char *word = p++;

		while (p < end && *p != ' ')
			p++;
		field++;
		if (field == 3 && own && stands(v))
			proc_printf(out, " t");
		else if (field == 32 && own)
			proc_printf(out, " %lu", sig_mask(v) & 0x7fffffff);
		else if (field == 33)
			proc_printf(out, " %lu", ign & 0x7fffffff);
		else if (field == 34)
			proc_printf(out, " %lu", cgt & 0x7fffffff);
		else
			proc_write(out, word, (size_t)(p - word));
	}
}
