# SPDX-License-Identifier: MIT
# setup: yes
# needs: gdb gcc
# timeout: 120
# modes: tiny flush=500
# expect: unwind l*.so* _dl_catch_exception
# gdb --batch on a core file (made natively) and on an executable.
set -eu
if [ "${1-}" = setup ]; then
	cat >crash.c <<-'END'
	#include <stdlib.h>
	struct node { int value; struct node *next; };
	static int sum(struct node *n) { return n->value + sum(n->next); }
	int main(int argc, char **argv) { struct node b = { 2, 0 }, a = { 1, &b }; return sum(&a); }
	END
	gcc -g -O0 crash.c -o crash
	gdb -nx -batch -ex run -ex 'generate-core-file core' ./crash >gdb.out 2>&1
	[ -f core ] || { tail -1 gdb.out; exit 77; }
	exit 0
fi
cd "$SETUP"
gdb -nx -batch -ex bt -ex 'frame 1' -ex 'info locals' -ex 'print *n' -ex 'info registers rip' -ex 'x/3i $rip' ./crash core 2>&1 | grep -v '^warning'
gdb -nx -batch -ex 'disassemble sum' -ex 'info line main' -ex 'ptype struct node' -ex 'list sum' ./crash
gdb -nx -batch -ex 'python print(sum(range(10)))' 2>&1
