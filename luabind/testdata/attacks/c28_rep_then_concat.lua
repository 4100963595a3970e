-- expect: budget|too long
local s = string.rep("x", 8e6)
local t = {}
for i = 1, 100 do t[i] = s .. i end
