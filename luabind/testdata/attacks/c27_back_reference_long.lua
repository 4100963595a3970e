-- expect: budget
local s = string.rep("a", 1e6)
for i = 1, 1e9 do s:find("(.*)%1b") end
