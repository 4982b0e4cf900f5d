/* SPDX-License-Identifier: MIT */
/* Names inside the root (--root): links do not lead out of it. */
#ifndef GNOMON_AUDIT_ROOT_H
#define GNOMON_AUDIT_ROOT_H

#include "audit.h"

int root_open(const struct audit *a, const char *path, int flags); /* -1 with errno */
/* a folder that the walk found: no links in its path, which may be longer than the kernel takes at once. -1 with errno */
int root_folder(const struct audit *a, const char *path, int flags);
/* the absolute path in the root of what a user typed, without symbolic links; NULL with errno. To be freed */
char *root_path(const struct audit *a, const char *typed);

#endif
