# SPDX-License-Identifier: MIT
# large: clang
# needs: clang make
# setup: yes
# timeout: 400
set -eu
if [ "${1-}" = setup ]; then
	python3 -c "
import random, sys; sys.path.insert(0, '$TOP/bench'); import gen
open('big.c', 'wb').write(gen.c_source(random.Random(1), ${LONG:+2}30))
open('cls.cc', 'wb').write(gen.cxx_source(random.Random(2), 1))"
	printf 'all: big cls\nbig: big.c\n\tclang -O2 -g -w $< -o $@\ncls: cls.cc\n\tclang++ -std=c++17 -O1 $< -o $@\n' >Makefile
	exit 0
fi
cp "$SETUP"/* .
make -s -j2 && ./big && ./cls && cksum big cls
clang -S -emit-llvm -O1 -w big.c -o - | cksum
echo 'int f( {' | clang -x c -fsyntax-only - 2>&1 | head -3 || true
