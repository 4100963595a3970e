-- expect: .
-- the comparison changes what is being sorted
local t = {}
for i = 1, 500 do t[i] = 500 - i end
table.sort(t, function(a, b) t[#t + 1] = a t[1] = nil return a < b end)
for i = 1, 1e9 do end
