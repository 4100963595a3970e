-- expect: too complex|too many
-- a pattern of a million parts recurses once for each
local s = string.rep("a", 1000)
s:find(string.rep("a?", 1e6) .. "b")
