/* SPDX-License-Identifier: MIT */
/*
 * /proc/self/status and stat: the signals show the engine's handlers and mask natively; the last two lines of status
 * show the shadow stack, on kernels that know it and in gnomon run always.
 */
#include "kern/proc.h"

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

static void features(struct proc_text *out, const char *key, u64 bits)
{
	proc_printf(out, "%s:\t%s%s\n", key, bits & 1 ? "shstk " : "", bits & 2 ? "wrss " : "");
}

void proc_status(struct vcpu *v, struct proc_lines *in, struct proc_text *out, bool own)
{
	const char *s;
	u64 ign, cgt;
	u32 len;

	handlers(v, &ign, &cgt);
	while ((s = proc_line(in, &len))) {
		if (own && is(s, len, "SigBlk"))
			proc_printf(out, "SigBlk:\t%016lx\n", sig_mask(v));
		else if (is(s, len, "SigIgn"))
			proc_printf(out, "SigIgn:\t%016lx\n", ign);
		else if (is(s, len, "SigCgt"))
			proc_printf(out, "SigCgt:\t%016lx\n", cgt);
		else if (!own || (!is(s, len, "x86_Thread_features") && !is(s, len, "x86_Thread_features_locked")))
			proc_write(out, s, len);
	}
	if (own && eng.set.mode == GN_MODE_RUN) {
		features(out, "x86_Thread_features", v->shstk_features);
		features(out, "x86_Thread_features_locked", v->shstk_locked);
	}
}

/* fields 32 to 34: signals blocked, ignored, caught; they stop at bit 30 */
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
		if (field == 32 && own)
			proc_printf(out, " %lu", sig_mask(v) & 0x7fffffff);
		else if (field == 33)
			proc_printf(out, " %lu", ign & 0x7fffffff);
		else if (field == 34)
			proc_printf(out, " %lu", cgt & 0x7fffffff);
		else
			proc_write(out, word, (size_t)(p - word));
	}
}
