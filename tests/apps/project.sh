# SPDX-License-Identifier: MIT
# large: clang
# needs: gcc clang make meson ninja python3
# setup: yes
# timeout: 600
# may: unwind perl *
# A real project by make -j2 (meson, python3, ninja, gcc, ld underneath): gnomon itself, its command also with clang;
# what was built is the same bytes as natively.
set -eu
if [ "${1-}" = setup ]; then
	tar -C "$TOP" --exclude=./build\* --exclude=./.git -cf - . | tar xf -
	exit 0
fi
cp -r "$SETUP" tree
cd tree
make JOBS=2 >../gcc.out 2>&1 || { cat ../gcc.out; exit 1; }
cksum build/gnomon build/gnomon-engine
build/gnomon --version
CC=clang make -s B=clang configure >../clang.out 2>&1 && ninja -j2 -C clang gnomon >>../clang.out 2>&1 || { cat ../clang.out; exit 1; }
cksum clang/gnomon
clang/gnomon --version
