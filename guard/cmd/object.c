/* SPDX-License-Identifier: MIT */
/*
 * The page of a word of another process, mapped here: to wake who waits for it, and to look at it after the process
 * is gone. A shared futex is known by its file and offset, so any mapping of the same page will do.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracee.h"

#define PAGE 4096ull

bool object_find(pid_t pid, uint64_t at, struct object *o)
{
	char path[64], line[4400], perms[8];
	bool found = false;
	FILE *f;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	else
		strcpy(path, "/proc/self/maps");
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		o->name[0] = 0;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64 " %4095[^\n]", &o->start, &o->end,
			   perms, &o->offset, &o->major, &o->minor, &o->ino, o->name) < 7)
			continue;
		found = at >= o->start && at < o->end;
	}
	if (f)
		fclose(f);
	if (!found)
		return false;
	o->shared = perms[3] == 's';
	o->sysv = !strncmp(o->name, "/SYSV", 5);
	return true;
}

bool object_same(const struct object *a, const struct object *b)
{
	return a->shared == b->shared && a->ino == b->ino && a->major == b->major && a->minor == b->minor;
}

/* maps the page of `o` at `offset`, if `fd` is that file */
static uint8_t *map_if_same(int fd, const struct object *o, uint64_t offset)
{
	struct object mine;
	uint8_t *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, (off_t)offset);

	if (p == MAP_FAILED)
		return NULL;
	if (object_find(0, (uint64_t)p, &mine) && object_same(&mine, o))
		return p;
	munmap(p, PAGE);
	return NULL;
}

static uint8_t *try_path(const char *path, const struct object *o, uint64_t offset)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	uint8_t *p;

	if (fd < 0)
		return NULL;
	p = map_if_same(fd, o, offset);
	close(fd);
	return p;
}

/* a memfd or an unlinked file that the process still has open */
static uint8_t *try_fds(pid_t pid, const struct object *o, uint64_t offset)
{
	char path[300];
	struct dirent *e;
	uint8_t *p = NULL;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d && !p && (e = readdir(d))) {
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, e->d_name);
		/* opening a pipe or a device would be felt */
		if (e->d_name[0] != '.' && !stat(path, &st) && S_ISREG(st.st_mode) && st.st_ino == o->ino)
			p = try_path(path, o, offset);
	}
	if (d)
		closedir(d);
	return p;
}

static uint8_t *attach(const struct object *o, uint64_t offset)
{
	uint8_t *p = shmat((int)o->ino, NULL, SHM_RDONLY);
	struct object mine;

	if (p == (void *)-1)
		return NULL;
	if (object_find(0, (uint64_t)p + offset, &mine) && object_same(&mine, o))
		return p + offset;
	shmdt(p);
	return NULL;
}

uint32_t *object_map(pid_t pid, uint64_t at)
{
	uint64_t page = at & ~(PAGE - 1), offset;
	uint8_t *p = NULL;
	struct object o;
	char path[128];

	if (!object_find(pid, at, &o) || !o.shared || !o.ino)
		return NULL;
	offset = o.offset + (page - o.start);
	if (o.sysv) {
		p = attach(&o, offset);
	} else {
		/* needs CAP_CHECKPOINT_RESTORE; the other two do not */
		snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, o.start, o.end);
		p = try_path(path, &o, offset);
		if (!p)
			p = try_path(o.name, &o, offset);
		if (!p)
			p = try_fds(pid, &o, offset);
	}
	return p ? (uint32_t *)(p + (at - page)) : NULL;
}

void object_unmap(uint32_t *word)
{
	void *page = (void *)((uintptr_t)word & ~(uintptr_t)(PAGE - 1));
	struct object o;

	if (object_find(0, (uint64_t)word, &o) && o.sysv)
		shmdt((void *)(o.start - o.offset));
	else
		munmap(page, PAGE);
}
