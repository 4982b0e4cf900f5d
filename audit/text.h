/* SPDX-License-Identifier: MIT */
/* Strings as the outputs want them. */
#ifndef GNOMON_AUDIT_TEXT_H
#define GNOMON_AUDIT_TEXT_H

#include <stdio.h>

/* length of the well-formed UTF-8 sequence at s, 0 if it is none; s ends with NUL */
int utf8_length(const unsigned char *s);
/* in quotes; bytes that are no UTF-8 become U+DC80..U+DCFF, as gnomon's other JSON has them */
void json_put(FILE *f, const char *s);

#endif
