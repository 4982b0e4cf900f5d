/* SPDX-License-Identifier: MIT */
/*
 * Members of archives in memory: nothing is unpacked to disk, and all threads together hold no more than
 * MEMBERS_BYTES. Of a member larger than that the beginning and the end are kept, which is where headers, dynamic
 * section and symbols are.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "packing.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t given_back = PTHREAD_COND_INITIALIZER;
static size_t left = MEMBERS_BYTES;

static void take(size_t n)
{
	pthread_mutex_lock(&lock);
	while (left < n)
		pthread_cond_wait(&given_back, &lock);
	left -= n;
	pthread_mutex_unlock(&lock);
}

static void give_back(size_t n)
{
	pthread_mutex_lock(&lock);
	left += n;
	pthread_cond_broadcast(&given_back);
	pthread_mutex_unlock(&lock);
}

/* more of the member; short at its end. *bad: libarchive says what is wrong */
static size_t more(struct pack *p, uint8_t *buf, size_t n, bool *bad)
{
	size_t done = 0;

	while (done < n) {
		la_ssize_t r = libarchive.archive_read_data(p->ar, buf + done, n - done);

		if (r == ARCHIVE_RETRY)
			continue;
		if (r < 0) {
			*bad = true;
			break;
		}
		if (!r || !input_honest(p, (size_t)r))
			break;
		done += (size_t)r;
	}
	return done;
}

/* The rest of a member of which `head` bytes are in buf: a ring of its last `tail` bytes behind them, put in order at the
 * end. Returns the member's whole size. */
static uint64_t large(struct pack *p, uint8_t *buf, size_t head, size_t tail, bool *bad)
{
	uint8_t *ring = buf + head, *turned;
	uint64_t total = head;
	size_t at = 0, n;

	while ((n = more(p, ring + at, tail - at, bad))) {
		total += n;
		at = (at + n) % tail;
		if (*bad)
			break;
	}
	if (total - head < tail || !at)
		return total;
	turned = xmalloc(tail);
	memcpy(turned, ring + at, tail - at);
	memcpy(turned + tail - at, ring, at);
	memcpy(ring, turned, tail);
	free(turned);
	return total;
}

static void read_image(struct pack *p, struct obj *o, uint8_t *buf, size_t room, bool whole)
{
	size_t head = whole ? room : room - TAIL_BYTES, n = p->head_len;
	bool bad = false;

	memcpy(buf, p->head, n);
	n += more(p, buf + n, head - n, &bad);
	img_memory(&p->w->im, buf, n);
	if (!whole && n == head && !bad) {
		uint64_t total = large(p, buf, head, TAIL_BYTES, &bad);

		p->w->im.size = total;
		if (total > room) {
			p->w->im.hole = head;
			p->w->im.hole_len = total - room;
			o->flags |= OF_PARTIAL;
		}
	}
	o->size = p->w->im.size;
	object_read(p->w, o, &p->w->im);
	if (bad && !o->broken)
		o->broken = arena_str(&p->w->mem, input_error(p));
	if (!o->broken && (o->flags & OF_PARTIAL) && p->w->a->o->level >= LEVEL_CODE)
		o->broken = "too large to be held in memory: the code in its middle was not looked at";
}

void member_elf(struct pack *p, const char *path)
{
	struct obj *o = worker_obj(p->w, path, p->o);
	int64_t said = libarchive.archive_entry_size_is_set(p->entry) ? libarchive.archive_entry_size(p->entry) : -1;
	bool whole = said >= 0 && said <= MEMBERS_BYTES;
	size_t room = whole ? (size_t)said : MEMBERS_BYTES;
	uint8_t *buf;

	room = room < p->head_len ? p->head_len : room;
	take(room);
	buf = xmalloc(room);
	read_image(p, o, buf, room, whole);
	free(buf);
	give_back(room);
	__atomic_store_n(&p->w->r.bytes, p->w->r.bytes + o->size, __ATOMIC_RELAXED);
	if (o->broken)
		worker_trouble(p->w, obj_name(o), o->broken);
}

char *member_text(struct pack *p, size_t most)
{
	char *text = xmalloc(most + 1);
	bool bad = false;
	size_t n = p->head_len < most ? p->head_len : most;

	memcpy(text, p->head, n);
	n += more(p, (uint8_t *)text + n, most - n, &bad);
	text[n] = 0;
	return text;
}
