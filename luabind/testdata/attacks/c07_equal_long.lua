-- expect: budget
local a, b = string.rep("x", 4e6) .. "a", string.rep("x", 4e6) .. "a"
local n = 0
for i = 1, 1e9 do if a == b then n = n + 1 end end
