-- expect: overflow|too many|budget
-- arguments that fill the registers
local t = {}
for i = 1, 3900 do t[i] = i end
local function f(n, ...) return f(n + 1, 1, 2, 3, unpack(t)) end
f(1)
