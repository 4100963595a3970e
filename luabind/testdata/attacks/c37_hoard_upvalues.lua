-- a list kept between calls, 200 KB at a time
local hoard = {}
function phase2()
  for i = 1, 2000 do hoard[#hoard + 1] = string.rep("e", 100) .. i end
end
