# SPDX-License-Identifier: MIT
# needs: python3
# timeout: 180
# modes: tiny flush=1000
# json, re, subprocess, ctypes, sqlite3, threads, asyncio, multiprocessing, exceptions, and the import of 200 modules.
set -eu
py=/usr/bin/python3
cat >work.py <<'END'
import asyncio, bz2, collections, concurrent.futures, contextlib, ctypes, datetime, decimal, fractions, functools, gzip, hashlib
import heapq, io, itertools, json, lzma, math, mmap, os, pickle, queue, random, re, select, signal, socket, sqlite3, statistics
import string, struct, subprocess, sys, tempfile, textwrap, threading, time, traceback, unicodedata, uuid, weakref, zipfile, zlib
r = random.Random(5)
print(hashlib.sha256(json.dumps({str(i): [r.random() for _ in range(20)] for i in range(200)}, sort_keys=True).encode()).hexdigest())
print(re.sub(r'(?P<a>\w)(\w*)', lambda m: m[2] + m['a'], 'pig latin of these words')); print(len(re.findall(r'(a|ab)(c|bcd)(d*)', 'abcd' * 500)))
print(subprocess.run(['sh', '-c', 'cat; echo err >&2; exit 5'], input=b'in\n', capture_output=True))
print(subprocess.check_output('echo $((6*7)) | tr 4 5', shell=True)); p = subprocess.Popen(['cat'], stdin=-1, stdout=-1, text=True); print(p.communicate('x' * 100000)[0].count('x'))
libc = ctypes.CDLL(None); libc.qsort.restype = None; CMP = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
a = (ctypes.c_int * 200)(*[(i * 7919) % 211 for i in range(200)]); libc.qsort(a, len(a), 4, CMP(lambda x, y: x[0] - y[0])); print(list(a)[:10], sorted(a) == list(a))
libc.strlen.restype = ctypes.c_size_t; print(libc.strlen(b'hello'), libc.abs(-4), ctypes.cast(ctypes.create_string_buffer(b'abc'), ctypes.c_char_p).value)
db = sqlite3.connect(':memory:'); db.create_function('twice', 1, lambda x: x * 2); db.execute('create table t(a,b)'); db.executemany('insert into t values(?,?)', [(i, i * i % 97) for i in range(3000)])
print(db.execute('select sum(twice(a)), count(distinct b), max(b) from t where b > 10').fetchall())
d = b'some data ' * 5000; print([len(m.decompress(m.compress(d))) for m in (zlib, bz2, lzma, gzip)])
def gen(n):
    if n: yield n; yield from gen(n - 1)
print(sum(gen(300))); sys.setrecursionlimit(5000)
def down(n):
    return down(n - 1) + 1 if n else 0
print(down(2000))
try:
    def inf(n): return inf(n + 1)
    inf(0)
except RecursionError as e: print('recursion', type(e).__name__)
try: {}['x']
except KeyError: print(traceback.format_exc().splitlines()[-1])
res = []; L = threading.Lock()
def th(k):
    for i in range(500):
        with L: res.append(k)
ts = [threading.Thread(target=th, args=(k,)) for k in range(8)]; [t.start() for t in ts]; [t.join() for t in ts]; print(collections.Counter(res) == {k: 500 for k in range(8)})
with concurrent.futures.ThreadPoolExecutor(4) as ex: print(sum(ex.map(lambda x: x * x, range(200))))
async def co(n): await asyncio.sleep(0.001 * (n % 3)); return n
async def main(): return sum(await asyncio.gather(*[co(i) for i in range(50)]))
print(asyncio.run(main())); print(pickle.loads(pickle.dumps({1: [2, (3, {4})]})))
def handler(s, f): raise TimeoutError('alarm')
signal.signal(signal.SIGALRM, handler); signal.setitimer(signal.ITIMER_REAL, 0.02)
try:
    n = 0
    while True: n += 1
except TimeoutError as e: print(e)
pid = os.fork()
if pid == 0: os._exit(sum(range(20)) % 256)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])); a, b = socket.socketpair(); a.send(b'ping'); print(b.recv(10))
print(decimal.Decimal(2).sqrt(), fractions.Fraction(1, 3) + 1, math.comb(50, 20), statistics.median([3, 1, 2]), 3 ** 500 % 1000007, float('1e308') * 10)
m = mmap.mmap(-1, 8192); m[:5] = b'hello'; print(m[:5], struct.pack('>IhB', 1, -2, 3), unicodedata.name('ß'), textwrap.shorten('a b c d e f', 7))
class Meta(type):
    def __call__(c, *a): return super().__call__(*a)
class A(metaclass=Meta):
    def __init__(s, x): s.x = x
    def __del__(s): print('del', s.x)
A(1); w = weakref.ref(A(2)); print(w())
END
$py work.py
$py - <<'END'
import multiprocessing as mp
def f(x): return x * x
if __name__ == '__main__':
    with mp.get_context('fork').Pool(2) as p: print(sum(p.map(f, range(100))))
END
cat >imports.py <<'END'
import importlib, pkgutil, sys, warnings
warnings.simplefilter('ignore')
skip = {'antigravity', 'this', 'idlelib', 'turtle', 'turtledemo', 'tkinter', 'lib2to3', 'test', 'ensurepip', '__main__', 'site'}
names, n = sorted(m for m in sys.stdlib_module_names if m not in skip and not m.startswith('_')), 0
for m in names:
    try:
        importlib.import_module(m); n += 1
    except ImportError: pass
for m in ('email.mime.text', 'xml.etree.ElementTree', 'concurrent.futures.process', 'json.tool', 'logging.handlers', 'unittest.mock', 'urllib.request', 'http.server', 'importlib.metadata', 'asyncio.subprocess', 'ctypes.util', 'multiprocessing.pool'):
    importlib.import_module(m); n += 1
print('enough' if len(sys.modules) > 400 and n > 180 else n, len(names) > 150)
END
$py imports.py
$py -c 'import sys; sys.exit("message")' || echo "status $?"
$py -c 'import os; os.abort()' 2>/dev/null || echo "status $?"
echo 'print(1+1)' | $py -
$py -m json.tool <<'END'
{"b": [1, 2, {"c": null}], "a": true}
END
