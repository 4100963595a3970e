-- expect: budget
-- iterators are values, too
local keep = {}
for i = 1, 1e9 do keep[i] = ("x"):gmatch("x") end
