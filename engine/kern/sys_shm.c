/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory: attachments are memory areas like others, but for their unknown length.
 */
#include <linux/ipc.h>
#include <linux/shm.h>
#include "kern/kern.h"
#include "kern/mm.h"
#include "kern/robust.h"

/* 0 if the host does not say: no read permission, no such segment */
static u64 segment_size(int id)
{
	struct shmid64_ds ds;

	return sys3(__NR_shmctl, id, IPC_STAT, &ds) < 0 ? 0 : PAGE_UP(ds.shm_segsz);
}

SYSCALL(shmat)
{
	u64 flags = a[2], len = segment_size((int)a[0]);
	gaddr_t start = flags & SHM_RND ? PAGE_DOWN(a[1]) : a[1], end = 0;
	int prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE);
	struct mm_change c;
	struct vma area;
	long r;

	if (flags & SHM_EXEC || mm_read_implies_exec)
		prot |= PROT_EXEC;
	if (start && (flags & SHM_REMAP) && mm_range_ok(start, len))
		end = start + len;
	if (end && rt_owns(start, end)) {
		rt_log_once("shmat(SHM_REMAP) at %lx refused: the engine's own memory is there", start);
		return -EINVAL;
	}
	if (end)
		robust_scan_range(start, end);
	if (!mm_begin(v, &c, end ? start : 0, end))
		return -ENOMEM;
	r = sys3(__NR_shmat, a[0], a[1], flags & ~(u64)SHM_EXEC);
	if (!sys_failed(r)) {
		area = (struct vma){ (gaddr_t)r, (gaddr_t)r + max(len, PAGE_SIZE), (u8)prot, VMA_SHARED | VMA_SHM,
				     alias_of_segment((int)a[0]), (gaddr_t)r };
		vma_set_area_locked(&area);
		c.start = area.start;
		c.end = area.end;
	}
	mm_end(&c);
	return r;
}

/* [holds: vma_lock] strikes out the areas from addr on that are not mapped any more */
static void forget_detached(gaddr_t addr)
{
	struct vma a;
	u8 resident;

	while (vma_find_locked(addr, &a) && a.start == addr && (a.flags & VMA_SHM) &&
	       sys3(__NR_mincore, addr, PAGE_SIZE, &resident) == -ENOMEM) {
		vma_clear_locked(a.start, a.end);
		addr = a.end;
	}
}

SYSCALL(shmdt)
{
	gaddr_t start = PAGE_DOWN(a[0]), end = start;
	struct mm_change c;
	struct vma area;
	long r;

	while (vma_find(end, &area) && area.start <= end && (area.flags & VMA_SHM))
		end = area.end; /* perhaps the next segment as well: its code is only translated again */
	robust_scan(&(struct robust_range){ .start = start, .end = end, .goes = robust_goes_shmdt });
	if (!mm_begin(v, &c, start, end))
		return -ENOMEM;
	r = sys1(__NR_shmdt, a[0]);
	if (r == 0)
		forget_detached(start);
	mm_end(&c);
	return r;
}
