local words = {}
local folded = {}

local function fold(s)
  local f = folded[s]
  if f == nil then
    f = chert.normalize(s)
  end
  return f
end

function words.contain(text, list)
  for _, w in ipairs(list) do
    if fold(text):find(fold(w), 1, true) then
      return true
    end
  end
  return false
end

return words
