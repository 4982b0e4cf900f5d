# SPDX-License-Identifier: MIT
# large: memcached
# needs: memcached python3
# timeout: 60
# may: unwind libc.so.6 _dl_catch_exception
# memcached with four threads and eight clients.
set -eu
d=$(mktemp -d /tmp/gnomon-memcached.XXXXXX)
trap 'rm -rf "$d"' EXIT
chmod 777 $d
memcached -u nobody -s $d/s -a 777 -t 4 -m 64 >$d/log 2>&1 &
server=$!
while [ ! -S $d/s ]; do sleep 0.1; done
cat >$d/c.py <<'END'
import socket, sys, threading

def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    return s.makefile('rwb')

def ask(f, what):
    f.write(what)
    f.flush()
    return f.readline()

bad = []
def client(me):
    f = connect()
    for i in range(500):
        k, v = b'k%d_%d' % (me, i % 200), b'v' * (i % 3000) + b'%d' % i
        if ask(f, b'set %s 0 0 %d\r\n%s\r\n' % (k, len(v), v)) != b'STORED\r\n':
            bad.append(i)
        ask(f, b'get %s\r\n' % k)
        if f.read(len(v)) != v or f.readline() + f.readline() != b'\r\nEND\r\n':
            bad.append(i)
        ask(f, b'incr n 1\r\n')

f = connect()
ask(f, b'set n 0 0 1\r\n0\r\n')
threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(ask(f, b'get n\r\n'), f.readline(), f.readline(), bad)
line = ask(f, b'stats\r\n').split()
while line[0] != b'END':
    if line[1] in (b'cmd_get', b'cmd_set', b'get_hits', b'threads'):
        print(line)
    line = f.readline().split()
END
/usr/bin/python3 $d/c.py $d/s
kill -TERM $server
wait $server || echo "status $?"
cat $d/log
