-- expect: budget|perform
-- arithmetic reads texts as numbers
local d = string.rep("1", 8e6)
for i = 1, 1e9 do local x = d + 1 end
