# SPDX-License-Identifier: MIT
# needs: objdump readelf strings nm
# timeout: 240
# modes: tiny flush=500
# may: unwind libopcodes-*.so *
# strings, objdump, readelf, nm, size, objcopy over the C library.
set -eu
libc=$(ls /lib/x86_64-linux-gnu/libc.so.6)
strings -n 6 $libc | md5sum
readelf -aW $libc | md5sum
nm -D $libc | sort | md5sum
objdump -T $libc | md5sum
if [ -n "${LONG-}" ]; then objdump -d $libc | md5sum; else objdump -d --start-address=0x30000 --stop-address=0x50000 $libc | md5sum; fi
objcopy --only-section=.text $libc text.o && size text.o | tail -1
c++filt _ZNSt6vectorIiSaIiEE9push_backEOi
addr2line -e $libc 0x30000
ar t $(gcc -print-libgcc-file-name 2>/dev/null || echo /nonexistent) 2>/dev/null | wc -l
