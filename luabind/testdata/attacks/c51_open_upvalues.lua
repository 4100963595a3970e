-- expect: budget|aborted
-- thousands of captured locals below: each return looks through them all
local depth = 0
local function deep()
  local a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20
  local f = function() return a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20 end
  depth = depth + 1
  if depth < 110 then
    deep()
  else
    local function nothing() end
    while true do nothing() end
  end
  return f
end
deep()
