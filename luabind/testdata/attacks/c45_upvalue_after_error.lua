-- expect: ok
-- closures and locals stay one after errors of every kind
local n = 0
local function bump() n = n + 1 end
pcall(function() bump() error("x") end)
pcall(function() bump() local x = nil; x.y = 1 end)
pcall(string.rep)
pcall(string.find, "a", "[")
xpcall(function() bump() error({}) end, function() bump() end)
bump()
n = n + 1
assert(n == 6, n)
