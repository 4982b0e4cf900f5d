/* SPDX-License-Identifier: MIT */
/* Archives: what pack.c (walking) and member.c (memory) share. */
#ifndef GNOMON_AUDIT_PACK_H
#define GNOMON_AUDIT_PACK_H

#include <archive.h>
#include <archive_entry.h>

#include "walk.h"

#define PACK_DEB 1u		     /* pack.flags */
#define PACK_DEEP 4		     /* archives in archives in ... */
#define MEMBERS_BYTES (96u << 20)    /* of all threads together */
#define TAIL_BYTES (16u << 20)	     /* of a member larger than that, the end of it */
#define BOMB_BYTES (1ull << 30)	     /* from here on ... */
#define BOMB_RATIO 200		     /* ... nobody packs this tightly in earnest */

struct pack {
	struct worker *w;
	struct obj *o;		/* the archive */
	struct archive *ar;
	struct pack *outer;	/* archive in an archive: its data comes from there */
	struct archive_entry *entry; /* the member at hand */
	unsigned depth, flags;
	int fd;			/* of the outermost */
	uint64_t in, out;	/* bytes read from fd, bytes that came out */
	uint8_t head[IMG_WINDOW]; /* of the member at hand */
	size_t head_len;
	uint8_t block[64 << 10]; /* input of libarchive */
};

/* reads the member at hand, whose first bytes are in p->head, as an ELF image */
void member_elf(struct pack *p, const char *path);
/* a small file as a string, NULL if it is larger than `most` */
char *member_text(struct pack *p, size_t most);
/* false, and a line, once the archive gives out far more than it has */
bool pack_honest(struct pack *p, size_t more);

#endif
