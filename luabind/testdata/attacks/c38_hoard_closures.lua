-- a chain of closures, each keeping the one before
local last = function() end
function phase2()
  for i = 1, 5000 do
    local before, text = last, string.rep("x", 50) .. i
    last = function() return before, text end
  end
end
