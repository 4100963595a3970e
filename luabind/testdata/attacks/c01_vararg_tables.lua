-- expect: budget
-- {...} of thousands of values: two instructions, 100 KB
local function f(...)
  local keep = {}
  for i = 1, 1e9 do keep[i] = { ... } end
end
local t = {}
for i = 1, 3900 do t[i] = i end
f(unpack(t))
