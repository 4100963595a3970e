-- expect: budget
-- # walks back over nils
local t = {}
for i = 1, 200000 do t[i] = i end
for i = 1, 200000 do t[i] = nil end
local n = 0
for i = 1, 1e9 do n = n + #t end
