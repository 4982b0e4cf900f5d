# SPDX-License-Identifier: MIT
# large: mariadb-server
# needs: mariadbd mariadb-install-db mariadb
# timeout: 240
# may: unwind * *
# MariaDB: a new database, a server with threads, transactions from four clients, an orderly end.
set -eu
d=$(mktemp -d /tmp/gnomon-mariadb.XXXXXX)
trap 'rm -rf "$d"' EXIT
me=$(id -un)
mariadb-install-db --no-defaults --auth-root-authentication-method=normal --user="$me" --datadir="$d/data" >/dev/null 2>&1
mariadbd --no-defaults --user="$me" --datadir="$d/data" --socket="$d/s" --skip-networking --pid-file="$d/pid" >/dev/null 2>"$d/err" &
server=$!
until mariadb-admin --no-defaults -S "$d/s" -u root ping >/dev/null 2>&1; do
	kill -0 $server || { cat "$d/err"; exit 1; }
	sleep 0.2
done
sql() { mariadb --no-defaults -S "$d/s" -u root -N test -e "$1"; }
mariadb --no-defaults -S "$d/s" -u root -e 'create database if not exists test'
sql 'create table t(id int primary key auto_increment, v int, s varchar(40)) engine=innodb; create table c(n int); insert into c values (0)'
for k in 1 2 3 4; do
	for i in $(seq 25); do echo "start transaction; update c set n = n + 1; insert into t(v, s) values ($i, repeat('x', $i)); commit;"; done |
		mariadb --no-defaults -S "$d/s" -u root test &
	pids="${pids:-} $!"
done
wait $pids
sql 'select n from c; select count(*), sum(v), max(length(s)) from t; select v, count(*) from t group by v order by v limit 3'
sql 'select sha2(group_concat(a.v order by a.v), 256) from t a join t b on a.v = b.v'
mariadb-admin --no-defaults -S "$d/s" -u root shutdown
wait $server
echo "server $?"
