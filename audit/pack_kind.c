/* SPDX-License-Identifier: MIT */
/* Archives by their first bytes and by their names. */
#include <string.h>

#include "pack.h"

struct magic {
	size_t at, n;
	const char *bytes;
	enum packing kind;
};

enum packing pack_kind(const uint8_t *head, size_t n)
{
	static const struct magic all[] = {
		{ 0, 8, "!<arch>\n", PACK_AR },	       { 0, 8, "!<thin>\n", PACK_AR },
		{ 257, 5, "ustar", PACK_OTHER },       { 0, 4, "\xed\xab\xee\xdb", PACK_OTHER },
		{ 0, 2, "\x1f\x8b", PACK_COMPRESSED }, { 0, 6, "\xfd" "7zXZ\0", PACK_COMPRESSED },
		{ 0, 4, "\x28\xb5\x2f\xfd", PACK_COMPRESSED }, { 0, 3, "BZh", PACK_COMPRESSED },
		{ 0, 4, "\x04\x22\x4d\x18", PACK_COMPRESSED }, { 0, 4, "PK\3\4", PACK_COMPRESSED },
		{ 0, 6, "070701", PACK_COMPRESSED },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (n >= all[i].at + all[i].n && !memcmp(head + all[i].at, all[i].bytes, all[i].n))
			return all[i].kind;
	return PACK_NONE;
}

const char *pack_blob(const char *path)
{
	const char *at = strstr(path, "blobs/sha256/");

	return at && (at == path || at[-1] == '/') && !strchr(at + 13, '/') ? at + 13 : NULL;
}

bool pack_lists_layers(const char *path, const char *text)
{
	return pack_blob(path) && *text == '{' && strstr(text, "\"layers\"");
}

bool pack_named(const char *path)
{
	static const char *const ends[] = { ".tar.gz", ".tgz",	".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.bz2",
					    ".tbz2",   ".tbz",	".tar.lz4", ".whl", ".gem",    ".deb",	".rpm" };
	size_t n = strlen(path);

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (n > strlen(ends[i]) && !strcmp(path + n - strlen(ends[i]), ends[i]))
			return true;
	return pack_blob(path) != NULL; /* layers of images */
}

bool pack_is_deb(const uint8_t *head, size_t n)
{
	return n >= 21 && !memcmp(head, "!<arch>\ndebian-binary", 21);
}
