# SPDX-License-Identifier: MIT
# setup: yes
# needs: gcc g++ make ld.bfd ar
# timeout: 400
# A project of C and C++ built by make -j2 with gcc, linked by ld and by gold, archived, run, stripped, dumped.
set -eu
if [ "${1-}" = setup ]; then
	python3 -c "
import random, sys; sys.path.insert(0, '$TOP/bench'); import gen
open('big.c', 'wb').write(gen.c_source(random.Random(1), ${LONG:+2}40))
open('cls.cc', 'wb').write(gen.cxx_source(random.Random(2), 2))"
	i=0
	while [ $i -lt 12 ]; do
		printf '#include <stdio.h>\n#include <string.h>\n#include "all.h"\nint part%d(int x) { char b[64]; snprintf(b, sizeof b, "%%d", x * %d); return (int)strlen(b) + %s; }\n' $i $((i * 77 + 1)) "$([ $i -gt 0 ] && echo "part$((i - 1))(x)" || echo 0)" >part$i.c
		echo "int part$i(int);"
		i=$((i + 1))
	done >all.h
	printf '#include <stdio.h>\n#include "all.h"\nint main(void) { printf("%%d\\n", part11(12345)); return 0; }\n' >main.c
	cat >Makefile <<-'END'
	.RECIPEPREFIX = >
	P := $(wildcard part*.c)
	all: prog big cls
	%.o: %.c all.h
	> $(CC) -O2 -g -Wall -c $< -o $@
	lib.a: $(P:.c=.o)
	> ar rcs $@ $^
	prog: main.o lib.a
	> $(CC) $(LINK) $^ -o $@
	big: big.c
	> $(CC) -O1 -w $< -o $@
	cls: cls.cc
	> g++ -std=c++17 -O1 $(LINK) $< -o $@
	END
	exit 0
fi
cp "$SETUP"/* .
make -s -j2
./prog && ./cls && ./big
cksum prog big cls
make -s -j2 all
if command -v ld.gold >/dev/null; then
	rm prog cls && make -s -j2 LINK=-fuse-ld=gold && ./prog && cksum prog
fi
gcc -shared -fPIC -O2 part0.c -o libp0.so && gcc -O2 main.c part1.c part2.c part3.c part4.c part5.c part6.c part7.c part8.c part9.c part10.c part11.c -L. -lp0 -Wl,-rpath,'$ORIGIN' -o dyn && ./dyn
strip prog && ./prog && nm dyn | grep -c ' T ' && objdump -d big | wc -l && size dyn | tail -1 | awk '{ print $1 > 0 }'
gcc -S -O2 part3.c -o - | cksum
echo 'int f( { ' | gcc -x c -c - -o /dev/null 2>&1 | head -2 || true
echo 'int main(void) { return missing(); }' >bad.c && gcc -w bad.c -o bad 2>/dev/null || echo "status $?"
gcc -flto -O2 main.c part*.c -o lto 2>/dev/null && ./lto
