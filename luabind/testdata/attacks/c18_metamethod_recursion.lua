-- expect: stack overflow
-- __index that indexes itself nests on the Go stack
local t = setmetatable({}, { __index = function(t, k) return t[k .. "x"] end })
local x = t.a
