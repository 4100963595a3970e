-- expect: ok
-- a comparison that fails leaves the list as it was
local t = { 3, 1, 2 }
assert(not pcall(table.sort, t, function() error("x") end))
assert(not pcall(table.sort, t, function(a, b) return a.x < b.x end))
assert(table.concat(t) == "312")
