-- expect: budget|too long
-- each pass makes the text ten times longer
local s = "x"
while true do s = s:gsub(".", "%0%0%0%0%0%0%0%0%0%0") end
