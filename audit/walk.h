/* SPDX-License-Identifier: MIT */
/*
 * The reading step: operands, folders and lists are turned into files, files into objects, by as many threads as asked
 * for. Folders are queued as they are found; their files in batches, so that one large folder keeps all threads busy.
 */
#ifndef GNOMON_AUDIT_WALK_H
#define GNOMON_AUDIT_WALK_H

#include <sys/stat.h>

#include "worker.h"

/* reads everything that the options name into a->objs, a->links, a->texts, a->problems */
void walk_run(struct audit *a);
/* results.c: archives before their members, otherwise by name */
void objs_sort(struct audit *a);
/* sorted, and each file once */
void results_settle(struct audit *a);

/*
 * file.c: one open file; takes the descriptor over, but for folders. `asked`: somebody named it, so that its being neither
 * ELF nor archive is worth a line.
 */
enum file_result { FILE_DONE, FILE_FOLDER, FILE_OTHER };
enum file_result file_read(struct worker *w, int fd, const char *path, bool asked);
/* is it as the database knows it? Then that goes into the results */
bool file_kept(struct worker *w, int dirfd, const char *name, const char *path);
#define FILE_FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* pack.c: everything in a package, tar archive or static library that is open as fd; `o` is what is known of it */
void pack_read(struct worker *w, struct obj *o, int fd);
enum packing { PACK_NONE, PACK_AR, PACK_OTHER, PACK_COMPRESSED };
enum packing pack_kind(const uint8_t *head, size_t n);
/* is a compressed file of this name worth a look when nobody named it? */
bool pack_named(const char *path);

/* one more file of the root that something needs (closure); NULL if it is no ELF image */
struct tree;
struct obj *walk_one(struct tree *t, const char *path);

/* is the file in this part of the work? */
bool shard_has(const struct options *o, const char *path);

/* root.c: paths inside the root */
int root_open(const struct audit *a, const char *path, int flags); /* -1 with errno */
/* the absolute path in the root of what a user typed, without symbolic links; NULL with errno. To be freed */
char *root_path(const struct audit *a, const char *typed);

#endif
