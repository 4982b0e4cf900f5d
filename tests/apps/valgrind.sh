# SPDX-License-Identifier: MIT
# large: valgrind
# needs: valgrind gcc
# timeout: 120
# expect: stack-switch memcheck-amd64-linux *
# may: * (generated) -
# may: unwind * *
# Another translator, with a stack and code of its own, finds a leak and a read of freed memory.
set -eu
cat >leak.c <<'END'
#include <stdio.h>
#include <stdlib.h>
int main(void) { char *p = malloc(10); p[0] = 1; free(p); printf("%d\n", p[0] == 7); p = malloc(20); p = NULL; return p != NULL; }
END
gcc -g -O0 -w leak.c -o leak
valgrind -q --leak-check=full --error-exitcode=9 ./leak 2>&1 | sed 's/^==[0-9]*== //; s/0x[0-9A-Fa-f]*/ADDR/g' || true
