-- a set of ids that is emptied: the keys stay
local seen = {}
local n = 0
function phase2()
  for i = 1, 3000 do
    n = n + 1
    seen["id" .. n] = true
    seen["id" .. n] = nil
  end
end
