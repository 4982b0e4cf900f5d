/* SPDX-License-Identifier: MIT */
/* UTF-8 and JSON strings. */
#include "text.h"

int utf8_length(const unsigned char *s)
{
	static const struct {
		unsigned char mask, lead;
		unsigned least;
	} form[] = { { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };

	for (int n = 0; n < 4; n++) {
		unsigned c;

		if ((s[0] & form[n].mask) != form[n].lead)
			continue;
		c = s[0] & (unsigned char)~form[n].mask;
		for (int i = 1; i <= n; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (s[i] & 0x3fu);
		}
		return c >= form[n].least && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? n + 1 : 0;
	}
	return 0;
}

void json_put(FILE *f, const char *str)
{
	const unsigned char *s = (const unsigned char *)str;

	fputc('"', f);
	while (*s) {
		int n = utf8_length(s);

		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s++);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(f, "\\u%04x", *s++);
		else if (!n)
			fprintf(f, "\\udc%02x", *s++);
		else
			for (; n; n--)
				fputc(*s++, f);
	}
	fputc('"', f);
}
