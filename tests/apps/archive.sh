# SPDX-License-Identifier: MIT
# setup: yes
# needs: tar xz zstd bzip2 gzip python3
# timeout: 180
# modes: tiny flush=500
# tar with every compressor there and back, streaming, threads, damaged input.
set -eu
if [ "${1-}" = setup ]; then
	python3 -c "
import sys; sys.path.insert(0, '$TOP/bench'); import gen
gen.make('.', 'mixed', lambda r: gen.mixed(r, ${LONG:+8}400000))
gen.make('.', 'text', lambda r: gen.text(r, 300000))
gen.make('.', 'log', lambda r: gen.log(r, 3000))"
	exit 0
fi
mkdir d && cp "$SETUP"/mixed "$SETUP"/text "$SETUP"/log d/
touch -d @1700000000 d d/*
for z in gzip bzip2 xz zstd; do
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1700000000 --$z -cf a.$z d
	mkdir out.$z && tar -C out.$z -xf a.$z && diff -r d out.$z/d && echo "$z fine"
	$z -t a.$z && $z -dc a.$z | sha256sum
	$z -kc d/text | wc -c
	cat d/log | $z -1 | $z -d | cmp - d/log && echo "$z stream"
	head -c 3000 a.$z | $z -dc >/dev/null 2>&1 || echo "$z truncated"
done
xz -T2 -0 -c d/mixed | xz -dc | cmp - d/mixed && echo xz threads
zstd -T2 -q -c d/mixed | zstd -dc | cmp - d/mixed && echo zstd threads
zstd -q --ultra -20 -c d/log | wc -c
xz -l --robot a.xz | head -1 | cut -f1
tar tvf a.xz | wc -l
tar cf - d | (mkdir copy; cd copy; tar xf -; ls d)
gzip -l <a.gzip >/dev/null || true
zcat a.gzip | md5sum
xzgrep -c GET a.xz || true
