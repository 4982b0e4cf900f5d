/* SPDX-License-Identifier: MIT */
/* Standard descriptors that are closed, and programs that use their numbers, see no trace of the engine. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "check.h"

static int child(const char *self, const char *mask)
{
	int status;

	fflush(stdout);
	if (fork() == 0) {
		int keep = fcntl(1, F_DUPFD, 50);

		(void)keep;
		for (const char *p = mask; *p; p++)
			close(*p - '0');
		execl(self, self, mask, (char *)NULL);
		_exit(111);
	}
	wait(&status);
	return status;
}

int main(int argc, char **argv)
{
	static const char *const masks[] = { "0", "1", "2", "01", "12", "02", "012" };

	if (argc > 1) {
		int want[3] = { 1, 1, 1 }, fd;

		for (const char *p = argv[1]; *p; p++)
			want[*p - '0'] = 0;
		for (fd = 0; fd < 3; fd++)
			if ((fcntl(fd, F_GETFD) >= 0) != want[fd])
				_exit(100 + fd);
		for (fd = 3; fd < 50; fd++)
			if (fcntl(fd, F_GETFD) >= 0)
				_exit(60 + fd);
		/* the lowest one closed is the next one opened */
		fd = open("/dev/null", O_RDWR);
		_exit(fd == argv[1][0] - '0' ? 42 : 43);
	}
	close(3);
	for (int fd = 3; fd < 50; fd++)
		close(fd);
	for (unsigned i = 0; i < sizeof(masks) / sizeof(*masks); i++)
		CHECK_EQ(child(argv[0], masks[i]), 42 << 8);
	return check_done();
}
