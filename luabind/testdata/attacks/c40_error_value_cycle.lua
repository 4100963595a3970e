-- expect: .
local t = {}
t.self = t
error(t)
