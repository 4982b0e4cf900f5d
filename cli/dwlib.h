/* SPDX-License-Identifier: MIT */
/*
 * libdw, loaded when the first address is to be named and not before: with its four libraries it costs more
 * start-up time than a whole clean run of /bin/true. Without it reports have modules and offsets only.
 */
#ifndef GNOMON_CLI_DWLIB_H
#define GNOMON_CLI_DWLIB_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>

#define DW_FUNCTIONS(F)                                                                     \
	F(dwfl_begin) F(dwfl_report_begin) F(dwfl_report_end) F(dwfl_report_elf)            \
	F(dwfl_module_getelf) F(dwfl_module_addrinfo) F(dwfl_module_getsrc) F(dwfl_lineinfo) \
	F(dwfl_standard_find_debuginfo) F(dwfl_offline_section_address) F(dwfl_build_id_find_elf)

#define DW_POINTER(name) __typeof__(&name) name;
struct dwlib {
	DW_FUNCTIONS(DW_POINTER)
};
#undef DW_POINTER

/* NULL if it cannot be loaded; *why says so */
const struct dwlib *dwlib(const char **why);
/* C++ and Rust names through the C++ runtime, if there is one; malloc'ed, or NULL */
char *demangle(const char *name);

#endif
