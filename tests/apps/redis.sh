# SPDX-License-Identifier: MIT
# large: redis-server
# needs: redis-server redis-cli redis-benchmark
# timeout: 120
# may: unwind libc.so.6 _dl_catch_exception
# Redis with I/O threads under its own benchmark; a script, snapshots and a rewritten log made by forked children; shutdown.
set -eu
d=$(mktemp -d /tmp/gnomon-redis.XXXXXX)
trap 'rm -rf "$d"' EXIT
redis-server --port 0 --unixsocket $d/s --dir $d --save "" --appendonly yes --io-threads 3 >$d/log 2>&1 &
server=$!
cli() { redis-cli -s $d/s "$@"; }
until cli ping >/dev/null 2>&1; do sleep 0.1; done
redis-benchmark -s $d/s -n 3000 -c 50 -P 4 -q -t set,get,incr,lpush,rpush,lpop,sadd,hset,zadd,lrange_100,mset --threads 2 |
	tr '\r' '\n' | grep "per second" | sed 's/:.*//'
cli dbsize
cli eval 'local s = 0 for i = 1, 100000 do s = s + i % 7 end return s' 0
cli bgsave
while cli info persistence | grep -q "in_progress:1"; do sleep 0.1; done
cli bgrewriteaof
while cli info persistence | grep -q "in_progress:1"; do sleep 0.1; done
cli info persistence | grep -E "last.*status" | tr -d '\r'
cli shutdown nosave || true
wait $server || echo "status $?"
tail -1 $d/log | grep -o "bye bye"
