/* SPDX-License-Identifier: MIT */
/* Names inside the root (--root): links do not lead out of it. */
#ifndef GNOMON_AUDIT_ROOT_H
#define GNOMON_AUDIT_ROOT_H

#include "audit.h"

int root_open(const struct audit *a, const char *path, int flags); /* -1 with errno */
/* the absolute path in the root of what a user typed, without symbolic links; NULL with errno. To be freed */
char *root_path(const struct audit *a, const char *typed);

#endif
