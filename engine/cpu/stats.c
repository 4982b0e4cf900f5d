/* SPDX-License-Identifier: MIT */
/*
 * What --stats and a BUG block say about the cache and about where the guest was. Called on engine stacks.
 */
#include "cpu/cpu.h"
#include "gnomon/board.h"
#include "rt/engine.h"

u64 cpu_stats_clock(void)
{
	return eng.set.flags & GN_OPT_STATS ? __builtin_ia32_rdtsc() : 0;
}

static u64 cache_bytes(void)
{
	u64 n = 0;

	for (u32 i = 0; i < cache_narenas; i++)
		n += cache_arenas[i].committed * cache_seg_size;
	return n;
}

void cpu_stats(struct vcpu *v)
{
	u64 guest = 0;

	if (!(eng.set.flags & GN_OPT_STATS))
		return;
	for (u32 i = 0; i < cache_narenas; i++)
		for (u32 j = 0; j < cache_arenas[i].norder; j++)
			guest += cache_block(cache_arenas[i].order[j])->glen;
	rt_log("stats: %u blocks of %lu guest bytes in %lu KiB, %u exits; this thread made %lu, %lu ticks a block", cache_nblocks,
	       guest, cache_bytes() >> 10, cache_nexits, v->stat_blocks, v->stat_build / max(v->stat_blocks, 1ul));
	rt_log("stats: %lu dispatches, %lu missed jumps, %lu missed calls, %lu syscalls, %lu flushes", v->stat_dispatch,
	       v->stat_jmiss, v->stat_cmiss, v->stat_syscalls, v->stat_flush);
}

/* the block the guest is in, as far as the tables can still be read */
static struct block *block_at(gaddr_t pc)
{
	struct block *b = NULL;

	for (u8 res = 0; res < 4 && !b; res++)
		b = cache_find(pc, res);
	if (!b)
		cache_find_inside(pc, &b);
	return b;
}

static void describe_bytes(gaddr_t pc, u32 len, const char *of)
{
	char hex[3 * 64 + 1] = "";
	u8 code[64];
	u32 n = 0;

	len = min(len, (u32)sizeof(code));
	while (len && rt_copy_from_guest(code, pc, len))
		len--;
	for (u32 i = 0; i < len; i++)
		n += (u32)rt_snprintf(hex + n, sizeof(hex) - n, " %02x", code[i]);
	rt_log("%s %lx:%s", of, pc, len ? hex : " not readable");
}

static void describe_trace(const struct vcpu *v)
{
	char text[16 * 18 + 1] = "";
	u32 n = 0;

	for (u32 i = 0; i < ARRAY_SIZE(v->trace) && i < v->trace_at; i++)
		n += (u32)rt_snprintf(text + n, sizeof(text) - n, " %lx",
				      v->trace[(v->trace_at - 1 - i) % ARRAY_SIZE(v->trace)]);
	rt_log("entered, newest first:%s", text);
}

void cpu_describe(struct vcpu *v)
{
	const u64 *g = v->gregs;
	struct block *b;

	rt_log("guest rip %lx flags %lx ssp %lx, thread's context %lx", v->rip, v->rflags, vcpu_ssp(v), (u64)v);
	rt_log("rax %lx rcx %lx rdx %lx rbx %lx rsp %lx rbp %lx rsi %lx rdi %lx", g[RAX], g[RCX], g[RDX], g[RBX], g[RSP],
	       g[RBP], g[RSI], g[RDI]);
	rt_log("r8 %lx r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx", g[R8], g[R9], g[R10], g[R11], g[R12],
	       g[R13], g[R14], g[R15]);
	b = block_at(v->rip);
	if (b)
		rt_log("block %lx+%x, translated at %lx+%x", b->pc, b->glen, (u64)block_host(b), b->host_len);
	if (b && b->pc <= v->rip)
		describe_bytes(b->pc, b->glen, "bytes of the block at");
	else
		describe_bytes(v->rip, 16, "bytes at");
	describe_trace(v);
}
