-- expect: budget
-- three in the morning: a text that is joined anew at each turn
local s = ""
for i = 1, 1e9 do
  s = s .. "line " .. i .. "\n"
end
