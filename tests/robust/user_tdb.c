/* SPDX-License-Identifier: MIT */
/*
 * Samba's tdb with mutexes and the race, for gnomon race --all. user_tdb FILE: two processes store and fetch; each time a
 * third opens the database and closes it again. Is there a moment at which the locks' memory is anything else?
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <tdb.h>

#include "robust.h"

static struct tdb_context *open_db(const char *path)
{
	struct tdb_context *t = tdb_open(path, 64, TDB_CLEAR_IF_FIRST | TDB_INCOMPATIBLE_HASH | TDB_MUTEX_LOCKING,
					 O_RDWR | O_CREAT, 0600);

	need(t, "tdb_open");
	return t;
}

static void use(const char *path, int n)
{
	struct tdb_context *t = open_db(path);

	for (int i = 0; i < 40; i++) {
		int key = n * 1000 + i;
		TDB_DATA k = { (unsigned char *)&key, sizeof(key) }, v = { (unsigned char *)"value", 5 }, got;

		need(!tdb_store(t, k, v, TDB_REPLACE), "tdb_store");
		got = tdb_fetch(t, k);
		need(got.dsize == 5, "tdb_fetch");
		free(got.dptr);
		if (i % 8 == 0) {
			pid_t pid = fork();

			if (!pid) {
				tdb_reopen_all(0);
				_exit(0);
			}
			waitpid(pid, NULL, 0);
		}
	}
	tdb_close(t);
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc != 2)
		return 2;
	if (!tdb_runtime_check_for_robust_mutexes()) {
		puts("no robust mutexes");
		return 77;
	}
	pid = fork();
	use(argv[1], pid ? 1 : 2);
	if (!pid)
		_exit(0);
	waitpid(pid, &status, 0);
	return 0;
}
