/* SPDX-License-Identifier: MIT */
/* What the files of gnomon doctor share: one line of its table. */
#ifndef GNOMON_CLI_DOCTOR_H
#define GNOMON_CLI_DOCTOR_H

#include "cli.h"

enum state { OK, INFO, MISSING, BROKEN };

void doctor_line(enum state st, const char *what, const char *value, const char *means);
void doctor_robust(void);

#endif
