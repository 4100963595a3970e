-- expect: budget
-- a key of 8 MB is hashed at each access
local k, t = string.rep("x", 8e6), {}
for i = 1, 1e9 do t[k] = t[k] end
