-- expect: budget
-- the error of the comparison swallowed by the comparison
local t = {}
for i = 1, 1000 do t[i] = i % 7 end
table.sort(t, function() return pcall(function() while true do end end) end)
