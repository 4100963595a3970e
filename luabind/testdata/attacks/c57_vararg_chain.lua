-- expect: budget|overflow
-- arguments doubled by each call, as far as the stack goes
local function double(...)
  local t = { ... }
  for i = 1, #t do t[#t + 1] = t[i] end
  return double(unpack(t))
end
while true do pcall(double, 1) end
