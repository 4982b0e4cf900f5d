/* SPDX-License-Identifier: MIT */
/*
 * Parsing note segments. Pure functions over memory that nobody vouches for: every length is checked against what is
 * left. Fuzzed by tests/fuzz/notes.c.
 */
#include "notes.h"

#include <string.h>

#include "image.h"

static uint32_t word(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, 4);
	return w;
}

static size_t up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

bool note_next(const uint8_t *p, size_t n, uint64_t align, size_t *at, struct note *ret)
{
	size_t to = align == 8 ? 8 : 4, left, desc;

	if (*at > n || n - *at < 12)
		return false;
	p += *at;
	left = n - *at - 12;
	ret->name_size = word(p);
	ret->desc_size = word(p + 4);
	ret->type = word(p + 8);
	ret->name = (const char *)p + 12;
	if (ret->name_size > left)
		return false;
	desc = up(12 + ret->name_size, to) - 12;
	if (desc > left || ret->desc_size > left - desc)
		return false;
	ret->desc = p + 12 + desc;
	/* the last note of a segment need not be padded */
	*at += up(12 + desc + ret->desc_size, to);
	return true;
}

static bool is_property(const struct note *t)
{
	return t->type == NT_GNU_PROPERTY_TYPE_0 && t->name_size == 4 && !memcmp(t->name, "GNU", 4);
}

/* what one property note says */
struct said {
	uint32_t features;
	bool has_features;
};

/* one property; false: its size is wrong */
static bool take(uint32_t type, const uint8_t *data, uint32_t size, struct props *ret, struct said *said)
{
	switch (type) {
	case PROP_X86_FEATURE_1_AND:
	case PROP_X86_ISA_1_NEEDED:
	case PROP_X86_ISA_1_USED:
	case PROP_1_NEEDED: break;
	default: return true;
	}
	if (size != 4)
		return false;
	if (type == PROP_X86_FEATURE_1_AND) {
		said->features = word(data); /* of several in one note the last one counts */
		said->has_features = true;
	} else if (type == PROP_X86_ISA_1_NEEDED) {
		ret->isa_needed |= word(data);
	} else if (type == PROP_X86_ISA_1_USED) {
		ret->isa_used |= word(data);
	}
	return true;
}

static void each_property(const struct note *t, bool is64, struct props *ret, struct said *said)
{
	size_t pad = is64 ? 8 : 4, at = 0;
	uint32_t last = 0;

	if (t->desc_size < 8 || t->desc_size % pad) {
		ret->faults |= NOTE_BAD_SIZE;
		return;
	}
	while (t->desc_size - at >= 8) {
		uint32_t type = word(t->desc + at), size = word(t->desc + at + 4);

		at += 8;
		if (size > t->desc_size - at) {
			ret->faults |= NOTE_BAD_SIZE;
			return;
		}
		if (type < last)
			ret->faults |= NOTE_BAD_ORDER;
		last = type;
		if (!take(type, t->desc + at, size, ret, said))
			ret->faults |= NOTE_BAD_SIZE;
		if (up(size, pad) > t->desc_size - at)
			return;
		at += up(size, pad);
	}
}

static void properties(const struct note *t, bool is64, struct props *ret)
{
	struct said said = { 0 };

	each_property(t, is64, ret, &said);
	if (!said.has_features)
		return;
	ret->features = ret->has_features ? ret->features & said.features : said.features;
	ret->has_features = true;
}

void notes_declared(const uint8_t *p, size_t n, uint64_t align, bool is64, struct props *ret)
{
	struct note t;
	size_t at = 0;

	while (note_next(p, n, align, &at, &t)) {
		if (!is_property(&t))
			continue;
		if (ret->notes++)
			ret->faults |= NOTE_BAD_TWO;
		if (align != (is64 ? 8u : 4u))
			ret->faults |= NOTE_BAD_ALIGNMENT;
		properties(&t, is64, ret);
	}
	/* a property note that claims more than there is */
	if (at < n && n - at >= 16 && word(p + at) == 4 && word(p + at + 8) == NT_GNU_PROPERTY_TYPE_0 &&
	    !memcmp(p + at + 12, "GNU", 4))
		ret->faults |= NOTE_BAD_CUT;
}

/* false: the loader stops looking at this note and takes nothing from any */
static bool loader_note(const struct note *t, size_t pad, uint32_t *features, uint32_t *last)
{
	size_t at = 0;

	if (t->desc_size < 8 || t->desc_size % pad)
		return false;
	do {
		uint32_t type = word(t->desc + at), size = word(t->desc + at + 4);

		if (type < *last)
			return false;
		at += 8;
		if (size > t->desc_size - at)
			return false;
		*last = type;
		if (type == PROP_X86_FEATURE_1_AND || type == PROP_X86_ISA_1_NEEDED || type == PROP_1_NEEDED) {
			if (size != 4)
				return false;
			if (type == PROP_X86_FEATURE_1_AND)
				*features = word(t->desc + at);
			if (type == PROP_X86_ISA_1_NEEDED)
				return true;
		} else if (type > PROP_X86_ISA_1_NEEDED) {
			return true;
		}
		if (up(size, pad) > t->desc_size - at)
			return true;
		at += up(size, pad);
	} while (t->desc_size - at >= 8);
	return true;
}

bool notes_loader(const uint8_t *p, size_t n, uint64_t align, bool is64, uint32_t *features)
{
	size_t pad = is64 ? 8 : 4, at = 0;
	uint32_t found = 0, last = 0;
	bool settled = false;
	struct note t;

	*features = 0;
	if (align != pad)
		return false;
	while (note_next(p, n, align, &at, &t)) {
		if (!is_property(&t))
			continue;
		if (settled || !loader_note(&t, pad, &found, &last))
			return true;
		settled = true;
	}
	*features = found;
	return settled;
}
