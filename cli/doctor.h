/* SPDX-License-Identifier: MIT */
/* gnomon doctor: one line of its table (doctor_line.c), which each part fills in (doctor.c, doctor_robust.c). */
#ifndef GNOMON_CLI_DOCTOR_H
#define GNOMON_CLI_DOCTOR_H

#include "cli.h"

enum state { OK, INFO, MISSING, BROKEN };

void doctor_line(enum state st, const char *what, const char *value, const char *means);
/* Was there a line without which no program can be checked? */
bool doctor_broken(void);

/* the part about robust mutexes */
void doctor_robust(void);

#endif
