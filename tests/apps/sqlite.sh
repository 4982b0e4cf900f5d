# SPDX-License-Identifier: MIT
# needs: sqlite3
# setup: yes
# timeout: 240
# An import and joins of a million rows, in a file, with indexes, triggers, full text, JSON.
set -eu
n=1000000
if [ "${1-}" = setup ]; then
	seq 1 $n | awk '{ printf "%d,%d,name-%05d\n", $1, $1 * 7919 % 9973, $1 % 1000 }' >rows.csv
	exit 0
fi
sqlite3 test.db <<END
pragma journal_mode = wal;
create table item(id integer primary key, grp int, name text);
.mode csv
.import $SETUP/rows.csv item
.mode list
create index item_grp on item(grp);
create table sale(id integer primary key, item int references item(id), amount int);
insert into sale select id, (id * 48271) % $n + 1, id % 50 from item;
create index sale_item on sale(item);
analyze;
select count(*), sum(grp) from item;
select i.name, sum(s.amount) from sale s join item i on i.id = s.item group by i.name order by 2 desc, 1 limit 4;
select count(*) from item a join item b on a.grp = b.grp and a.id < b.id where b.id < 50000;
with recursive fib(n, a, b) as (select 1, 0, 1 union all select n + 1, b, a + b from fib where n < 60) select max(a) from fib;
select name, row_number() over (partition by grp order by id) as r from item where grp < 3 order by id limit 4;
update item set name = upper(name) where grp % 3 = 0;
create trigger t after delete on sale begin update item set grp = grp + 1 where id = old.item; end;
delete from sale where id % 7 = 0;
select count(*), sum(grp) from item;
create virtual table ft using fts5(body);
insert into ft select name || ' ' || grp from item limit 5000;
select count(*) from ft where ft match 'name';
select json_group_array(id) from (select id from item where grp = 17 limit 3);
vacuum;
pragma integrity_check;
END
sqlite3 test.db .dump | md5sum
sqlite3 test.db 'select * from nowhere' || echo "status $?"
[ -z "${LONG-}" ] || sqlite3 :memory: ".read $TOP/bench/programs/joins.sql"
