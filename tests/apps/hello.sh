# SPDX-License-Identifier: MIT
# large: dpkg-dev
# needs: dpkg-source gcc make
# setup: yes
# timeout: 300
# expect: unwind bash test_command
# expect: unwind bash reader_loop
# expect: unwind bash run_exit_trap
# expect: unwind bash -
# A real package: the source of Debian's hello, its ./configure, make -j2, its tests, make install. The source comes
# through apt, from the machine's own mirrors.
set -eu
if [ "${1-}" = setup ]; then
	mkdir -p parts lists/partial
	sed 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/*.sources >parts/all.sources 2>/dev/null || :
	sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >parts/old.list 2>/dev/null || :
	printf 'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "%s/parts";\nDir::State::lists "%s/lists";\n' "$PWD" "$PWD" >conf
	export APT_CONFIG=$PWD/conf
	{ apt-get -qq update && apt-get -qq source hello; } >apt.out 2>&1 || { echo "no source package to be had: $(tail -1 apt.out)"; exit 77; }
	mv hello-*/ source
	exit 0
fi
cp -a "$SETUP/source" hello
cd hello
./configure --prefix=/usr --disable-dependency-tracking >../configure.out 2>&1
wc -l <../configure.out && md5sum config.h
make -j2 >../make.out 2>&1
./hello && ./hello -t && ./hello --greeting='every return checked' && ./hello --version | head -1
make check >../check.out 2>&1 && grep -E '^# (TOTAL|PASS|FAIL)' ../check.out
make install DESTDIR="$PWD/../root" >../install.out 2>&1 && find ../root -type f | sort | wc -l
