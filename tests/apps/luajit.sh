# SPDX-License-Identifier: MIT
# large: luajit
# needs: luajit
# timeout: 60
# modes: tiny
# A tracing JIT, its coroutines, ffi callbacks, errors.
set -eu
cat >prog.lua <<'END'
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
print(fib(27))
local co = coroutine.wrap(function() for i = 1, 1000 do coroutine.yield(i) end end)
local s = 0
for _ = 1, 1000 do s = s + co() end
print(s)
local ffi = require "ffi"
ffi.cdef [[ int abs(int); void qsort(void *, size_t, size_t, int (*)(const void *, const void *)); double sqrt(double); ]]
print(ffi.C.abs(-5), ffi.C.sqrt(2))
local a = ffi.new("int[100]")
for i = 0, 99 do a[i] = i * 7919 % 101 end
ffi.C.qsort(a, 100, 4, function(x, y) return ffi.cast("const int *", x)[0] - ffi.cast("const int *", y)[0] end)
print(a[0], a[50], a[99])
for i = 1, 300 do local ok, e = pcall(function() if i % 2 == 0 then error({ code = i }) end return i end); s = s + (ok and e or e.code) end
print(s, select(2, pcall(error, "plain")))
local t = {}
for i = 1, 200000 do t[i] = i % 1000 * 3 end
local x = 0
for i = 1, #t do x = x + t[i] end
print(x, (("hello world"):gsub("%w+", string.upper)))
os.exit(5)
END
luajit prog.lua || echo "status $?"
luajit -joff prog.lua || echo "status $?"
