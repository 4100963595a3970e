-- expect: too many
local t = {}
setmetatable(t, { __index = t })
local x = t.a
