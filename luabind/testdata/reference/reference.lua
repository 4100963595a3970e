-- What Lua 5.1 does, line by line. reference.out is what Lua 5.1.5 itself
-- writes for this script; the sandbox must write the same:
--   lua5.1 reference.lua > reference.out
local emit = rawget(_G, "emit") or print

-- Numbers of its own, so that both take the same turns.
local state = 42
local function random(n)
  state = (state * 16807) % 2147483647
  return state % n + 1
end
local function pick(list)
  return list[random(#list)]
end

local function show(v)
  if type(v) == "string" then
    return string.format("%q", v)
  end
  return tostring(v)
end
local function line(name, ...)
  local parts = { name }
  for i = 1, select("#", ...) do
    parts[#parts + 1] = show((select(i, ...)))
  end
  emit(table.concat(parts, " "))
end
-- Only whether it fails: the words may differ.
local function try(name, f, ...)
  local results = { pcall(f, ...) }
  local n = select("#", pcall(f, ...))
  if not results[1] then
    return line(name, "error")
  end
  line(name, unpack(results, 2, n))
end

-- Patterns: random ones of what patterns are made of.
local pieces = { "a", "b", "x", ".", "%a", "%d", "%s", "%w", "%p", "%A", "%u", "%%", "%.", "[ab]", "[^a]", "[a-c]", "[%d_]", "[]]", "[^]a]", "[a-]", "-", "%f[%w]", "%bab", "%b()", "()" }
local suffixes = { "", "", "", "*", "+", "-", "?" }
local letters = { "a", "b", "ab", "x", "1", "23", " ", "(", ")", "_", "%", "]", ".", "A", "aab", "\n", "-" }
local function subject()
  local s = {}
  for i = 1, random(12) do
    s[i] = pick(letters)
  end
  return table.concat(s)
end
local function pattern()
  local p, open = {}, 0
  if random(5) == 1 then
    p[1] = "^"
  end
  for i = 1, random(5) do
    if random(5) == 1 then
      p[#p + 1] = "("
      open = open + 1
    end
    p[#p + 1] = pick(pieces) .. pick(suffixes)
    if open > 0 and random(3) == 1 then
      p[#p + 1] = ")"
      open = open - 1
    end
    if random(12) == 1 then
      p[#p + 1] = "%1"
    end
  end
  if random(20) > 1 then
    p[#p + 1] = string.rep(")", open)
  end
  if random(6) == 1 then
    p[#p + 1] = "$"
  end
  return table.concat(p)
end
local replacements = { "<%0>", "%1", "x", "", "%%", "[%1%0]", "%2" }
for i = 1, 1200 do
  local s, p = subject(), pattern()
  local what = show(s) .. " " .. show(p)
  try("find " .. what, string.find, s, p, random(4) - 2)
  try("match " .. what, string.match, s, p)
  local r = pick(replacements)
  try("gsub " .. what .. " " .. show(r), string.gsub, s, p, r, random(3) > 1 and random(5) or nil)
  try("gmatch " .. what, function()
    local all = {}
    for a, b in s:gmatch(p) do
      all[#all + 1] = tostring(a) .. "/" .. tostring(b)
    end
    return table.concat(all, ",")
  end)
end
for _, p in ipairs({ "%", "[", "[a", "[^", "[%", "(", ")", "(()", "%b", "%ba", "%f", "%fa", "%1", "(a)%2", "()%1", "(a%1)", "a**", "^*", "*", "$", "^$", "", "[]", "[^]", "[a-%d]", "[%a-z]", "%z", "%zz", "$a", "a^", "+", "?", "-", "--", "[-a]", "[a-z-9]", "%-", string.rep("()", 32), string.rep("()", 33) }) do
  for _, s in ipairs({ "", "a", "aaa", "a-z*+?$^", "(a(b)c)" }) do
    try("odd find " .. show(s) .. show(p), string.find, s, p)
    try("odd match " .. show(s) .. show(p), string.match, s, p)
    try("odd gsub " .. show(s) .. show(p), string.gsub, s, p, "<%0>")
  end
end
line("gsub table", ("a b c"):gsub("%w", { a = "1", b = true and 2, c = false }))
line("gsub function", ("hello world"):gsub("(o)(.?)", function(a, b)
  return b == " " and "0_" or nil
end))
try("gsub bad", string.gsub, "a", "a", function()
  return {}
end)
line("find plain", ("a.b.c"):find(".", 2, true))
line("find far", ("abc"):find("b", 10), ("abc"):find("", 10), ("abc"):find("", 4), ("abc"):find("c", -1))

-- Positions.
for _, i in ipairs({ -100, -4, -3, -1, 0, 1, 2, 3, 4, 100 }) do
  for _, j in ipairs({ -100, -4, -3, -1, 0, 1, 2, 3, 4, 100 }) do
    line("sub " .. i .. " " .. j, ("abc"):sub(i, j), ("abc"):byte(i, j))
  end
end
line("byte", ("abc"):byte(), ("abc"):byte(2), ("abc"):byte(10), (""):byte())
line("rep", ("ab"):rep(3), ("ab"):rep(0), ("ab"):rep(-1), (""):rep(100))
line("case", ("aBc\195\132"):upper(), ("aBc\195\132"):lower(), ("abc"):reverse(), (""):reverse(), ("abc"):len())
line("char", string.char(), string.char(104, 105, 0, 255))
try("char bad", string.char, 256)

-- Formats.
local values = { 0, 1, -1, 42, 3.7, -3.7, 1e15, 123456789, 0.1, 1e-5, 1e100, -0.5, 255, 65536, 1 / 3, 1e14, 123456.789 }
local specs = { "%d", "%5d", "%-5d|", "%05d", "%+d", "% d", "%.3d", "%5.2d", "%i", "%x", "%X", "%o", "%8x", "%f", "%.2f", "%10.3f", "%-10.1f|", "%e", "%.0e", "%g", "%.3g", "%10g", "%G", "%E", "%+.1f", "%#.0f", "%s", "%10s", "%-10s|", "%.2s", "%5.1s", "%u", "%.10g", "%.14g", "%.0f", "%5.0f", "%+5.1e", "% g", "%03.1f", "%#x" }
for _, f in ipairs(specs) do
  for i, v in ipairs(values) do
    -- Negative numbers as %x, %o and %u are all of 64 bits.
    if not (v < 0 and f:find("[xXou]")) and not (f:find("[xXoudi]") and v > 2 ^ 53) and not (f:find("s") and v >= 1e14) then
      line(f .. " #" .. i, string.format(f, v))
    end
  end
end
for _, v in ipairs({ 1 / 0, -1 / 0 }) do
  line("inf", string.format("%f %5.1f %g %e %10g|%-6f| %G", v, v, v, v, v, v, v))
end
line("q", string.format("%q", 'a "quoted"\n\\ text\r\0\200'), string.format("%5s%%%c", "x", 65))
line("widths", string.format("%3s|%-3s|%.0s|%5.3s", "abcd", "a", "abc", "abcdef"))
for _, f in ipairs({ "%", "%y", "%123d", "%.123f", "%-+ #0-d", "%5", "%d", "%q" }) do
  try("bad format " .. f, string.format, f)
end

-- Numbers and text. Whole numbers of more than 14 digits are left out: they
-- are written in full here, as by gopher-lua, and by Lua as 1e+15; and minus
-- zero, which is 0 here. Negative digits of other bases are huge in Lua 5.1.
for _, s in ipairs({ "1", " 1 ", "1.5", ".5", "5.", "1e2", "1E-2", "0x10", "0xff", "-0x10", "0x", "1e", "e1", "", " ", "1 2", "abc", "1a", "--1", "+1", "- 1", "1_000", "0b1", "0o7", "010", "1e400", "\t7\n", "1,5", "1.2.3" }) do
  line("tonumber " .. show(s), tonumber(s))
end
for _, b in ipairs({ 2, 8, 10, 16, 36 }) do
  for _, s in ipairs({ "10", "7", "ff", "FF", "zz", "12", " 11 ", "", "1.5", "0x1f", "9" }) do
    line("tonumber " .. show(s) .. " " .. b, tonumber(s, b))
  end
end
for _, n in ipairs({ 0, 1, -1, 0.1, 1 / 3, 100, 1e13, 123456.789, 1e-10, 0.1 + 0.2, -0.5, 2 ^ 31, 1e-300, 5e-324, 1.5e300, 3.14159265358979 }) do
  line("tostring", tostring(n), n .. "", (0 - n) .. "")
end
line("inf and the like", tostring(1 / 0), tostring(-1 / 0), math.huge, -math.huge)
line("arithmetic on text", "10" + 5, "0x10" * 2, 10 .. 20, "3" ^ "2", -"2", "7" % 4)
line("modulo", 5 % 3, -5 % 3, 5 % -3, -5 % -3, 5.5 % 2, -1 % 1e9)
line("power", 2 ^ 10, 2 ^ 0.5, (-2) ^ 3, 0 ^ 0)
line("division", 1 / 2, -1 / 2, 0 / 1)

-- Math.
for _, x in ipairs({ 0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, 1e10, -1e10 + 0.5 }) do
  line("math " .. x, math.floor(x), math.ceil(x) + 0, math.abs(x), (math.modf(x)) + 0, math.fmod(x, 3), math.max(x, 0, 1), math.min(x, 0, 1))
  line("frexp " .. x, math.frexp(x))
end
line("math", math.sqrt(16), math.pow(2, 8), math.exp(0), math.log(1), math.log10(1000), math.ldexp(3, 4), math.deg(math.pi), math.rad(180), math.sin(0), math.cos(0), math.atan2(1, 1))
line("modf inf", math.modf(1 / 0))
try("random empty", math.random, 0)
for i = 1, 20 do
  local r = math.random(5, 7)
  line("random", r >= 5 and r <= 7 and r == math.floor(r), math.random() < 1, math.random(3) <= 3)
end

-- Tables.
local t = { 1, 2, 3 }
table.insert(t, 4)
table.insert(t, 1, 0)
table.insert(t, 3, "x")
line("insert", unpack(t))
line("remove", table.remove(t), table.remove(t, 1), table.remove(t, 2), #t, unpack(t))
line("remove none", table.remove({}), #t, (select("#", table.remove({}))), select("#", table.remove({ 1 }, 5)))
line("concat", table.concat({}), table.concat({ 1, 2.5, "x" }), table.concat({ 1, 2, 3 }, "-", 2, 3), table.concat({ 1, 2, 3 }, ",", 3, 2))
try("concat bad", table.concat, { 1, {}, 3 })
line("maxn", table.maxn({}), table.maxn({ 1, 2, nil, 4 }), table.maxn({ [10] = 1, [2.5] = 1 }), table.maxn({ [-1] = 1 }), table.getn({ 1, 2 }))
try("insert bad", table.insert, {}, 1, 2, 3)
for n = 0, 40, 4 do
  local s = {}
  for i = 1, n do
    s[i] = random(1000000)
  end
  table.sort(s)
  local up = table.concat(s, " ")
  table.sort(s, function(a, b)
    return a > b
  end)
  line("sort", up, table.concat(s, " "))
end
local words = { "pear", "Apple", "fig", "", "apple", "Zebra", "10", "9" }
table.sort(words)
line("sort words", unpack(words))
try("sort mixed", table.sort, { 1, "x", 2 })
line("unpack", unpack({ 1, 2, 3 }, 2), unpack({ 1, 2, 3 }, 2, 3), select("#", unpack({}, 1, 3)), (unpack({ 1, 2 }, -1, 1)))
line("select", select(2, "a", "b", "c"), select(-1, "a", "b", "c"), select("#"), select("#", nil, nil), (select(3, 1)))
try("select bad", select, 0, 1)
try("select far", select, -5, 1)
line("next", next({}), next({ 5 }), rawequal("a", "a"), rawequal({}, {}), rawget({ a = 1 }, "a"), rawset({}, "a", 1).a)
line("type", type(nil), type(1), type("x"), type({}), type(print), type(true))
try("type nothing", type)
try("tostring nothing", tostring)
try("ipairs nil", ipairs)
local visited = {}
for i, v in ipairs({ "a", "b", nil, "d" }) do
  visited[#visited + 1] = i .. v
end
line("ipairs", unpack(visited))

-- Functions, errors, metatables.
local function count(...)
  return select("#", ...), ...
end
line("varargs", count(), count(nil), count(1, nil, nil), (count(1, 2)))
line("pcall", pcall(error, "x", 0), pcall(error), select("#", pcall(error)), pcall(count, nil))
line("pcall value", select(2, pcall(error, { 1 }))[1], pcall(pcall, error, "e"))
line("xpcall", xpcall(function()
  error("x", 0)
end, function(e)
  return e .. "!", "dropped"
end))
line("assert", pcall(assert, false, "m"), pcall(assert, nil), select("#", assert(1, 2, 3)))
line("error position", pcall(function()
  error("here")
end))
line("error level", pcall(function()
  local function inner()
    error("there", 2)
  end
  inner()
end))
local log = {}
local mt = {
  __index = function(_, k)
    return "index " .. tostring(k)
  end,
  __newindex = function(t, k, v)
    rawset(t, k, v .. "!")
  end,
  __call = function(_, a, b)
    return "called", a, b
  end,
  __add = function()
    return "add"
  end,
  __concat = function(a, b)
    return (type(a) == "table" and "T" or a) .. "~" .. (type(b) == "table" and "T" or b)
  end,
  __eq = function()
    return true
  end,
  __lt = function()
    return true
  end,
  __le = function()
    return false
  end,
  __unm = function()
    return "unm"
  end,
  __tostring = function()
    return "text"
  end,
}
local a, b = setmetatable({}, mt), setmetatable({}, mt)
a.x = "v"
line("meta", a.x, a.y, a + 1, 1 + a, a == b, a < b, a <= b, a > b, -a, tostring(a), a(1, 2))
line("concat meta", a .. "x", "x" .. a, 1 .. a, a .. b, "p" .. "q" .. a .. "r" .. "s")
line("metatable", getmetatable(a) == mt, getmetatable(setmetatable({}, { __metatable = "locked" })), pcall(setmetatable, setmetatable({}, { __metatable = 1 }), {}))
local counters = {}
for i = 1, 3 do
  local n = i * 10
  counters[i] = function()
    n = n + 1
    return n
  end
end
line("closures", counters[1](), counters[1](), counters[2](), counters[3](), counters[1]())
local shared = 0
local function bump()
  shared = shared + 1
end
pcall(function()
  bump()
  error("x")
end)
bump()
shared = shared + 10
bump()
line("upvalues after errors", shared)
local n = 0
for i = 10, 1, -3 do
  n = n * 100 + i
end
line("for", n)
local i = 0
repeat
  local done = i >= 3
  i = i + 1
until done
line("repeat", i)
while true do
  i = i + 1
  if i > 10 then
    break
  end
end
line("break", i, 1 and 2, nil and 1, false or "x", nil == false, not nil, 1 < 2 == true, "a" < "b", "a" < "B", "" < "a")
line("long", #[[
two
lines]], [==[a]]b]==], "\065\10\z" == "A\nz", "tab\tand \"quotes\"", 'it\'s')
line("precedence", 2 + 3 * 4 ^ 2 / 2, -2 ^ 2, not 1 == 2, 1 .. 2 .. 3, 2 ^ 3 ^ 2, (2 ^ 3) ^ 2)
