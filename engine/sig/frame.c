/* SPDX-License-Identifier: MIT */
/*
 * Guest signal frames: layout and order as in arch/x86/kernel/signal_64.c and fpu/signal.c. The vector state is
 * still the guest's in the CPU's registers (the engine uses none), so XSAVE and XRSTOR act on it directly.
 * Runs on the engine stack.
 */
#include "sig/ctx.h"

#define FP_MAGIC1 0x46505853u
#define FP_MAGIC2 0x46505845u
#define TF 0x100ul
#define RESTORED_FLAGS 0x50cd5ul /* of FIX_EFLAGS but TF, which is cpu/step.c's */
#define MINSIGSTKSZ_ 2048
#define TASK_TOP 0x7ffffffff000ul

u64 frame_xfeatures(void)
{
	u32 a, d;

	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return a & ~0x60000u; /* AMX tiles are not enabled by themselves */
}

u64 frame_xstate_size(void)
{
	static u64 size;
	u32 a = 0xd, b, c = 0, d;

	if (!size) {
		__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
		size = min((u64)b, XSTATE_MAX);
	}
	return size;
}

static bool on_alt(const struct kstack *alt, u64 sp)
{
	return sp > alt->sp && sp - alt->sp <= alt->size;
}

/* what of it is in use; one that disarms itself never is */
static bool is_on(const struct kstack *alt, u64 sp)
{
	return alt->size && !(alt->flags & SIG_AUTODISARM) && on_alt(alt, sp);
}

long sig_altstack(struct vcpu *v, const struct kstack *ss, struct kstack *old)
{
	struct kstack *alt = &v->sig->alt;
	bool on = is_on(alt, v->gregs[RSP]);
	int mode;

	if (old) {
		*old = *alt;
		old->flags = (alt->size ? on * SIG_ONSTACK : SIG_DISABLE) | (alt->flags & SIG_AUTODISARM);
	}
	if (!ss)
		return 0;
	mode = ss->flags & ~SIG_AUTODISARM;
	if (on)
		return -EPERM;
	if (mode != SIG_DISABLE && mode != SIG_ONSTACK && mode)
		return -EINVAL;
	if (mode == SIG_DISABLE)
		*alt = (struct kstack){ .flags = ss->flags };
	else if (ss->size < MINSIGSTKSZ_)
		return -ENOMEM;
	else
		*alt = (struct kstack){ .sp = ss->sp, .flags = ss->flags, .size = ss->size };
	return 0;
}

/* Where a frame of `size` bytes and the vector state go: from its top on downwards. False: it would leave the alternate
 * stack, which the kernel answers as if there was none */
static bool frame_place(struct vcpu *v, const struct ksigaction *act, u64 *fp, u64 *at)
{
	struct kstack *alt = &v->sig->alt;
	u64 sp = v->gregs[RSP] - 128;
	bool nested = is_on(alt, v->gregs[RSP]), entering = act->flags & SA_ONSTACK_ && alt->size && !nested;

	if (entering)
		sp = alt->sp + alt->size;
	*fp = (sp - frame_xstate_size() - 4) & ~63ul;
	*at = ((*fp - sizeof(struct ksigframe)) & ~15ul) - 8;
	return !(nested || entering) || on_alt(alt, *at);
}

/* as the kernel does: also where it is 0 */
static void save_pkru(struct vcpu *v)
{
	u8 *x = v->sig->xsave;

	*(u32 *)(x + rt_pkru_at()) = cpu_pkru(v);
	*(u64 *)(x + XSTATE_BV) |= XSTATE_PKRU;
}

void frame_save_xstate(struct vcpu *v)
{
	struct sigctx *s = v->sig;
	u64 feat = frame_xfeatures();

	memset(s->xsave, 0, frame_xstate_size());
	__asm__ volatile("xsave64 %0" : "=m"(s->xsave) : "a"((u32)feat), "d"((u32)(feat >> 32)) : "memory");
	if (unlikely(rt_pkey.kept))
		save_pkru(v);
}

static long save_xstate(struct vcpu *v, u64 at)
{
	struct sigctx *s = v->sig;
	u64 size = frame_xstate_size(), feat = frame_xfeatures();
	u32 sw[5] = { FP_MAGIC1, (u32)size + 4, (u32)feat, (u32)(feat >> 32), (u32)size }, magic2 = FP_MAGIC2;

	memcpy(s->xsave + 464, sw, sizeof(sw));
	if (rt_copy_to_guest(at, s->xsave, size))
		return -EFAULT;
	return rt_copy_to_guest(at + size, &magic2, 4);
}

static void fill_context(struct vcpu *v, struct kucontext *uc)
{
	const u64 *g = v->gregs;

	uc->flags = 7; /* FP_XSTATE, SIGCONTEXT_SS, STRICT_RESTORE_SS */
	uc->r8 = g[R8]; uc->r9 = g[R9]; uc->r10 = g[R10]; uc->r11 = g[R11];
	uc->r12 = g[R12]; uc->r13 = g[R13]; uc->r14 = g[R14]; uc->r15 = g[R15];
	uc->rdi = g[RDI]; uc->rsi = g[RSI]; uc->rbp = g[RBP]; uc->rbx = g[RBX];
	uc->rdx = g[RDX]; uc->rax = g[RAX]; uc->rcx = g[RCX]; uc->rsp = g[RSP];
	uc->rip = v->rip;
	uc->eflags = v->rflags | (v->tf ? TF : 0);
	uc->cs = 0x33;
	uc->ss = 0x2b;
}

/* As the kernel writes them: the restorer's address and, above it, where SSP was. Neither of them without the other */
static bool push_frame(struct vcpu *v, u64 restorer, u64 at)
{
	gaddr_t ssp = vcpu_ssp(v);

	if (!v->guest_ss)
		return shstk_push(v, ssp | SHSTK_TOKEN, at) && shstk_push(v, restorer, at);
	if (!restorer || !ssp || ssp & 7 || !ssp_store(v, ssp - 16, restorer))
		return false;
	return ssp_push(v, ssp | SHSTK_TOKEN, at) && ssp_push(v, restorer, at);
}

/* to memory, whatever the keys of the place say: at `at`, the vector state at `fp` */
static bool store_frame(struct vcpu *v, const struct ksigaction *act, const struct ksigframe *f, u64 at)
{
	u32 pkru;
	bool ok;

	if (!(act->flags & SA_RESTORER_))
		return false;
	frame_save_xstate(v);
	pkru = rt_pkey_ignore();
	ok = !save_xstate(v, f->uc.fpstate) && !rt_copy_to_guest(at, f, sizeof(*f)) &&
	     (!v->shstk_on || push_frame(v, act->restorer, at));
	rt_pkey_heed(pkru);
	return ok;
}

bool frame_build(struct vcpu *v, int signo, const struct ksigaction *act, u64 mask, const u8 *info, u64 err,
		 u64 trapno, u64 cr2)
{
	struct sigctx *s = v->sig;
	struct ksigframe f = { .pretcode = act->restorer };
	u64 fp, at;

	if (!frame_place(v, act, &fp, &at))
		return false;
	fill_context(v, &f.uc);
	f.uc.stack = s->alt;
	f.uc.err = err;
	f.uc.trapno = trapno;
	f.uc.cr2 = cr2;
	f.uc.oldmask = f.uc.sigmask = mask;
	f.uc.fpstate = fp;
	memcpy(f.info, info, 128);
	if (!store_frame(v, act, &f, at))
		return false;
	if (unlikely(rt_pkey.kept))
		cpu_pkru_set(v, rt_pkey.start);
	if (s->alt.flags & SIG_AUTODISARM)
		s->alt = (struct kstack){ .flags = SIG_DISABLE };
	v->gregs[RDI] = (u64)signo;
	v->gregs[RSI] = at + offsetof(struct ksigframe, info);
	v->gregs[RDX] = at + offsetof(struct ksigframe, uc);
	v->gregs[RAX] = 0;
	v->gregs[RSP] = at;
	v->rip = act->handler;
	v->rflags &= ~0x10400ul; /* RF, DF */
	step_set(v, false);
	v->step.diverted = true;
	return true;
}

static long read_frame(void *to, u64 from, size_t n)
{
	u32 pkru = rt_pkey_ignore();
	long r = rt_copy_from_guest(to, from, n);

	rt_pkey_heed(pkru);
	return r;
}

/* PKRU is not the CPU's to load, but for the guest's part of it */
static void restore(struct vcpu *v, u64 feat)
{
	const u8 *x = v->sig->xsave;

	if (unlikely(rt_pkey.kept)) {
		feat &= ~XSTATE_PKRU;
		cpu_pkru_set(v, *(u64 *)(x + XSTATE_BV) & XSTATE_PKRU ? *(u32 *)(x + rt_pkru_at()) : 0);
	}
	__asm__ volatile("xrstor64 %0" : : "m"(*x), "a"((u32)feat), "d"((u32)(feat >> 32)) : "memory");
}

static bool load_xstate(struct vcpu *v, u64 from)
{
	struct sigctx *s = v->sig;
	u64 size = frame_xstate_size(), feat = frame_xfeatures();
	u32 magic1;

	if (read_frame(s->xsave, from, 512))
		return false;
	memcpy(&magic1, s->xsave + 464, 4);
	if (magic1 != FP_MAGIC1 || read_frame(s->xsave, from, size)) {
		memset(s->xsave + 512, 0, 64);
		feat = 3;
	}
	*(u64 *)(s->xsave + 512) &= magic1 == FP_MAGIC1 ? feat : 0;
	if (magic1 != FP_MAGIC1)
		*(u64 *)(s->xsave + 512) = 3;
	memset(s->xsave + 520, 0, 56);
	*(u32 *)(s->xsave + 24) &= 0x2ffff;
	restore(v, feat);
	return true;
}

/* a frame without: everything is as at the start of a program */
static bool reset_xstate(struct vcpu *v)
{
	struct sigctx *s = v->sig;
	u64 feat = frame_xfeatures();

	memset(s->xsave, 0, 576);
	*(u16 *)s->xsave = 0x37f;
	*(u32 *)(s->xsave + 24) = 0x1f80;
	restore(v, feat);
	if (rt_pkey.kept)
		cpu_pkru_set(v, rt_pkey.start);
	return true;
}

/* what the kernel demands of the word that delivery left; SSP is where the restorer's RET left it */
static bool restore_ssp(struct vcpu *v)
{
	gaddr_t ssp = vcpu_ssp(v);
	struct shstk s;
	u64 token, to;

	if (!ssp || ssp & 7 || !cpu_up.shadow(ssp, &s) || rt_copy_from_guest(&token, ssp, 8))
		return false;
	to = token & ~SHSTK_TOKEN;
	if (!(token & SHSTK_TOKEN) || to & 7 || to >= TASK_TOP)
		return false;
	if (to == ssp + 8)
		ssp_advance(v, 8);
	else
		ssp_enter(v, to);
	return true;
}

/* the word the frame's delivery left on the shadow stack says where SSP was */
static void pop_token(struct vcpu *v, u64 frame)
{
	for (u64 t = v->twin_sp; t < shstk_top(v); t += 8) {
		u64 word = shstk_word(v, t), ssp = word & ~SHSTK_TOKEN;

		if (*shstk_rec(t) != frame || !(word & SHSTK_TOKEN))
			continue;
		if (ssp >= v->ss.lo && ssp <= v->ss.hi && !(ssp & 7))
			v->twin_sp = ssp - v->ss.lo + v->ss.twin;
		return;
	}
}

long sig_return(struct vcpu *v)
{
	u64 at = v->gregs[RSP] - 8, *g = v->gregs;
	struct ksigframe f;

	bool ok = !read_frame(&f, at, sizeof(f));

	if (ok && !sig_set_mask(v, f.uc.sigmask))
		return SIG_RESTART;
	if (!ok || !(f.uc.fpstate ? load_xstate(v, f.uc.fpstate) : reset_xstate(v))) {
		sig_fault(v, 11, 0x80, 0, -1, 0);
		return 0;
	}
	g[R8] = f.uc.r8; g[R9] = f.uc.r9; g[R10] = f.uc.r10; g[R11] = f.uc.r11;
	g[R12] = f.uc.r12; g[R13] = f.uc.r13; g[R14] = f.uc.r14; g[R15] = f.uc.r15;
	g[RDI] = f.uc.rdi; g[RSI] = f.uc.rsi; g[RBP] = f.uc.rbp; g[RBX] = f.uc.rbx;
	g[RDX] = f.uc.rdx; g[RAX] = f.uc.rax; g[RCX] = f.uc.rcx; g[RSP] = f.uc.rsp;
	v->rip = f.uc.rip;
	step_set(v, f.uc.eflags & TF);
	v->rflags = (v->rflags & ~RESTORED_FLAGS) | (f.uc.eflags & RESTORED_FLAGS) | 0x202;
	(void)!sig_altstack(v, &f.uc.stack, NULL);
	if (cpu_abi_stack(v)) {
		if (!restore_ssp(v))
			sig_fault(v, 11, 0x80, 0, -1, 0);
	} else if (v->shstk_on) {
		pop_token(v, at);
	}
	return 0;
}
