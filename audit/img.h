/* SPDX-License-Identifier: MIT */
/*
 * The bytes of one file or archive member. Everything is copied out by pread(2) or from memory, nothing is mapped:
 * files may shrink while they are read. Whoever asks for bytes that are not there is told so; nothing here trusts
 * an offset.
 */
#ifndef GNOMON_AUDIT_IMG_H
#define GNOMON_AUDIT_IMG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMG_HEAD 1024u   /* most files have headers and notes in it, and copying more costs as much as opening */
#define IMG_WINDOW 8192u
#define IMG_TABLE 65536u /* the largest entry that a header can tell of, and little enough to stay in a CPU's cache */
#define IMG_NEAR 1024u	 /* read at once where nothing is known of what will be wanted next */

struct img {
	int fd;			/* -1: in memory */
	const uint8_t *mem;
	uint64_t size;		/* of mem; files: IMG_UNKNOWN, their end is where reading ends */
	uint64_t hole, hole_len; /* mem lacks these bytes, and goes on behind them */
	uint64_t total;		/* bytes read from fd */
	int error;		/* of pread, the last one */
	size_t head_len;
	uint8_t head[IMG_HEAD];   /* files: the first bytes, read at once */
	/*
	 * Files: where the last two short reads were. Two, because the dynamic section sends one to its strings, far in front,
	 * and the section headers often lie close behind it. Copying is what reading costs most: callers say how much to take.
	 */
	struct window {
		uint64_t off;
		size_t len;
		uint8_t bytes[IMG_WINDOW];
	} win[2];
	unsigned turn;		/* which of them is read into next */
	uint8_t table[IMG_TABLE]; /* of img_table() */
};
#define IMG_UNKNOWN UINT64_MAX

/* false: nothing can be read, im->error says why */
bool img_file(struct img *im, int fd);
void img_memory(struct img *im, const void *mem, uint64_t size);
/* what lies there will be asked for, piece by piece: one read */
void img_ahead(struct img *im, uint64_t off, uint64_t n);
/* all n bytes at off, or false */
bool img_read(struct img *im, uint64_t off, void *buf, size_t n);
/* the same without a copy, where that can be; else in buf. NULL: not all there */
static inline const void *img_view(struct img *im, uint64_t off, void *buf, size_t n)
{
	if (off <= im->head_len && n <= im->head_len - off)
		return im->head + off;
	return img_read(im, off, buf, n) ? buf : NULL;
}
/* up to n bytes; how many there are */
size_t img_some(struct img *im, uint64_t off, void *buf, size_t n);
/* a copy of the part, to be freed; NULL if it is not all there or larger than `most` */
void *img_load(struct img *im, uint64_t off, uint64_t n, size_t most);
/*
 * Up to n bytes, IMG_TABLE at most, in a buffer that is the image's and lasts until the next call: for a table, or the
 * next stretch of one. *got: how many there are.
 */
const uint8_t *img_table(struct img *im, uint64_t off, size_t n, size_t *got);
/* the string at off, at most size - 1 bytes of it; false if it has no end before that */
bool img_string(struct img *im, uint64_t off, char *buf, size_t size);

#endif
