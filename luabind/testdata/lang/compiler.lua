-- What gopher-lua's compiler gets wrong by itself, each with what Lua 5.1 gives.

-- A chain of and / or that is assigned to a local, a parameter, an upvalue, a field.
local none = {}
do
  local vip = true
  vip = none.vip and none.from == "+1"
  show(vip) --> "^nil$"
  local code = "none"
  code = ("hello"):match("pin (%d+)") and "pin"
  show(code) --> "^nil$"
  local function parameter(p)
    p = none.a and none.b or none.c
    return p
  end
  show(parameter(1)) --> "^nil$"
  local up = 1
  local function upvalue()
    up = none.a and 2
  end
  upvalue()
  show(up) --> "^nil$"
  local t = { x = 1 }
  t.x = none.a and t.x
  show(t.x) --> "^nil$"
  local a, b = 1, 2
  a = (b and none.x) or (none.y and b)
  show(a, b) --> "^nil 2$"
  a = a or b
  show(a) --> "^2$"
  a = false
  a = a and none.x.y
  show(a) --> "^false$"
end

-- All values are read before any is assigned.
do
  local a, b, c = 1, 2, 3
  a, b = b, a
  show(a, b) --> "^2 1$"
  a, b, c = c, a, b
  show(a, b, c) --> "^3 2 1$"
  local t = { x = 0 }
  local same = t
  t.x, t = 1, 2
  show(same.x, t) --> "^1 2$"
  local list, i = { 10, 20 }, 1
  i, list[i] = i + 1, 99
  show(i, list[1], list[2]) --> "^2 99 20$"
  list[1], list[2] = list[2], list[1]
  show(list[1], list[2]) --> "^20 99$"
  a, b, c = 7
  show(a, b, c) --> "^7 nil nil$"
  a, b = unpack({ 1, 2, 3 })
  show(a, b) --> "^1 2$"
  local function swapped(x, y)
    x, y = y, x
    return x, y
  end
  show(swapped(1, 2)) --> "^2 1$"
end

-- A joined text, or a call in brackets, into the last parameter, with locals behind it.
do
  local function label(list, text)
    for _, word in ipairs(list) do
      text = text .. " " .. word
    end
    return text
  end
  show(label({ "a", "b" }, "x")) --> "^x a b$"
  local function note(chat, reason)
    local urgent, read = true, false
    reason = chat .. "!"
    return urgent, read, reason
  end
  show(note("c1", "r")) --> "^true false c1!$"
  local function first(p)
    local x, y = 1, 2
    p = (note("c", "r"))
    return p, x, y
  end
  show(first()) --> "^true 1 2$"
  local function two(p)
    local x, y = 1, 2
    p = note("c", "r"), 5
    return p, x, y
  end
  show(two()) --> "^true 1 2$"
end

-- The first of many values into a local.
do
  local function f(...)
    local a, x, y = 3, 1, 2
    a = (...)
    return a, x, y
  end
  show(f(7, 8, 9)) --> "^7 1 2$"
  local function g(...)
    local a, x, y = 3, 1, 2
    a = ...
    return a, x, y
  end
  show(g(7, 8, 9)) --> "^7 1 2$"
  show(f()) --> "^nil 1 2$"
end

-- Conditions that are constant, in loops.
do
  local function found(t)
    for _, v in ipairs(t) do
      if false then
        local dbg = v
      end
      if v == 2 then
        return "found"
      end
    end
    return "none"
  end
  show(found({ 1, 2 }), found({ 1 })) --> "^found none$"
  local n = 0
  for _, v in ipairs({ 1, 2, 3 }) do
    while false do
      n = 100
    end
    n = n + v
  end
  show(n) --> "^6$"
  for _ in pairs({ 1, 2 }) do
    repeat
      n = n + 1
    until true
  end
  show(n) --> "^8$"
  for _ in pairs({ 1, 2 }) do
    repeat
      break
    until false
    while not nil do
      break
    end
    if nil and n then
      n = 0
    elseif 1 then
      n = n + 1
    end
  end
  show(n) --> "^10$"
  for _ in pairs({ 1, 2 }) do
    while true do
      break
    end
  end
  for _ in pairs({ 1, 2 }) do
    break
  end
  while true do
    while true do
      break
    end
    break
  end
  show(nil and 1, false or nil, true and none.x, not nil, 1 and 2, nil or "x") --> "^nil nil nil true 2 x$"
  local function one(...)
    return true and ..., false or ...
  end
  show(one(1, 2)) --> "^1 1$"
end

-- for with an iterator that is not the one call of a function.
do
  local a, b, c, d, e, f, g, h = 1, 2, 3, 4, 5, 6, 7, 8
  local n = 0
  for k, v in next, { code = 1, spam = 2 } do
    n = n + v
  end
  show(n) --> "^3$"
  for k in next, { 1, 2 }, nil do
    n = n + 1
  end
  show(n) --> "^5$"
  for k in (function() return next end)(), { 1, 2 } do
    n = n + 1
  end
  show(n) --> "^7$"
  local function walk()
    return ipairs
  end
  for i, v in walk()({ 1, 2 }) do
    n = n + v
  end
  show(n) --> "^10$"
  for i in (ipairs({ 1 })), { 1, 2, 3 }, 0 do
    n = n + i
  end
  show(n) --> "^16$"
  show(a, b, c, d, e, f, g, h) --> "^1 2 3 4 5 6 7 8$"
end

-- A function in a local does not see itself; a local function does.
do
  local tostring = function(x)
    return "<" .. tostring(x) .. ">"
  end
  show(tostring(5)) --> "^<5>$"
  local fact = function()
    return "outer"
  end
  local function fact(n)
    return n < 2 and 1 or n * fact(n - 1)
  end
  show(fact(5)) --> "^120$"
end

-- Texts and numbers are read as Lua reads them.
do
  show("0123" + 0, "017" * 60, -"010", "0x10" + 0, 2 ^ "03", "7" % "04", "1e1" / 1) --> "^123 1020 -10 16 8 3 10$"
  fail(function() return "1_000" + 1 end) --> "attempt to perform arithmetic \(add\) on a string value"
  fail(function() return 1 - "0b1" end) --> "attempt to perform arithmetic \(sub\) on a string value"
  fail(function() return "0xg" + 1 end) --> "attempt to perform arithmetic \(add\) on a string value"
  fail(function() return "0x" + 1 end) --> "attempt to perform arithmetic \(add\) on a string value"
  fail(function() return "0x1_0" + 1 end) --> "attempt to perform arithmetic \(add\) on a string value"
  show(tonumber("0xg"), tonumber("0x"), tonumber("0x1_0"), tonumber("0x", 16), tonumber("0xf", 16)) --> "^nil nil nil nil 15$"
  fail(function() return -"0o7" end) --> "attempt to perform arithmetic \(unm\) on a string value"
  fail(function() return "1" + {} end) --> "attempt to perform arithmetic \(add\) on a table value"
  show(1e400, -1e400, 0010, 010 + 0, 1e400 == math.huge) --> "^inf -inf 10 10 true$"
  show(tonumber("0123"), ("x"):rep("02"), ("abc"):sub("02"), "0123" .. 4, 0123 .. "") --> "^123 xx bc 01234 123$"
  local sum = 0
  for i = "01", "03", "1" do
    sum = sum + i
  end
  show(sum) --> "^6$"
  fail(function() for i = 1, "0b11" do end end) --> "'for' limit must be a number"
  fail(function() for i = "x", 2 do end end) --> "'for' initial value must be a number"
  fail(function() return 1 < "2" end) --> "attempt to compare"
  show("10" == 10, "0123" == "123") --> "^false false$"
  local mt = { __add = function(x, y) return "added" end, __unm = function() return "minus" end }
  local t = setmetatable({}, mt)
  show("5" + t, t + "5", 5 + t, -t) --> "^added added added minus$"
end

-- Zero has no sign that the source does not show.
show(("%g %g %g"):format(-0, 0 * -1, 0), 1 / -0) --> "^0 0 0 inf$"

-- # asks no metatable of a table.
do
  local t = setmetatable({ 1, 2 }, { __len = function() return 9 end })
  show(#t, #t, #setmetatable({}, { __len = error })) --> "^2 2 0$"
  show(getmetatable(t).__len()) --> "^9$"
  setmetatable(t, nil)
  for _ = 1, 2000 do
    t[3] = _
  end
  show(getmetatable(t), #t) --> "^nil 3$"
end

-- error puts the place before texts and numbers; assert before texts.
do
  show(pcall(function() error(42) end)) --> "^false compiler.lua:\d+: 42$"
  show(pcall(function() error("x", 0) end)) --> "^false x$"
  show(pcall(function() assert(false, "no") end)) --> "^false compiler.lua:\d+: no$"
  show(pcall(error, 42)) --> "^false 42$"
end

-- A field with a key takes one value, also as the last.
do
  local function two()
    return 1, 2
  end
  show(#{ 5, x = two() }, #{ 5, (two()) }, #{ 5, two() }, #{ x = two(), 5, two() }) --> "^1 2 3 3$"
  local t = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 50,
    x = ("x"):rep(3), y = two(), two()
  }
  show(#t, t[1], t[50], t[51], t[52], t.x, t.y) --> "^52 1 50 1 2 xxx 1$"
end

-- A loop that is left from within a block leaves each function its own variables.
do
  local f
  for i = 1, 3 do
    if i == 2 then
      local mine = i * 10
      f = function()
        mine = mine + 1
        return mine
      end
      break
    end
  end
  local other, another = "other", "another"
  show(f(), f(), other, another) --> "^21 22 other another$"
  local g
  while true do
    do
      local mine = 5
      g = function() return mine end
      if mine then
        break
      end
    end
  end
  local o = "o"
  show(g(), o) --> "^5 o$"
  repeat
    do
      local mine = 6
      g = function() return mine end
      break
    end
  until true
  o = "p"
  show(g(), o) --> "^6 p$"
end

-- t[n] = f(), where f changes n, reads n afterwards, as lua5.1 does.
do
  local list, n = {}, 0
  local function following()
    n = n + 1
    return "x" .. n
  end
  list[n] = following()
  show(list[0], list[1]) --> "^nil x1$"
end

fail(function() ("x").y = 1 end) --> "attempt to index a string value|attempt to index a non-table"
