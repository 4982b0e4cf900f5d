/* SPDX-License-Identifier: MIT */
#include "labelled.h"

volatile long sink;

int main(int argc, char **argv)
{
	const struct labelled *all[] = { switches, edits, plain, frames };

	for (unsigned i = 0; i < 4; i++)
		for (const struct labelled *c = all[i]; c->name; c++) {
			if (argc < 2)
				puts(c->name);
			else if (!strcmp(c->name, argv[1]))
				return c->run(), 0;
		}
	return argc < 2 ? 0 : 2;
}
