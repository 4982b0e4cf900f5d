# SPDX-License-Identifier: MIT
# needs: lua5.4
# modes: tiny flush=300
# expect: unwind *lua5.4* *
# Recursion, coroutines (Lua's own, without a stack switch), closures, string patterns, errors (longjmp), gc, metatables.
set -eu
lua5.4 "$TOP/bench/programs/fib.lua" 24
lua5.4 "$TOP/bench/programs/trees.lua" 9
cat >prog.lua <<'END'
local co = coroutine.wrap(function() for i = 1, 1000 do coroutine.yield(i * i) end end)
local s = 0
for _ = 1, 1000 do s = s + co() end
print(s)
for i = 1, 300 do local ok, e = pcall(function() if i % 2 == 0 then error({ code = i }) end return i end); s = s + (ok and e or e.code) end
print(s, select(2, pcall(error, "plain")), (pcall(string.rep)))
print(("hello world from lua"):gsub("%w+", function(w) return w:reverse() end))
local t = {}
for i = 1, 3000 do t[i] = (i * 7919) % 3001 end
table.sort(t, function(a, b) return a > b end)
print(t[1], t[1500], t[3000], #t)
local mt = setmetatable({}, { __index = function(_, k) return k * 2 end, __call = function(_, a) return a + 1 end, __gc = function() end })
print(mt[21], mt(4), string.format("%5.2f|%q|%x", 3.14159, "a\nb", 255))
local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end
print(deep(15000), pcall(function() local function f() return 1 + f() end return f() end))
print(load("return 1 + 2 * 3")(), os.time { year = 2023, month = 11, day = 14, hour = 22 }, utf8.char(228, 8364), 7 // 2, 2 ^ 53 | 0)
collectgarbage() collectgarbage("generational")
for i = 1, 20000 do local x = { i, tostring(i), { i } } end
local p = io.popen("echo popen; exit 3") print(p:read("a"), p:close())
os.exit(7)
END
lua5.4 prog.lua || echo "status $?"
