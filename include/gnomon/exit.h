/* SPDX-License-Identifier: MIT */
/* Exit statuses of gnomon itself, as env(1) and timeout(1) use them; everything else is the guest's own. */
#ifndef GNOMON_EXIT_H
#define GNOMON_EXIT_H

#define GN_EXIT_BUG 121      /* a bug in the engine, after a BUG block */
#define GN_EXIT_USAGE 125    /* gnomon's own failure: options, missing host feature */
#define GN_EXIT_NOEXEC 126   /* the program was found but cannot be run */
#define GN_EXIT_NOTFOUND 127 /* no such program */

#endif
