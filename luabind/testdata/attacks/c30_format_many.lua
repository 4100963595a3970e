-- expect: budget|too long|results
local s = string.rep("x", 1e5)
local args = {}
for i = 1, 3000 do args[i] = s end
return #string.format(string.rep("%s", 3000), unpack(args))
