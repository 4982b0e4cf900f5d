/* SPDX-License-Identifier: MIT */
/*
 * The notes of the guest's core: as fs/binfmt_elf.c writes them, registers and all from the vcpus. All threads stand still.
 */
#include <linux/elf.h>
#include "cpu/threads.h"
#include "kern/core.h"
#include "rt/engine.h"
#include "sig/freeze.h"

#define NT_SHSTK_ 0x204
#define NT_SIGINFO_ 0x53494749
#define NT_FILE_ 0x46494c45

struct prstatus {
	s32 signo, code, err;
	s16 cursig, pad;
	u64 pending, held;
	s32 ids[4]; /* pid, ppid, pgrp, sid */
	u64 times[8];
	u64 reg[27];
	s32 fpvalid, pad2;
};
_Static_assert(sizeof(struct prstatus) == 336, "struct elf_prstatus");
struct prpsinfo {
	char state, sname, zombie, nice;
	u32 pad;
	u64 flag;
	u32 uid, gid;
	s32 ids[4];
	char fname[16], args[80];
};
_Static_assert(sizeof(struct prpsinfo) == 136, "struct elf_prpsinfo");

struct notes {
	u8 *at;
	u64 n, room;
};

static void put(struct notes *o, const void *from, u64 n)
{
	if (o->n + n > o->room)
		return;
	memcpy(o->at + o->n, from, n);
	o->n += n;
}

static u8 *note(struct notes *o, const char *name, u32 type, const void *desc, u32 size)
{
	u32 head[3] = { (u32)strlen(name) + 1, size, type };
	char padded[8] = { 0 };
	u64 at;

	for (u32 i = 0; name[i]; i++)
		padded[i] = name[i];
	put(o, head, sizeof(head));
	put(o, padded, 8);
	at = o->n;
	put(o, desc, size);
	while (o->n % 4 && o->n < o->room)
		o->at[o->n++] = 0;
	return o->at + at;
}

static void registers(const struct vcpu *t, u64 fs_base, u64 r[27])
{
	static const u8 order[15] = { R15, R14, R13, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI };

	memset(r, 0, 27 * sizeof(*r));
	for (int i = 0; i < 15; i++)
		r[i] = t->gregs[order[i]];
	r[15] = t->traced.frozen_call ? t->traced.orig_rax : ~0ul;
	r[16] = t->rip;
	r[17] = 0x33;
	r[18] = t->rflags | (t->tf ? 0x100 : 0);
	r[19] = t->gregs[RSP];
	r[20] = 0x2b;
	r[21] = fs_base;
	r[22] = t->guest_gs;
	r[26] = t->guest_gs_sel;
}

static void ids(s32 id[4], int tid)
{
	id[0] = tid;
	id[1] = (s32)sys0(__NR_getppid);
	id[2] = (s32)sys1(__NR_getpgid, 0);
	id[3] = (s32)sys1(__NR_getsid, 0);
}

static void status_note(struct notes *o, struct vcpu *t, const u8 info[128], const struct frozen *f)
{
	struct prstatus s = { .fpvalid = f->xstate != NULL };

	memcpy(&s.signo, info, 4);
	memcpy(&s.err, info + 4, 4);
	memcpy(&s.code, info + 8, 4);
	s.cursig = (s16)s.signo;
	s.held = sig_mask(t);
	ids(s.ids, t->tid);
	registers(t, f->fs_base, s.reg);
	note(o, "CORE", NT_PRSTATUS, &s, sizeof(s));
}

static void process_note(struct notes *o, const struct vcpu *v)
{
	struct prpsinfo p = { .sname = 'R', .uid = (u32)sys0(__NR_getuid), .gid = (u32)sys0(__NR_getgid) };

	ids(p.ids, v->pid);
	sys5(__NR_prctl, 16 /* PR_GET_NAME */, p.fname, 0, 0, 0);
	if (eng.arg_start && !rt_copy_from_guest(p.args, eng.arg_start, min(eng.arg_end - eng.arg_start, sizeof(p.args) - 1)))
		for (size_t i = 0; i < min(eng.arg_end - eng.arg_start, sizeof(p.args) - 1); i++)
			p.args[i] = p.args[i] ? p.args[i] : ' ';
	note(o, "CORE", NT_PRPSINFO, &p, sizeof(p));
}

static void file_note(struct notes *o, const struct core_areas *c)
{
	u64 head[2] = { 0, PAGE_SIZE }, size = sizeof(head), at = o->n;
	struct notes desc;

	for (u32 i = 0; i < c->n; i++)
		if (c->a[i].name) {
			head[0]++;
			size += 24 + strlen(c->names + c->a[i].name) + 1;
		}
	note(o, "CORE", NT_FILE_, NULL, 0);
	if (o->n + size + 4 > o->room) {
		o->n = at;
		return;
	}
	memcpy(o->at + at + 4, &(u32){ (u32)size }, 4);
	desc = (struct notes){ o->at + o->n, 0, size };
	put(&desc, head, sizeof(head));
	for (u32 i = 0; i < c->n; i++)
		if (c->a[i].name)
			put(&desc, (u64[3]){ c->a[i].start, c->a[i].end, c->a[i].off / PAGE_SIZE }, 24);
	for (u32 i = 0; i < c->n; i++)
		if (c->a[i].name)
			put(&desc, c->names + c->a[i].name, strlen(c->names + c->a[i].name) + 1);
	o->n += (size + 3) & ~3ul;
}

static void vector_notes(struct notes *o, const struct vcpu *t, const struct frozen *f)
{
	u64 ssp = vcpu_ssp(t);
	u8 *x;

	if (f->xstate) {
		u64 present;

		memcpy(&present, f->xstate + 512, 8);
		x = note(o, "CORE", NT_PRFPREG, f->xstate, 512);
		if (!(present & 1)) /* x87 as at the start of a program */
			memcpy(x, &(u16){ 0x37f }, 2);
		x = note(o, "LINUX", NT_X86_XSTATE, f->xstate, (u32)f->xstate_size);
		if (!(present & 1))
			memcpy(x, &(u16){ 0x37f }, 2);
		memcpy(x + 464, &f->features, 8);
	}
	if (t->shstk_features & 1)
		note(o, "LINUX", NT_SHSTK_, &ssp, 8);
}

static void thread_notes(struct notes *o, struct vcpu *v, struct vcpu *t, const u8 info[128], const struct core_areas *c)
{
	struct frozen f;

	freeze_look(v, t, &f);
	status_note(o, t, info, &f);
	if (t == v) {
		process_note(o, v);
		note(o, "CORE", NT_SIGINFO_, info, 128);
		note(o, "CORE", NT_AUXV, eng.auxv, eng.auxv_size);
		file_note(o, c);
	}
	vector_notes(o, t, &f);
}

u8 *core_notes(struct vcpu *v, const u8 info[128], const struct core_areas *c, u64 *size, u64 *room)
{
	struct vcpu *last = cpu_threads;
	struct notes o = { .room = PAGE_UP((cpu_thread_count() + 1) * 20480ul + c->names_len + 64ul * c->n + 16384) };

	*room = o.room;
	o.at = rt_map(o.room);
	if (!o.at)
		return NULL;
	thread_notes(&o, v, v, info, c);
	cpu_threads_lock();
	while (last && last->next)
		last = last->next;
	for (struct vcpu *t = last; t; t = t->prev) /* the oldest first, as the kernel has them */
		if (t != v && t->pid == v->pid && !t->gone)
			thread_notes(&o, v, t, info, c);
	cpu_threads_unlock();
	*size = o.n;
	return o.at;
}
