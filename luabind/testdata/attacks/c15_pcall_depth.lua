-- expect: budget|overflow
-- each pcall has stacks of its own
local function f() return pcall(f) end
print(f())
while true do f() end
