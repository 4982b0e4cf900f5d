/* SPDX-License-Identifier: MIT */
/* Notes: GNU properties as the linker's tools and as the C library see them, build id, .note.dlopen. */
#ifndef GNOMON_AUDIT_NOTES_H
#define GNOMON_AUDIT_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* what is wrong with property notes, one bit for each rule that tells of it */
#define NOTE_BAD_ALIGNMENT 1u
#define NOTE_BAD_ORDER 2u
#define NOTE_BAD_SIZE 4u
#define NOTE_BAD_TWO 8u
#define NOTE_BAD_CUT 16u

struct props {
	uint32_t notes;	   /* property notes seen */
	uint32_t features; /* GNU_PROPERTY_X86_FEATURE_1_AND; of several the common part */
	uint32_t isa_needed, isa_used;
	bool has_features;
	uint32_t faults;
};

/* Leniently, as readelf reads them; adds to *ret. `align` is the segment's or section's. */
void notes_declared(const uint8_t *p, size_t n, uint64_t align, bool is64, struct props *ret);

/*
 * As glibc's dynamic linker reads one PT_NOTE segment: returns whether this segment settled the matter (it had a
 * property note, whatever was wrong with it), then *features is what it takes from it.
 */
bool notes_loader(const uint8_t *p, size_t n, uint64_t align, bool is64, uint32_t *features);

/* other notes, one by one */
struct note {
	uint32_t type;
	const char *name; /* with its NUL where there is one, name_size bytes */
	size_t name_size;
	const uint8_t *desc;
	size_t desc_size;
};
/* *at: where to go on, 0 at first; false: no more */
bool note_next(const uint8_t *p, size_t n, uint64_t align, size_t *at, struct note *ret);

/*
 * The JSON of a .note.dlopen (an array of objects with "soname", an array, and perhaps "feature" and "priority"):
 * calls `each` for every soname. Anything else in it is skipped.
 */
void note_dlopen(const char *json, size_t n, void (*each)(void *arg, const char *soname, const char *feature), void *arg);

#endif
