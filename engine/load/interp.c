/* SPDX-License-Identifier: MIT */
/*
 * The program interpreter (PT_INTERP): checked before an exec's point of no return, mapped behind it.
 * Called by plan.c (any thread) and program.c (start).
 */
#include <linux/fcntl.h>
#include "load/load.h"

long interp_open(const char *path, struct elf_file *ret)
{
	struct exec_file file;
	long r = exec_open_interp(path, &file);

	*ret = (struct elf_file){ .fd = -1 };
	if (r)
		return r;
	/* an interpreter that may be executed but not read cannot be translated; the kernel could map it */
	r = file.readable ? elf_open(ret, file.fd, file.size) : -EACCES;
	if (r) {
		fd_close(&file.fd);
		ret->fd = -1;
		return r == -ENOEXEC ? -ELIBBAD : r;
	}
	return 0;
}

long interp_load(const char *path, struct elf_image *img)
{
	struct elf_file f;
	long r = interp_open(path, &f);

	if (r)
		return r;
	r = elf_map_image(&f, 0, img);
	if (!r && img->lo == img->hi)
		r = -EINVAL; /* no segments: unlike a program's, refused */
	elf_close(&f);
	fd_close(&f.fd);
	return r;
}
