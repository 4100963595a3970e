-- expect: budget
-- next from one key over many that are gone
local t = { first = 1 }
for i = 1, 20000 do t[i + 0.5] = true end
for i = 1, 20000 do t[i + 0.5] = nil end
t.last = 1
while true do next(t, "first") end
