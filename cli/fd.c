/* SPDX-License-Identifier: MIT */
/* Descriptors: writing that survives odd ones, in one piece; new ones that do not take the place of a closed standard one. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

bool write_all(int fd, const void *buf, size_t n)
{
	const char *p = buf;

	while (n) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = fd, .events = POLLOUT };

			(void)poll(&pfd, 1, -1);
			continue;
		}
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

int fd_above_stdio(int fd)
{
	int up;

	if (fd < 0 || fd > 2)
		return fd;
	up = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return up;
}

/* a memfd that is data for ever: systems with vm.memfd_noexec=2 want to be told (Linux 6.3) */
int memfd_plain(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd_above_stdio(fd);
}

FILE *block_begin(struct block *b)
{
	b->text = NULL;
	b->n = 0;
	b->f = open_memstream(&b->text, &b->n);
	return b->f;
}

bool block_end(struct block *b)
{
	return fclose(b->f) == 0;
}
