/* SPDX-License-Identifier: MIT */
/*
 * libarchive, loaded when the first archive is met and not before: with the twelve libraries that come with it, it takes
 * longer to load than a thousand ELF files take to be read.
 */
#ifndef GNOMON_AUDIT_ARCHIVE_LIB_H
#define GNOMON_AUDIT_ARCHIVE_LIB_H

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>

#define ARCHIVE_FUNCTIONS(F)                                                                        \
	F(archive_clear_error) F(archive_entry_filetype) F(archive_entry_hardlink)                  \
	F(archive_entry_pathname) F(archive_entry_pathname_utf8) F(archive_entry_size)              \
	F(archive_entry_size_is_set) F(archive_entry_symlink) F(archive_error_string)               \
	F(archive_filter_code) F(archive_read_data) F(archive_read_data_block) F(archive_read_free) \
	F(archive_read_new) F(archive_read_next_header) F(archive_read_open) F(archive_read_open2)  \
	F(archive_read_support_filter_bzip2) F(archive_read_support_filter_gzip)                    \
	F(archive_read_support_filter_lz4) F(archive_read_support_filter_lzma)                      \
	F(archive_read_support_filter_rpm) F(archive_read_support_filter_xz)                        \
	F(archive_read_support_filter_zstd) F(archive_read_support_format_ar)                       \
	F(archive_read_support_format_cpio) F(archive_read_support_format_tar)                      \
	F(archive_read_support_format_zip) F(archive_set_error)

#define ARCHIVE_POINTER(name) __typeof__(&name) name;
struct archive_lib {
	ARCHIVE_FUNCTIONS(ARCHIVE_POINTER)
};
#undef ARCHIVE_POINTER

extern struct archive_lib libarchive; /* of use once archive_lib_load() was true */

/* by any thread; false: it cannot be loaded, *why says so */
bool archive_lib_load(const char **why);

#endif
