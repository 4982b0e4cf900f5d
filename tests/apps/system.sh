# SPDX-License-Identifier: MIT
# large: man-db less systemd dpkg-dev cargo
# needs: man less top ps systemd-analyze apt-get dpkg-deb cargo
# timeout: 120
# modes: tiny
# expect: unwind l*.so* _dl_catch_exception
# may: unwind perl *
# What an administrator types: man, less, top, ps, systemd-analyze, apt-get -s, dpkg-deb, cargo, id, getent, crontab files.
set -eu
printf '.TH T 1\n.SH NAME\nt \\- a page\n.SH DESCRIPTION\nSome \\fBbold\\fP text that is long enough to be broken over two lines at least, so that there is something to do.\n' >t.1
man -P cat -l ./t.1 | head -6
seq 1 50 | less | tail -1
top -b -n1 | head -1 | cut -c1-3
top -b -n1 | awk '$NF == "top" { n++ } END { print n > 0 }'
ps aux | head -1
ps -o comm= -p $$
ps -eo pid,comm | awk '$2 == "ps" { n++ } END { print n > 0 }'
pgrep -c -x sh >/dev/null && echo pgrep
systemd-analyze calendar '2030-01-01 00:00' | head -1
systemd-analyze timespan 90s | head -2
printf '[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n' >x.service
systemd-analyze verify ./x.service 2>/dev/null || echo "status $?"
systemd-escape 'a b/c' && systemd-path user 2>/dev/null | head -1
apt-get -s install coreutils 2>&1 | tail -1
apt-cache policy bash | head -2
dpkg -l bash | tail -1 | cut -c1-8
dpkg -L bash | wc -l
mkdir -p p/DEBIAN p/usr/share/x && seq 1 100 >p/usr/share/x/f
printf 'Package: x\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.example>\nDescription: x\n' >p/DEBIAN/control
for z in gzip xz zstd; do dpkg-deb --root-owner-group -Z$z -b p x.$z.deb >/dev/null && dpkg-deb -I x.$z.deb | grep Version && dpkg-deb -c x.$z.deb | wc -l; done
cargo --version
id -u >/dev/null && getent passwd root | cut -d: -f1
file -b x.gzip.deb | cut -c1-21
lsof -v >/dev/null 2>&1 || true
