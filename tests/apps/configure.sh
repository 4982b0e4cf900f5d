# SPDX-License-Identifier: MIT
# setup: yes
# needs: autoconf gcc make
# timeout: 600
# expect: unwind bash test_command
# expect: unwind bash reader_loop
# expect: unwind bash run_exit_trap
# expect: unwind bash -
# autoconf makes a configure script, which runs: hundreds of small programs.
set -eu
if [ "${1-}" = setup ]; then
	cat >configure.ac <<-'END'
	AC_INIT([sample], [1.0], [nobody@example.org])
	AC_CONFIG_HEADERS([config.h])
	AC_PROG_CC
	AC_USE_SYSTEM_EXTENSIONS
	AC_PROG_INSTALL
	AC_PROG_LN_S
	AC_PROG_MAKE_SET
	AC_CHECK_HEADERS([stdlib.h string.h unistd.h sys/mman.h sys/wait.h sys/nothing.h fcntl.h locale.h netdb.h])
	AC_C_BIGENDIAN
	AC_C_INLINE
	AC_TYPE_SIZE_T
	AC_TYPE_PID_T
	AC_CHECK_SIZEOF([long])
	AC_CHECK_SIZEOF([void *])
	AC_STRUCT_TM
	AC_FUNC_MALLOC
	AC_FUNC_FORK
	AC_FUNC_MMAP
	AC_SEARCH_LIBS([cos], [m])
	AC_CHECK_FUNCS([memmove strdup getcwd mkdir select socket clock_gettime nothing_such arc4random])
	AC_CONFIG_FILES([Makefile])
	AC_OUTPUT
	END
	printf 'CC = @CC@\nall:\n\t@echo made with $(CC) @LIBS@\n' >Makefile.in
	autoconf && autoheader 2>/dev/null
	printf '#!/bin/sh\necho x86_64-pc-linux-gnu\n' >config.guess && cp config.guess config.sub && chmod +x config.guess config.sub
	printf '#!/bin/sh\nexit 0\n' >install-sh && chmod +x install-sh
	exit 0
fi
cp -r "$SETUP"/* .
./configure --prefix=/usr >out
md5sum config.h && grep -v 'configure:' out | md5sum && wc -l <out
make -s
./config.status --recheck >/dev/null && ./config.status >/dev/null && echo again
if [ -n "${LONG-}" ]; then autoconf -f && md5sum configure; fi
