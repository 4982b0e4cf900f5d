/* SPDX-License-Identifier: MIT */
/*
 * gnomon-guard: what `gnomon guard` and `gnomon race` start, with arguments that they have checked:
 * gnomon-guard guard|race PATH LETTERS NTH HOLD PROGRAM ARGUMENTS...
 */
#include <stdlib.h>
#include <string.h>

#include "gnomon/exit.h"
#include "tracee.h"

int main(int argc, char **argv)
{
	struct settings s = { 0 };

	if (argc < 7)
		die(GN_EXIT_USAGE, "gnomon-guard is started by 'gnomon guard' and 'gnomon race'");
	s.program = argv[2];
	s.supervise = strchr(argv[3], 's');
	s.verbose = strchr(argv[3], 'v');
	s.preload = strchr(argv[3], 'p');
	s.all = strchr(argv[3], 'a');
	s.plant = strchr(argv[3], 'P');
	s.nth = atoi(argv[4]);
	s.hold = atoi(argv[5]);
	if (!strcmp(argv[1], "guard"))
		return guard_run(&s, argv + 6);
	return race_run(&s, argv + 6);
}
