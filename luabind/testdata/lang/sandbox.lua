-- What is there, and what is not.
local function has(name)
  return rawget(_G, name) ~= nil
end
show(has("os"), has("io"), has("debug"), has("coroutine"), has("package")) --> "^false false false false false$"
show(has("load"), has("loadstring"), has("dofile"), has("loadfile"), has("module")) --> "^false false false false false$"
show(has("getfenv"), has("setfenv"), has("newproxy"), has("collectgarbage"), has("_printregs")) --> "^false false false false false$"
show(string.dump, math.randomseed) --> "^nil nil$"
show(type(string), type(_G), _G._G == _G, _VERSION) --> "^table table true Lua 5.1$"
show(getmetatable("x"), getmetatable(string), getmetatable(_G)) --> "^locked locked locked$"
show(pcall(setmetatable, "x", {})) --> "^false bad argument"
show(pcall(setmetatable, _G, {})) --> "cannot change a protected metatable"

-- Libraries can be walked, not changed.
local names = {}
for name in pairs(math) do
  names[#names + 1] = name
end
show(#names, names[1]) --> "^30 abs$"
show(next(string)) --> "^byte function"
show(pcall(rawset, string, "x", 1)) --> "^false .*can't be changed this way"
show(pcall(table.insert, string, 1)) --> "can't be changed this way"

-- Methods of strings, also on literals.
show(("abc"):upper(), #"abc", ("%d"):format(3)) --> "^ABC 3 3$"
show(("a,b,c"):gsub(",", ";")) --> "^a;b;c 2$"

-- Whole numbers are written in full, others with 14 digits.
show(1767614400, 2 ^ 53, 1e15, 0.1 + 0.2, 1 / 3, 1e100) --> "^1767614400 9007199254740992 1000000000000000 0.3 0.33333333333333 1e.100$"

-- The idioms of other versions work or fall back.
local unpack = table.unpack or unpack
show(unpack({ 1, 2 })) --> "^1 2$"
show(table.getn({ 1, 2 }), math.mod(7, 3), math.huge, -math.huge) --> "^2 1 inf -inf$"

-- A file takes no arguments.
show((...)) --> "^nil$"
show(select("#", ...), select("#", 1, ...), #{ ... }) --> "^0 1 0$"

-- Errors keep their values through pcall.
local code = setmetatable({ code = 7 }, { __tostring = function(e) return "code " .. e.code end })
show(select(2, pcall(error, code))) --> "^code 7$"
show(pcall(error, "plain", 0)) --> "^false plain$"
show(pcall(error)) --> "^false nil$"
show(xpcall(function() error("x", 0) end, function(e) return e .. "!" end)) --> "^false x!$"
show(pcall(pcall)) --> "^false bad argument #1 to \?.*value expected|^false bad argument"
show(select("#", pcall(function() return nil, nil end))) --> "^3$"

-- Long lists keep their length.
local list = {}
for i = 1, 100000 do
  list[#list + 1] = i
end
show(#list, table.remove(list), #list) --> "^100000 100000 99999$"

-- ipairs and # stop where Lua's do; pairs goes in the order of setting.
local order = {}
local t = { x = 1, y = 2 }
t.z, t.x = 3, nil
t.a = 4
for k in pairs(t) do
  order[#order + 1] = k
end
show(table.concat(order, " ")) --> "^y z a$"

-- table.remove while walking backwards.
local keep = { 1, 2, 3, 4, 5, 6 }
for i = #keep, 1, -1 do
  if keep[i] % 2 == 0 then
    table.remove(keep, i)
  end
end
show(table.concat(keep, ",")) --> "^1,3,5$"
