/* SPDX-License-Identifier: MIT */
/*
 * SQLite, loaded with the first call: most audits have no database, and to load it takes as long as to read 80 files. The
 * functions that are used are here under their own names; whoever calls them need not know.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sqlite3.h>

#include "audit.h"

#define SONAME "libsqlite3.so.0"

/* result, name, parameters, arguments */
#define SQLITE_FUNCTIONS(F)                                                                                             \
	F(int, sqlite3_bind_int64, (sqlite3_stmt * s, int i, sqlite3_int64 v), (s, i, v))                               \
	F(int, sqlite3_bind_null, (sqlite3_stmt * s, int i), (s, i))                                                    \
	F(int, sqlite3_bind_text, (sqlite3_stmt * s, int i, const char *t, int n, void (*done)(void *)), (s, i, t, n, done)) \
	F(int, sqlite3_changes, (sqlite3 * d), (d))                                                                     \
	F(int, sqlite3_close, (sqlite3 * d), (d))                                                                       \
	F(int, sqlite3_column_count, (sqlite3_stmt * s), (s))                                                           \
	F(int, sqlite3_column_int, (sqlite3_stmt * s, int i), (s, i))                                                   \
	F(sqlite3_int64, sqlite3_column_int64, (sqlite3_stmt * s, int i), (s, i))                                       \
	F(const unsigned char *, sqlite3_column_text, (sqlite3_stmt * s, int i), (s, i))                                \
	F(int, sqlite3_errcode, (sqlite3 * d), (d))                                                                     \
	F(const char *, sqlite3_errmsg, (sqlite3 * d), (d))                                                             \
	F(int, sqlite3_exec, (sqlite3 * d, const char *sql, int (*each)(void *, int, char **, char **), void *arg, char **why), \
	  (d, sql, each, arg, why))                                                                                     \
	F(int, sqlite3_finalize, (sqlite3_stmt * s), (s))                                                               \
	F(int, sqlite3_get_autocommit, (sqlite3 * d), (d))                                                              \
	F(int, sqlite3_open_v2, (const char *name, sqlite3 **d, int flags, const char *vfs), (name, d, flags, vfs))     \
	F(int, sqlite3_prepare_v2, (sqlite3 * d, const char *sql, int n, sqlite3_stmt **s, const char **tail), (d, sql, n, s, tail)) \
	F(int, sqlite3_reset, (sqlite3_stmt * s), (s))                                                                  \
	F(int, sqlite3_step, (sqlite3_stmt * s), (s))

static struct {
#define POINTER(result, name, parameters, arguments) result(*name) parameters;
	SQLITE_FUNCTIONS(POINTER)
} lib;

static void load(void)
{
	void *so = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);

	if (!so)
		die("%s", dlerror());
#define LOAD(result, name, parameters, arguments)  \
	*(void **)&lib.name = dlsym(so, #name);     \
	if (!lib.name)                              \
		die(SONAME " has no " #name);
	SQLITE_FUNCTIONS(LOAD)
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

#define STUB(result, name, parameters, arguments) \
	result name parameters                     \
	{                                          \
		pthread_once(&once, load);         \
		return lib.name arguments;         \
	}
SQLITE_FUNCTIONS(STUB)
