-- expect: budget
-- next passes over every key there ever was
local t = {}
for i = 1, 90000 do t[i + 0.5] = true t[i + 0.5] = nil end
t.live = true
for i = 1, 1e9 do next(t) end
