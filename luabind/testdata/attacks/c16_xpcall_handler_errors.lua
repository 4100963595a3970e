-- expect: budget
local function bad() error(bad) end
while true do xpcall(bad, bad) end
