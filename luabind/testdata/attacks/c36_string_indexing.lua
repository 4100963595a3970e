-- expect: .
-- strings are values: nothing can be hung on them
local s = "x"
s.y = 1
