/* SPDX-License-Identifier: MIT */
/*
 * The JSON of .note.dlopen notes. A walk over tokens that needs no tree: what counts is which strings stand in the
 * array behind "soname", and the "feature" of the same object.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notes.h"

#define SONAMES 32
#define STRING 256
#define DEEP 16

struct walk {
	const char *p, *end;
	char feature[STRING], priority[STRING], key[STRING];
	char soname[SONAMES][STRING];
	unsigned n;
};

/* the string that begins behind a quote; escapes other than \" \\ \/ become '?', which no soname has */
static bool string(struct walk *w, char *buf)
{
	size_t n = 0;

	while (w->p < w->end && *w->p != '"') {
		char c = *w->p++;

		if (c == '\\' && w->p < w->end) {
			c = *w->p++;
			if (c != '"' && c != '\\' && c != '/')
				c = '?';
		}
		if (n + 1 < STRING)
			buf[n++] = c;
	}
	buf[n] = 0;
	return w->p < w->end && *w->p++ == '"';
}

static void value(struct walk *w, const char *text, bool in_array)
{
	if (!strcmp(w->key, "soname") && in_array && w->n < SONAMES)
		strcpy(w->soname[w->n++], text);
	else if (!strcmp(w->key, "feature") && !in_array)
		strcpy(w->feature, text);
	else if (!strcmp(w->key, "priority") && !in_array)
		strcpy(w->priority, text);
}

static void tell(struct walk *w, void (*each)(void *, const char *, const char *), void *arg)
{
	char what[2 * STRING + 4];

	snprintf(what, sizeof(what), "%s%s%s", w->feature, *w->feature && *w->priority ? ", " : "", w->priority);
	for (unsigned i = 0; i < w->n; i++)
		if (*w->soname[i])
			each(arg, w->soname[i], what);
	w->n = 0;
	w->feature[0] = w->priority[0] = w->key[0] = 0;
}

void note_dlopen(const char *json, size_t n, void (*each)(void *arg, const char *soname, const char *feature), void *arg)
{
	char nest[DEEP], text[STRING];
	unsigned depth = 0;
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return;
	w->p = json;
	w->end = json + n;
	while (w->p < w->end) {
		char c = *w->p++;

		if (c == '{' || c == '[') {
			if (depth == DEEP)
				break;
			nest[depth++] = c;
		} else if (c == '}' || c == ']') {
			if (!depth)
				break;
			depth--;
			if (c == '}')
				tell(w, each, arg);
		} else if (c == '"') {
			if (!string(w, text))
				break;
			while (w->p < w->end && (*w->p == ' ' || *w->p == '\t' || *w->p == '\n' || *w->p == '\r'))
				w->p++;
			if (w->p < w->end && *w->p == ':' && depth && nest[depth - 1] == '{')
				strcpy(w->key, text);
			else
				value(w, text, depth && nest[depth - 1] == '[');
		}
	}
	free(w);
}
