-- SPDX-License-Identifier: MIT
local function make(d)
  if d == 0 then return {} end
  return { make(d - 1), make(d - 1) }
end
local function count(t)
  if t[1] then return 1 + count(t[1]) + count(t[2]) end
  return 1
end
local depth = tonumber(arg[1])
local long = make(depth)
for d = 4, depth, 4 do
  local n, sum = 1 << (depth - d + 4), 0
  for _ = 1, n do sum = sum + count(make(d)) end
  print(n, d, sum)
end
print(count(long))
