-- expect: budget|overflow
-- stacks that are grown as far as they go, one in another
local t = {}
for i = 1, 3900 do t[i] = i end
local function fill(n, ...)
  if n > 0 then return fill(n - 1, unpack(t)) end
  return pcall(fill, 6)
end
while true do fill(6) end
