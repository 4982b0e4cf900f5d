# SPDX-License-Identifier: MIT
# modes: tiny flush=300
# The dynamic linker called directly, with its options.
set -eu
ld=/lib64/ld-linux-x86-64.so.2
$ld /bin/echo hello world
$ld --argv0 renamed /bin/sh -c 'echo $0'
$ld --list /bin/true | sed 's/ (.*//' | grep -v vdso
$ld --verify /bin/true && echo verified
$ld --library-path /lib/x86_64-linux-gnu /bin/ls -d /
$ld /nonexistent 2>&1 || echo "status $?"
$ld /bin/sh -c 'exit 5' || echo "status $?"
LD_DEBUG=statistics $ld /bin/true 2>&1 | grep -c relocation
LD_PRELOAD=libm.so.6 /bin/echo preloaded
LD_BIND_NOW=1 /bin/echo now
