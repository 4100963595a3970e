-- expect: budget|too long
-- one text a thousand times: 8 GB
local s, t = string.rep("x", 1e6), {}
for i = 1, 8000 do t[i] = s end
return #table.concat(t)
