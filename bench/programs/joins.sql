-- SPDX-License-Identifier: MIT
create table n(i integer primary key);
with recursive c(i) as (select 1 union all select i + 1 from c where i < 200000) insert into n select i from c;
create table item(id integer primary key, grp int, price int, name text);
insert into item select i, (i * 7919) % 997, (i * 104729) % 10007, printf('item-%05x', (i * 31337) % 65521) from n;
create table sale(id integer primary key, item int, day int, amount int);
insert into sale select i, (i * 48271) % 200000 + 1, (i * 17) % 365, (i * 69621) % 50 + 1 from n;
create index sale_item on sale(item);
create index item_grp on item(grp, price);
select count(*), sum(s.amount * i.price) from sale s join item i on i.id = s.item;
select grp, count(*), max(price) from item group by grp order by 3 desc, 1 limit 5;
select day, total, rank() over (order by total desc, day) from
 (select s.day as day, sum(s.amount * i.price) as total from sale s join item i on i.id = s.item group by s.day) limit 8;
select i.name, s.amount from item i left join sale s on s.item = i.id and s.amount > 45
 where i.name like 'item-00%' order by i.name, s.amount limit 7;
select avg(price), sum(running) from (select price, sum(price) over
 (partition by grp order by id rows between 3 preceding and current row) as running from item);
select count(*) from item a join item b on a.grp = b.grp and a.price between b.price and b.price + 20;
update item set name = upper(replace(name, '-', ':')) where grp % 3 = 0;
delete from sale where item in (select id from item where grp between 100 and 300);
select count(*), min(name), max(name) from item where name glob 'ITEM:*';
select count(distinct item), sum(length(hex(amount))) from sale;
