# SPDX-License-Identifier: MIT
# large: dpkg-dev tcl-dev zlib1g-dev
# long: 20 minutes, and sqlite's source package
# setup: yes
# needs: gcc make tclsh dpkg-source setpriv
# timeout: 1800
# may: unwind libc.so.6 _dl_catch_exception
# SQLite's own tests, the 300 000 cases of veryquick.test, with a library built from Debian's source package for them.
set -eu
if [ "${1-}" = setup ]; then
	tree=$("$TESTS/apps/suites/source.sh" sqlite3) || { echo "$tree"; exit 77; }
	mv "$tree" tree
	cd tree
	# waits for locks by the clock, and fails where something else runs
	rm test/walsetlk.test
	{ ./configure --enable-all && make testfixture; } >../log 2>&1 || { tail -n 5 ../log; exit 1; }
	exit 0
fi
# they refuse to run as root
mkdir db
user=
if [ "$(id -u)" = 0 ]; then
	chown 65534 db
	user="setpriv --reuid=65534 --regid=65534 --clear-groups"
fi
cd db
$user "$SETUP/tree/testfixture" "$SETUP/tree/test/veryquick.test" >../log 2>&1 && s=0 || s=$?
# what is measured, or depends on random numbers, is no result
grep -av -e '^Time: ' -e '^Memory used:' -e '^Maximum memory usage:' -e '^Page-cache ' \
	-e '^Allocation count:' -e 'microseconds per iteration$' ../log |
	sed -E 's/ \([0-9.]+ ?ms[^)]*\) / /'
echo "status $s"
