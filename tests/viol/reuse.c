/* SPDX-License-Identifier: MIT */
/* so: reuse1.so.c
 * so: reuse2.so.c
 * libs: -ldl
 * args: @WORK@
 * Two libraries break the rule at the same address, one after the other: two sites, each in its own library, whether the
 * first was unmapped, mapped over or moved away.
 * expect: never-called at=trick1 at_module=libreuse1.so
 * expect: never-called at=trick2 at_module=libreuse2.so */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PLACE ((char *)0x3000000000)

static size_t size;

static void *map(const char *path, void *at, int flags)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	size = (st.st_size + 4095) & ~4095ul;
	p = mmap(at, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | flags, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* where in the file the function is: its segment has the same offset in memory */
static unsigned long offset(const char *path, const char *name)
{
	void *h = dlopen(path, RTLD_NOW), *f = h ? dlsym(h, name) : NULL;
	Dl_info info;
	unsigned long off;

	if (!f || !dladdr(f, &info))
		return 0;
	off = (unsigned long)((char *)f - (char *)info.dli_fbase);
	dlclose(h);
	return off;
}

int main(int argc, char **argv)
{
	char one[4096], two[4096];
	unsigned long off1, off2;
	int sum = 0;

	snprintf(one, sizeof(one), "%s/libreuse1.so", argv[1]);
	snprintf(two, sizeof(two), "%s/libreuse2.so", argv[1]);
	off1 = offset(one, "trick1");
	off2 = offset(two, "trick2");
	if (!off1 || off1 != off2)
		return 1;
#define CALL() (((int (*)(void))(PLACE + off1))())
	for (int way = 0; way < 3; way++) {
		if (!map(one, PLACE, MAP_FIXED))
			return 2;
		for (int i = 0; i < 5; i++)
			sum += CALL();
		if (way == 0)
			munmap(PLACE, size);
		else if (way == 2)
			mremap(PLACE, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, PLACE + (1 << 30));
		if (!map(two, PLACE, way == 1 ? MAP_FIXED : MAP_FIXED_NOREPLACE))
			return 3;
		for (int i = 0; i < 5; i++)
			sum += CALL();
		munmap(PLACE, size);
	}
	printf("%d\n", sum);
	return 0;
}
