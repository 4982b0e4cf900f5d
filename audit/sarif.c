/* SPDX-License-Identifier: MIT */
/* SARIF 2.1.0: what code scanners hand to CI systems and editors. */
#include <ctype.h>
#include <string.h>

#include "args.h"
#include "config.h"
#include "output.h"
#include "text.h"

static const char *level(unsigned confidence)
{
	return confidence == CONF_HIGH ? "error" : confidence == CONF_MEDIUM ? "warning" : "note";
}

/* a relative reference by RFC 3986; what is no unreserved character is escaped, bytes that are no UTF-8 too */
static void uri(FILE *f, const char *path)
{
	fputc('"', f);
	for (path += *path == '/'; *path; path++)
		if (isalnum((unsigned char)*path) || strchr("-._~/", *path))
			fputc(*path, f);
		else
			fprintf(f, "%%%02X", (unsigned char)*path);
	fputc('"', f);
}

static void rule_table(FILE *f)
{
	for (int i = 0; i < R_COUNT; i++) {
		fprintf(f, "%s{\"id\":\"%s\",\"shortDescription\":{\"text\":", i ? "," : "", rules[i].name);
		json_put(f, rules[i].title);
		fputs("},\"help\":{\"text\":", f);
		json_put(f, rules[i].help);
		fprintf(f, "},\"defaultConfiguration\":{\"level\":\"%s\"}}\n", level(rules[i].confidence));
	}
}

static void location(FILE *f, const struct obj *o, const struct finding *x)
{
	const struct obj *outer = o;

	while (outer->in)
		outer = outer->in;
	fputs("\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":", f);
	uri(f, outer->path);
	fputs(",\"uriBaseId\":\"ROOT\"}", f);
	if (x->addr && !o->in)
		fprintf(f, ",\"address\":{\"absoluteAddress\":%lu}", x->addr);
	fputc('}', f);
	if (x->symbol || o->in) {
		fputs(",\"logicalLocations\":[", f);
		if (o->in) {
			fputs("{\"kind\":\"member\",\"fullyQualifiedName\":", f);
			json_put(f, obj_name(o));
			fputs(x->symbol ? "}," : "}", f);
		}
		if (x->symbol) {
			fputs("{\"kind\":\"function\",\"name\":", f);
			json_put(f, x->symbol);
			fputc('}', f);
		}
		fputc(']', f);
	}
	fputs("}]", f);
}

static void result(FILE *f, const struct obj *o, const struct finding *x)
{
	char place[64] = "", text[2048];

	if (x->addr)
		snprintf(place, sizeof(place), " at 0x%lx", x->addr);
	fprintf(f, "{\"ruleId\":\"%s\",\"ruleIndex\":%u,\"level\":\"%s\",\"message\":{\"text\":", rules[x->rule].name, x->rule,
		level(x->confidence));
	snprintf(text, sizeof(text), "%s%s%s%s", rules[x->rule].title, place, x->detail ? ": " : "", x->detail ? x->detail : "");
	json_put(f, text);
	fputs("},", f);
	location(f, o, x);
	fprintf(f, ",\"properties\":{\"confidence\":\"%s\"}}\n", confidence_names[x->confidence]);
}

void sarif_print(FILE *f, const struct audit *a)
{
	bool first = true;

	fputs("{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{"
	      "\"tool\":{\"driver\":{\"name\":\"gnomon audit\",\"version\":\"" GN_VERSION "\",\"rules\":[\n", f);
	rule_table(f);
	fputs("]}},\n\"originalUriBaseIds\":{\"ROOT\":{\"uri\":\"file:///\"}},\n\"invocations\":[{\"executionSuccessful\":true,"
	      "\"toolExecutionNotifications\":[", f);
	for (size_t i = 0; i < a->r.nproblems; i++) {
		char text[4096];

		snprintf(text, sizeof(text), "%s: %s", a->r.problems[i].path, a->r.problems[i].cause);
		fputs(i ? ",{\"level\":\"error\",\"message\":{\"text\":" : "{\"level\":\"error\",\"message\":{\"text\":", f);
		json_put(f, text);
		fputs("}}", f);
	}
	fputs("]}],\n\"results\":[\n", f);
	for (size_t i = 0; i < a->r.n; i++) {
		const struct obj *o = a->r.objs[i];

		for (uint32_t k = 0; !(o->flags & OF_HIDDEN) && k < o->nfindings; k++) {
			/* one result for every unmarked file of a distribution is no result */
			if (o->findings[k].rule == R_UNMARKED && !a->o->fails[R_UNMARKED])
				continue;
			fputs(first ? "" : ",", f);
			first = false;
			result(f, o, &o->findings[k]);
		}
	}
	fputs("]}]}\n", f);
}
