-- expect: budget
-- tables of one field: 1 KB for three instructions
local keep = {}
for i = 1, 1e9 do keep[i] = { a = i } end
