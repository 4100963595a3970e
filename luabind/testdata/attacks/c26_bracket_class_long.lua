-- expect: budget
-- a set of a megabyte is read for each character
local set = "[" .. string.rep("b", 1e6) .. "]"
local s = string.rep("a", 1e6)
s:find(set)
while true do s:find(set) end
