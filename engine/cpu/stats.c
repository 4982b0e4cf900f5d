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
	rt_log("stats: %u blocks of %lu guest bytes in %lu KiB, %u exits, %lu ticks a block", cache_nblocks, guest,
	       cache_bytes() >> 10, cache_nexits, v->stat_build / max(v->stat_blocks, 1ul));
	rt_log("stats: %lu dispatches, %lu missed jumps, %lu missed calls, %lu syscalls, %lu flushes", v->stat_dispatch,
	       v->stat_jmiss, v->stat_cmiss, v->stat_syscalls, v->stat_flush);
}

void cpu_describe(struct vcpu *v)
{
	u8 code[16] = { 0 };

	rt_log("guest rip %lx rsp %lx rax %lx r10 %lx r11 %lx ssp %lx, %u blocks, %u arenas", v->rip, v->gregs[RSP],
	       v->gregs[RAX], v->gregs[R10], v->gregs[R11], vcpu_ssp(v), cache_nblocks, cache_narenas);
	if (!rt_copy_from_guest(code, v->rip, 16))
		rt_log("bytes at rip: %x %x %x %x %x %x %x %x", code[0], code[1], code[2], code[3], code[4], code[5],
		       code[6], code[7]);
	for (u32 i = 0; i < ARRAY_SIZE(v->trace) && i < v->trace_at; i++)
		rt_log("dispatched -%u: %lx", i + 1, v->trace[(v->trace_at - 1 - i) % ARRAY_SIZE(v->trace)]);
}
