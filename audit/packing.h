/* SPDX-License-Identifier: MIT */
/* An archive that is being read: what pack.c (walking), pack_input.c (its bytes) and member.c (memory) share. */
#ifndef GNOMON_AUDIT_PACKING_H
#define GNOMON_AUDIT_PACKING_H

#include "archive_lib.h"
#include "worker.h"

#define PACK_DEB 1u		     /* pack.flags */
#define PACK_DEEP 4		     /* archives in archives in ... */
#define MEMBERS_BYTES (96u << 20)    /* of all threads together */
#define TAIL_BYTES (16u << 20)	     /* of a member larger than that, the end of it */

struct pack {
	struct worker *w;
	struct obj *o;		/* the archive */
	struct archive *ar;
	struct pack *outer;	/* archive in an archive: its data comes from there */
	struct archive_entry *entry; /* the member at hand */
	unsigned depth, flags;
	int fd;			/* of the outermost */
	uint64_t in, out;	/* of the outermost: bytes read from fd, bytes that came out */
	bool stopped;		/* of the outermost: it gives out far more than it has */
	uint8_t head[IMG_WINDOW]; /* of the member at hand */
	size_t head_len;
	uint8_t block[64 << 10]; /* input of libarchive */
};

/* ---- pack_input.c */
/* opens an archive whose descriptor or outer archive is set; false: p->ar says why not */
bool input_open(struct pack *p);
/* counts bytes that came out; false, and a line, once the archive gives out far more than it has: nothing more is read */
bool input_honest(struct pack *p, size_t more);
bool input_stopped(const struct pack *p);
/* what libarchive says is wrong */
const char *input_error(struct pack *p);

/* ---- member.c */
/* reads the member at hand, whose first bytes are in p->head, as an ELF image */
void member_elf(struct pack *p, const char *path);
/* a small file as a string, without what is behind `most` bytes of it; to be freed */
char *member_text(struct pack *p, size_t most);

#endif
