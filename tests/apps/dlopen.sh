# SPDX-License-Identifier: MIT
# setup: yes
# needs: gcc
# timeout: 120
# modes: tiny flush=300
# expect: unwind l*.so* _dl_catch_exception
# Forty cycles of dlopen and dlclose: two libraries that take turns at one address, one with a constructor and a
# destructor, the C library's own modules (iconv, NSS), libraries of the system.
set -eu
if [ "${1-}" = setup ]; then
	for l in a b; do
		cat >$l.c <<-END
		#include <stdio.h>
		static int loads;
		__attribute__((constructor)) static void begin(void) { loads = 1; }
		__attribute__((destructor)) static void end(void) { putchar('$l'); }
		int apply(int (*f)(int), int x) { return f(x) + loads + $([ $l = a ] && echo 1000 || echo 2000); }
		int table(int n) { static int (*const t[])(int (*)(int), int) = { apply, apply }; int id(int y) { return y; } return t[n & 1](id, n); }
		END
		gcc -g -O2 -fPIC -shared -o lib$l.so $l.c
	done
	cat >main.c <<-'END'
	#define _GNU_SOURCE
	#include <dlfcn.h>
	#include <iconv.h>
	#include <pwd.h>
	#include <stdio.h>
	#include <string.h>
	static int square(int x) { return x * x; }
	static const char *const system_libs[] = { "libz.so.1", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libdl.so.2" };
	int main(int argc, char **argv)
	{
		char path[4096];
		for (int i = 0; i < 40; i++) {
			snprintf(path, sizeof(path), "%s/lib%c.so", argv[1], "ab"[i & 1]);
			void *h = dlopen(path, i % 3 ? RTLD_NOW : RTLD_LAZY);
			int (*apply)(int (*)(int), int), (*table)(int);
			if (!h) { printf("%s\n", dlerror()); return 1; }
			*(void **)&apply = dlsym(h, "apply");
			*(void **)&table = dlsym(h, "table");
			printf("%d %d\n", apply(square, i), table(i));
			if (dlclose(h)) return 2;
			void *s = dlopen(system_libs[i % 5], RTLD_NOW);
			if (s) { if (i % 5 == 0) printf("%s\n", ((const char *(*)(void))dlsym(s, "zlibVersion"))() ? "zlib" : "?"); dlclose(s); }
			iconv_t c = iconv_open("UTF-16LE", i & 1 ? "ISO-8859-1" : "UTF-8");
			char in[] = "text", out[32], *p = in, *q = out;
			size_t n = 4, m = sizeof(out);
			if (c != (iconv_t)-1) { printf("%zu %zu\n", iconv(c, &p, &n, &q, &m), m); iconv_close(c); }
			if (i % 10 == 0) printf("%s\n", getpwuid(0) ? getpwuid(0)->pw_name : "none");
		}
		return dlopen("/nonexistent.so", RTLD_NOW) ? 3 : strlen(dlerror()) > 5 ? 0 : 4;
	}
	END
	gcc -g -O1 -o prog main.c -ldl
	exit 0
fi
"$SETUP/prog" "$SETUP"
