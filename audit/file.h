/* SPDX-License-Identifier: MIT */
/*
 * One file of the root: is it as a database knows it? If not, it is read: ELF image, archive or neither. Called by the
 * threads of the reading step (walk.c), and for what something needs by the closure (tree_read.c).
 */
#ifndef GNOMON_AUDIT_FILE_H
#define GNOMON_AUDIT_FILE_H

#include <sys/stat.h>

#include "worker.h"

#define FILE_FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/*
 * An open file; takes the descriptor over, but for folders. `asked`: somebody named it, so that its being neither ELF nor
 * archive is worth a line.
 */
enum file_result { FILE_DONE, FILE_FOLDER, FILE_OTHER };
enum file_result file_read(struct worker *w, int fd, const char *path, bool asked);
/* is it as the database knows it? Then that goes into the results */
bool file_kept(struct worker *w, int dirfd, const char *name, const char *path);
/* what is at a name, of the root if it is an absolute one; links are followed */
bool file_stat(const struct audit *a, int dirfd, const char *name, struct stat *st);
/* is the file in this part of the work? */
bool file_in_shard(const struct options *o, const char *path);

/* the parts of that: what tells a file again */
void file_identify(struct obj *o, const struct stat *st);
bool file_same(const struct obj *o, const struct stat *st);
/* what the database has of it, if that is whole and looked at no less deeply */
struct obj *file_known(struct audit *a, const char *path, enum level level);
/* takes it and, if it is an archive, everything in it over as the database has them */
void file_keep(struct worker *w, struct obj *o, uint32_t flags);

#endif
