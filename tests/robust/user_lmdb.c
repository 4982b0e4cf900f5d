/* SPDX-License-Identifier: MIT */
/*
 * LMDB and the race, for gnomon race. user_lmdb FOLDER work|close
 *
 *   work   two threads and a second process write and read a database: is there a moment at which its locks' memory is
 *          anything else?
 *   close  thread T commits once; thread D sees the commit in the database, closes the environment, as the only one left
 *          who uses it, and maps a table of thread ids of its own where the lock file was. T's mdb_txn_commit() has not
 *          returned, which LMDB's rules forbid and nothing tells D.
 */
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>

#include "robust.h"

static MDB_env *env;
static MDB_dbi dbi;
static volatile pid_t tid;

static void ok(int r, const char *what)
{
	if (r) {
		fprintf(stderr, "%s: %s\n", what, mdb_strerror(r));
		_exit(2);
	}
}

static void open_env(const char *folder)
{
	MDB_txn *txn;

	mkdir(folder, 0700);
	ok(mdb_env_create(&env), "env_create");
	ok(mdb_env_open(env, folder, MDB_NOSYNC, 0600), "env_open");
	ok(mdb_txn_begin(env, NULL, 0, &txn), "txn_begin");
	ok(mdb_dbi_open(txn, NULL, 0, &dbi), "dbi_open");
	ok(mdb_txn_commit(txn), "commit");
}

static void write_one(int key)
{
	MDB_val k = { sizeof(key), &key }, v = { 5, "value" };
	MDB_txn *txn;

	ok(mdb_txn_begin(env, NULL, 0, &txn), "txn_begin");
	ok(mdb_put(txn, dbi, &k, &v, 0), "put");
	ok(mdb_txn_commit(txn), "commit");
}

static bool is_there(int key)
{
	MDB_val k = { sizeof(key), &key }, v;
	MDB_txn *txn;
	int r;

	ok(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "txn_begin");
	r = mdb_get(txn, dbi, &k, &v);
	mdb_txn_abort(txn);
	return !r;
}

static void *writer(void *arg)
{
	for (int i = 0; i < 60; i++)
		write_one((int)(long)arg + i);
	return NULL;
}

static void work(const char *folder)
{
	pid_t pid = fork();
	pthread_t t[2];
	int status;

	open_env(folder);
	for (long i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, writer, (void *)(1000 * i + (pid ? 0 : 10000)));
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	mdb_env_close(env);
	if (!pid)
		_exit(0);
	waitpid(pid, &status, 0);
}

static void *once(void *arg)
{
	tid = (pid_t)syscall(SYS_gettid);
	write_one(7);
	return NULL;
}

static void closing(const char *folder)
{
	uint32_t *table;
	pthread_t t;
	int fd = file("table");

	open_env(folder);   /* the first unlock of a mutex */
	is_there(7);        /* the second; later reads need none */
	pthread_create(&t, NULL, once, NULL); /* the third */
	while (!tid || !is_there(7))
		usleep(1000);
	usleep(20000);
	mdb_env_close(env);
	/* what the next mapping of that size may get anyway */
	need(!ftruncate(fd, 65536), "ftruncate");
	for (int i = 0; i < 4; i++) {
		table = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8192 * i);
		need(table != MAP_FAILED, "mmap");
		for (int k = 0; k < 2048; k++)
			table[k] = (uint32_t)tid;
	}
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	if (!strcmp(argv[2], "work"))
		work(argv[1]);
	else
		closing(argv[1]);
	return 0;
}
