/* SPDX-License-Identifier: MIT */
/* jit.c and guess.c come with the code rules */
#include "code.h"
#include "output.h"
#include "args.h"
void jit_read(struct worker *w, struct obj *o, struct elf *e) { }
void guess_read(struct worker *w, struct obj *o, struct elf *e) { }
void sarif_print(FILE *f, const struct audit *a) { }
void page_print(FILE *f, const struct audit *a) { }
int cmd_diff(const struct command *cmd, struct options *o) { return 0; }
int cmd_query(const struct command *cmd, struct options *o){ return 0; }
int cmd_import(const struct command *cmd, struct options *o){ return 0; }
int cmd_merge(const struct command *cmd, struct options *o){ return 0; }
int cmd_show(const struct command *cmd, struct options *o){ return 0; }
