/* SPDX-License-Identifier: MIT */
/* Archives: packages, tar archives, images of containers, static libraries. */
#ifndef GNOMON_AUDIT_PACK_H
#define GNOMON_AUDIT_PACK_H

#include "worker.h"

/* everything in an archive that is open as fd and whose first bytes are in w->im; `o` is what is known of it */
void pack_read(struct worker *w, struct obj *o, int fd);

/* a blob of an image in a folder, whose first bytes are in w->im: kept if it is a list of layers */
void pack_manifest(struct worker *w, const char *path);

/* pack_kind.c: what first bytes and names tell */
enum packing { PACK_NONE, PACK_AR, PACK_OTHER, PACK_COMPRESSED };
enum packing pack_kind(const uint8_t *head, size_t n);
bool pack_is_deb(const uint8_t *head, size_t n);
/* is a compressed file of this name worth a look when nobody named it? */
bool pack_named(const char *path);
/* the digest in the name of a blob of an OCI image; NULL: it is none */
const char *pack_blob(const char *path);
/* is this an OCI image's list of its layers? Others of its blobs say how it is to be run, or which images there are */
bool pack_lists_layers(const char *path, const char *text);

#endif
