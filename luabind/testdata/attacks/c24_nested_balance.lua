-- expect: budget
local s = string.rep("(", 200000)
for i = 1, 1e9 do s:find("%b()") end
