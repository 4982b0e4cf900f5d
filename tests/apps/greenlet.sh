# SPDX-License-Identifier: MIT
# large: python3-greenlet python3-gevent libcoro-perl
# needs: python3 perl
# timeout: 120
# modes: tiny flush=1000
# expect: stack-switch _greenlet.*.so *
# expect: stack-switch State.so coro_transfer
# may: unwind *greenlet*.so *
# may: unwind perl *
# Greenlets, which exchange what is on the stack, gevent on top of them, Perl's Coro, whose stacks are its own.
set -eu
/usr/bin/python3 -c 'import greenlet, gevent' 2>/dev/null && perl -MCoro -e1 2>/dev/null || { echo "greenlet, gevent or Coro is not installed"; exit 77; }
/usr/bin/python3 - <<'END'
import greenlet
def count(n):
    r = 0
    for i in range(n): r += greenlet.getcurrent().parent.switch(i)
    return r
gs = [greenlet.greenlet(count) for _ in range(5)]
print([g.switch(4) for g in gs])
print([g.switch(10 * i) for i, g in enumerate(gs)])
def error():
    try: greenlet.getcurrent().parent.switch(1); raise ValueError('raised in a greenlet')
    except ValueError as e: return str(e)
g = greenlet.greenlet(error)
print(g.switch(), g.switch())
def deep(n): return greenlet.getcurrent().parent.switch(n) if n == 0 else deep(n - 1)
ds = [greenlet.greenlet(deep) for _ in range(20)]
print([d.switch(i * 3) for i, d in enumerate(ds)], [d.switch(i) for i, d in enumerate(ds)])
END
/usr/bin/python3 - <<'END'
import gevent, gevent.queue
def work(n):
    s = 0
    for i in range(5): s += i * n; gevent.sleep(0)
    return s
jobs = [gevent.spawn(work, i) for i in range(10)]
gevent.joinall(jobs)
print([j.value for j in jobs])
q = gevent.queue.Queue()
c = gevent.spawn(lambda: sum(q.get() for _ in range(50)))
for i in range(50): q.put(i)
print(c.get())
END
perl -e 'use Coro; my @r; my @c = map { my $n = $_; async { for (1 .. 5) { push @r, "$n$_"; cede } $n } } 1 .. 4; print join(",", map $_->join, @c), "\n@r\n"; print async { eval { die "in a coro\n" }; cede; $@ }->join'
