-- expect: ok
-- every way to write to a library
local ways = {
  function() string.format = print end,
  function() rawset(string, "format", print) end,
  function() table.insert(string, print) end,
  function() table.sort(table, print) table.remove(table) table.insert(math, 1, 1) end,
  function() setmetatable(string, {}) end,
  function() getmetatable("").__index = {} end,
  function() setmetatable(_G, nil) end,
  function() rawset(_G, "print", nil) end,
  function() getmetatable(_G).__index = {} end,
  function() for k in pairs(math) do math[k] = nil end end,
}
for i, way in ipairs(ways) do assert(not pcall(way), i) end
assert(string.format("%d", 1) == "1" and math.floor(1.5) == 1)
