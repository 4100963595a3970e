-- expect: budget
-- the longest array a key can ask for, in many tables
local keep = {}
for i = 1, 1e6 do
  local t = {}
  t[262143] = 1
  keep[i] = t
end
