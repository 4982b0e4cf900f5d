/* SPDX-License-Identifier: MIT */
/* Archives: packages, tar archives, images of containers, static libraries. */
#ifndef GNOMON_AUDIT_PACK_H
#define GNOMON_AUDIT_PACK_H

#include "worker.h"

/* everything in an archive that is open as fd and whose first bytes are in w->im; `o` is what is known of it */
void pack_read(struct worker *w, struct obj *o, int fd);

/* pack_kind.c: what first bytes and names tell */
enum packing { PACK_NONE, PACK_AR, PACK_OTHER, PACK_COMPRESSED };
enum packing pack_kind(const uint8_t *head, size_t n);
bool pack_is_deb(const uint8_t *head, size_t n);
/* is a compressed file of this name worth a look when nobody named it? */
bool pack_named(const char *path);

#endif
