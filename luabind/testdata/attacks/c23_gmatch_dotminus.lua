-- expect: budget
local s = string.rep("a", 50000)
for x in s:gmatch(".-b") do end
while true do end
