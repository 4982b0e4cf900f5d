# SPDX-License-Identifier: MIT
# large: dpkg-dev
# long: an hour, and perl's source package
# setup: yes
# needs: perl python3 dpkg-source
# timeout: 3600
# expect: unwind perl perl_run
# may: unwind perl *
# may: unwind threads.so *
# may: unwind libc.so.6 *
# perl's own tests (t/, lib/, and those of its extensions) with the installed perl: 2500 files. suites/perl.py runs them.
set -eu
if [ "${1-}" = setup ]; then
	tree=$("$TESTS/apps/suites/source.sh" perl) || { echo "$tree"; exit 77; }
	version=$(/usr/bin/perl -e 'print substr $^V, 1')
	[ "${tree##*/}" = "perl-$version" ] || { echo "the source is ${tree##*/}, perl is $version"; exit 77; }
	mkdir tree
	for d in t lib cpan dist ext regen pod Porting MANIFEST TestInit.pm; do mv "$tree/$d" tree/; done
	mv "$tree"/*.h tree/
	# the tests want what they test in ../lib: the modules as they are installed, and the tests beside them
	mv tree/lib tree/lib.source
	mkdir tree/lib
	for d in $(/usr/bin/perl -MConfig -e 'print "@Config{qw(privlibexp archlibexp)}"') /usr/lib/*/perl-base; do
		cp -rL "$d/." tree/lib/
	done
	cp -rn tree/lib.source/. tree/lib/
	rm -rf tree/lib.source "$tree"
	ln -s /usr/bin/perl tree/perl
	ln -s /usr/bin/perl tree/t/perl
	exit 0
fi
cp -a "$SETUP/tree" tree
/usr/bin/python3 "$TESTS/apps/suites/perl.py" tree
