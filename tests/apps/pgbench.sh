# SPDX-License-Identifier: MIT
# large: postgresql
# needs: psql runuser
# timeout: 180
# may: unwind libc.so.6 _dl_catch_exception
# may: unwind postgres *
# may: unwind psql *
# may: unwind pgbench *
# PostgreSQL under pgbench: eight clients that write, eight that read; the sums agree afterwards.
set -eu
for b in /usr/lib/postgresql/*/bin; do [ -x "$b/pgbench" ] && bin=$b; done
[ -n "${bin-}" ] && [ "$(id -u)" = 0 ] || exit 77
d=$(mktemp -d /tmp/gnomon-pgbench.XXXXXX)
trap 'rm -rf "$d"' EXIT
chown postgres "$d"
cd /
as() { runuser -u postgres -- "$@"; }
as "$bin/initdb" -D "$d/db" -A trust -N --no-locale -E UTF8 >/dev/null 2>&1
as "$bin/pg_ctl" -D "$d/db" -o "-k $d -h '' -c fsync=off" -w -l "$d/log" start >/dev/null
as "$bin/pgbench" -h $d -i -s 1 -q postgres >/dev/null 2>&1
as "$bin/pgbench" -h $d -c 8 -j 2 -t 100 postgres 2>/dev/null | grep -E "processed|failed"
as psql -X -h $d postgres -Atc 'select count(*), sum(delta) = (select sum(bbalance) from pgbench_branches) from pgbench_history'
as "$bin/pgbench" -h $d -c 8 -j 2 -t 200 -M prepared -S postgres 2>/dev/null | grep -E "processed|failed"
as "$bin/pg_ctl" -D "$d/db" -m fast stop
grep -E "PANIC|FATAL|terminated" $d/log || echo "no panic"
