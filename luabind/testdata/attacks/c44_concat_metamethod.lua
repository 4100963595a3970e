-- expect: budget|too long
-- a __concat that gives long texts to a long chain
local big = string.rep("x", 8e6)
local t = setmetatable({}, { __concat = function() return big end })
local keep = {}
for i = 1, 1e9 do keep[i] = i .. "a" .. t end
