/* SPDX-License-Identifier: MIT */
/* What is told of a function; where it leaves: is it by the way it came, and with the stack it came with? */
#include <stdarg.h>
#include <stdio.h>

#include "flow.h"

void flow_found(struct flow *f, enum rule rule, enum confidence conf, uint64_t at, const char *fmt, ...)
{
	struct seen *s;
	va_list ap;

	/* a retpoline is one by what stands in it, however one gets there */
	if ((f->s.unknown && rule != R_RETPOLINE) || f->c->nseen == SEEN_MOST)
		return;
	/* one of a kind says it for the function */
	for (unsigned i = 0; i < f->c->nseen; i++)
		if (f->c->seen[i].rule == rule)
			return;
	s = &f->c->seen[f->c->nseen++];
	s->rule = (uint16_t)rule;
	/* without unwind information or a symbol this may be data */
	s->confidence = (uint8_t)(f->fn->cfi || conf <= CONF_LOW ? conf : conf - 1);
	s->at = at;
	va_start(ap, fmt);
	vsnprintf(s->detail, sizeof(s->detail), fmt, ap);
	va_end(ap);
}

static unsigned count(unsigned bits)
{
	return (unsigned)__builtin_popcount(bits);
}

/* how sure is it that this is a change of stacks and not some clever use of one's own? */
static enum confidence switch_confidence(const struct flow *f)
{
	return f->saves_sp || f->restored >= 3 ? CONF_HIGH : CONF_MEDIUM;
}

static void changes_stack(struct flow *f, const char *how)
{
	flow_found(f, R_STACK_SWITCH, switch_confidence(f), f->s.switched, "%s follows at +0x%lx%s", how,
	      (unsigned long)(f->pc - f->fn->start), f->saves_sp ? "; the old stack pointer was saved elsewhere" : "");
}

static bool returns_properly(struct val v)
{
	return v.base == 2 && v.known && !v.off;
}

static bool is_entry(struct val v)
{
	return v.base == 1 && v.known && !v.off;
}

void flow_ret(struct flow *f)
{
	struct val top = f->s.reg[RSP];
	struct slot *s = flow_slot(f, top);

	if (f->s.switched) {
		/* a frame built elsewhere that carries the own return address is fine */
		if (!s || !returns_properly(s->v))
			changes_stack(f, "ret");
		return;
	}
	/* a call that led here was given up: what the shadow stack has for it is still there */
	if (f->s.inside && is_entry(top) && (!s || returns_properly(s->v))) {
		flow_found(f, f->spins ? R_RETPOLINE : R_CALL_POP, f->spins ? CONF_HIGH : CONF_MEDIUM, f->pc,
		      "ret past what a call in the same function pushed");
		return;
	}
	if (s && s->how == S_REPLACED && f->spins) {
		flow_found(f, R_RETPOLINE, CONF_HIGH, f->pc, "an inner call's return address is replaced");
		return;
	}
	/* a return address may be changed long before it is used; everything else stands in front of the ret */
	if (!s || (s->block != f->block && !is_entry(top)) || returns_properly(s->v) || !val_own_stack(f, top) ||
	    val_kind(f, s->v) == B_LOADED || s->v.base == BASES)
		return;
	switch (s->how) {
	case S_CALLED: break; /* a call inside the function comes back */
	case S_REPLACED: flow_found(f, R_PUSH_RET, CONF_HIGH, f->pc, "an inner call's return address is replaced"); break;
	case S_STORED:
		if (is_entry(top))
			flow_found(f, R_RETURN_EDIT, CONF_MEDIUM, f->pc, "the word above the frame was written");
		else
			flow_found(f, R_PUSH_RET, CONF_HIGH, f->pc, "ret to a word that was stored on the stack");
		break;
	case S_PUSHED: flow_found(f, R_PUSH_RET, CONF_HIGH, f->pc, "ret to a word that was pushed"); break;
	}
}

void flow_jump(struct flow *f, struct val to)
{
	if (f->s.switched)
		changes_stack(f, "a jump");
	else if (returns_properly(to))
		flow_found(f, R_RETURN_JUMP, CONF_MEDIUM, f->pc, "jump to the return address, read from the stack");
}

void flow_leaves(struct flow *f)
{
	if (f->s.switched && !f->after_call)
		changes_stack(f, "a jump");
}

static bool is_context(const struct context *c)
{
	return count(c->regs) >= 4 && (c->sp || c->ret);
}

void flow_over(struct flow *f)
{
	struct code *c = f->c;
	bool switches = false;

	for (unsigned i = 0; i < c->nseen; i++)
		switches |= c->seen[i].rule == R_STACK_SWITCH;
	f->s.unknown = false;
	for (unsigned i = 0; i < f->ncontexts && !switches; i++)
		if (is_context(&f->contexts[i]))
			flow_found(f, R_SETJMP, CONF_MEDIUM, f->contexts[i].at, "%u registers, %s%s%s saved", count(f->contexts[i].regs),
			      f->contexts[i].sp ? "stack pointer" : "", f->contexts[i].sp && f->contexts[i].ret ? ", " : "",
			      f->contexts[i].ret ? "return address" : "");
	if (f->junk)
		c->nseen = 0;
}
