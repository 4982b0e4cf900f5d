# SPDX-License-Identifier: MIT
# large: pypy3
# needs: pypy3
# timeout: 120
# expect: never-called libpypy3*.so *
# may: * libpypy3*.so *
# may: * (generated) -
# may: unwind libc.so.6 _dl_catch_exception
# PyPy: its JIT, generators, threads, exceptions, callbacks from C, greenlets, a child.
set -eu
cat >prog.py <<'END'
import threading, json, re, zlib, socket, os, subprocess, sys, ctypes
def fib(n): return n if n < 2 else fib(n-1)+fib(n-2)
print(fib(27))
def gen():
    for i in range(100000): yield i
print(sum(gen()))
r=[]
ts=[threading.Thread(target=lambda i=i: r.append(sum(j%(i+2) for j in range(300000)))) for i in range(6)]
[t.start() for t in ts]; [t.join() for t in ts]; print(sorted(r))
print(len(json.dumps([{'a':i} for i in range(20000)])), re.sub(r'(\w+) (\w+)', r'\2 \1', 'hello world '*3))
print(zlib.crc32(zlib.decompress(zlib.compress(b'x'*100000))))
def deep(n): return deep(n+1)
try: deep(0)
except RecursionError as e: print('recursion')
CB=ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
a=(ctypes.c_int*10)(*[5,3,9,1,7,2,8,0,6,4]); ctypes.CDLL('libc.so.6').qsort(a,10,4,CB(lambda x,y:x[0]-y[0])); print(list(a))
try:
    import greenlet
    def g1(): 
        for i in range(1000): g2_.switch()
    def g2():
        for i in range(1000): g1_.switch()
    g1_=greenlet.greenlet(g1); g2_=greenlet.greenlet(g2); g1_.switch(); print('greenlet')
except ImportError: pass
p=os.fork()
if not p: os._exit(5)
print(os.waitpid(p,0)[1]>>8, subprocess.run(['echo','hi'],capture_output=True).stdout)
sys.exit(9)
END
pypy3 prog.py || echo "status $?"
