# SPDX-License-Identifier: MIT
# large: postgresql
# setup: yes
# needs: psql runuser
# timeout: 180
# modes: tiny
# may: unwind l*.so* _dl_catch_exception
# may: unwind postgres *
# may: unwind psql *
# initdb, a server, tables, joins, a parallel query, an error, a function, shutdown.
set -eu
if [ "${1-}" = setup ]; then
	for d in /usr/lib/postgresql/*/bin; do [ -x "$d/initdb" ] && echo "$d" >bin; done
	[ -s bin ] || { echo "no PostgreSQL server"; exit 77; }
	[ "$(id -u)" = 0 ] || { echo "needs root to become postgres"; exit 77; }
	exit 0
fi
bin=$(cat "$SETUP/bin")
d=$(mktemp -d /tmp/gnomon-pg.XXXXXX)
trap 'rm -rf "$d"' EXIT
chown postgres "$d"
cd /
as() { runuser -u postgres -- "$@"; }
as "$bin/initdb" -D "$d/db" -A trust -N --no-locale -E UTF8 >"$d.out" 2>&1 && tail -3 "$d.out" | sed "s#$d##g" && rm "$d.out"
as "$bin/pg_ctl" -D "$d/db" -o "-k $d -h ''" -w -l "$d/log" start >/dev/null
psql() { as /usr/bin/psql -X -h "$d" postgres "$@"; }
psql -q <<'END'
create table t as select g, md5(g::text) m from generate_series(1, 20000) g;
create index on t(m);
analyze t;
select count(*), min(m) from t where m like 'a%';
select sum(a.g) from t a join t b on a.g = b.g / 2;
create function fib(n int) returns int language plpgsql as $$ begin if n < 2 then return n; end if; return fib(n - 1) + fib(n - 2); end $$;
select fib(14);
set max_parallel_workers_per_gather = 2; set min_parallel_table_scan_size = 0; set parallel_setup_cost = 0; set parallel_tuple_cost = 0;
select count(*), sum(length(m)) from t where g % 3 = 0;
begin; insert into t values (0, 'zero'); rollback;
select regexp_replace(m, '[0-9]+', '#', 'g') from t order by g limit 2;
select 1 / 0;
select count(*) from t;
END
psql -c 'select nothing' || echo "status $?"
as "$bin/pg_ctl" -D "$d/db" -m fast stop
