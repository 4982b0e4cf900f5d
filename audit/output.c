/* SPDX-License-Identifier: MIT */
/* Shows an audit in the forms that were asked for, and comes to the exit status. */
#include "output.h"

#include <errno.h>
#include <string.h>

#include "args.h"

static bool to_file(const char *name, void (*print)(FILE *f, const struct audit *a), const struct audit *a)
{
	FILE *f;
	bool bad;

	if (!strcmp(name, "-")) {
		print(stdout, a);
		return true;
	}
	f = fopen(name, "we");
	if (!f) {
		trouble(name, "%s", strerror(errno));
		return false;
	}
	print(f, a);
	bad = ferror(f);
	if (fclose(f) || bad) {
		trouble(name, "%s", strerror(errno));
		return false;
	}
	return true;
}

/* does --fail-on name something that was found in what was asked for? */
static bool fails(const struct audit *a)
{
	const struct options *o = a->o;

	for (size_t i = 0; o->fail_on && i < a->r.n; i++)
		for (uint32_t k = 0; !(a->r.objs[i]->flags & OF_HIDDEN) && k < a->r.objs[i]->nfindings; k++) {
			const struct finding *f = &a->r.objs[i]->findings[k];

			if (o->fails[f->rule] || f->confidence >= o->fail_confidence)
				return true;
		}
	return false;
}

int output(const struct audit *a)
{
	static char buffer[64 << 10]; /* stdio's own has the size of a block */
	const struct options *o = a->o;
	bool taken = (o->html && !strcmp(o->html, "-")) || (o->sarif && !strcmp(o->sarif, "-"));
	bool written = true;
	int r;

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	if (o->sarif)
		written &= to_file(o->sarif, sarif_print, a);
	if (o->html)
		written &= to_file(o->html, page_print, a);
	if (o->json)
		json_print(stdout, a);
	else if (!o->quiet && !taken)
		table_print(stdout, a, o->list);
	r = stdout_done();
	if (r || !written)
		return GN_EXIT_USAGE;
	return fails(a) ? ST_FOUND : had_trouble ? ST_INCOMPLETE : 0;
}
