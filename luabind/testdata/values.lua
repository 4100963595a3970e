-- json
chert.on("message.received", function(ev)
  assert(json.encode({ 1, "two", { three = false } }) == '[1,"two",{"three":false}]')
  assert(json.encode({}) == "{}" and json.encode("\1\n\"") == '"\\u0001\\n\\""')
  assert(json.encode(0.1 + 0.2) == "0.30000000000000004" and json.encode(1e15) == "1000000000000000" and json.encode(-0.5) == "-0.5")
  assert(json.encode({ b = 1, a = 2 }) == '{"a":2,"b":1}')
  local ok, err = pcall(json.encode, { list = { "a", "\255x" } })
  assert(not ok and err:find('at .list[2]: the string "\\xffx" can\'t be written as JSON: it is not UTF-8 from byte 1 on', 1, true), err)
  local v = json.decode(' {"a":[1,null,"\\u00e9\\ud83d\\ude00"],"b":null,"c":-1.5e2} ')
  assert(v.a[1] == 1 and v.a[2] == nil and v.a[3] == "é😀" and v.b == nil and v.c == -150)
  assert(json.decode("null") == nil and json.decode("true") == true)
  local names = {}
  for k in pairs(json.decode('{"z":1,"a":2,"m":3}')) do
    names[#names + 1] = k
  end
  assert(table.concat(names) == "zam")
  local shared = { 1 }
  assert(json.encode({ shared, shared }) == "[[1],[1]]")
end)
chert.on("message.received", function(ev)
  local t = {}
  t.list = { t }
  json.encode(t) --> "json.encode: at .list\[1\]: the table contains itself"
end)
chert.on("message.received", function(ev)
  json.encode({ a = { 1, nil, 3 } }) --> "at .a: a list with holes \(nil\) in it"
end)
chert.on("message.received", function(ev)
  json.encode({ [5] = 1 }) --> "use tostring\(key\)|a list with holes"
end)
chert.on("message.received", function(ev)
  json.encode({ 1, a = 2 }) --> "both a list and has names"
end)
chert.on("message.received", function(ev)
  json.encode({ [true] = 1 }) --> "a table with a boolean as key"
end)
chert.on("message.received", function(ev)
  json.encode({ n = 0 / 0 }) --> "at .n: the number NaN"
end)
chert.on("message.received", function(ev)
  local t = {}
  for i = 1, 100 do
    t = { t }
  end
  json.encode(t) --> "nested deeper than 64"
end)
chert.on("message.received", function(ev)
  local t = {}
  for i = 1, 20000 do
    t[i] = i
  end
  json.encode(t) --> "more than 10000 values"
end)
chert.on("message.received", function(ev)
  -- Two references a level would be 2^60 values.
  local t = {}
  for i = 1, 60 do
    t = { t, t }
  end
  json.encode(t) --> "more than 10000 values"
end)
chert.on("message.received", function(ev)
  json.decode("{\n  'a': 1}") --> "json.decode: not JSON: line 2, column 3: expected a name in quotes\nto handle the error, use pcall\(json.decode, s\)"
end)
chert.on("message.received", function(ev)
  json.decode("[1,]") --> "line 1, column 4: expected a value"
end)
chert.on("message.received", function(ev)
  json.decode("01") --> "not a number"
end)
chert.on("message.received", function(ev)
  json.decode("{} {}") --> "unexpected text after the value"
end)
chert.on("message.received", function(ev)
  json.decode(('['):rep(5000)) --> "nested deeper than 64"
end)
chert.on("message.received", function(ev)
  json.decode(nil) --> "json.decode: s is missing: expected a string"
end)

-- re
chert.on("message.received", function(ev)
  assert(re.match([[\b(\d{6})\b]], ev.text) == "123456")
  assert(re.match([[\d+]], ev.text) == "123456")
  assert(re.match([[nothing]], ev.text) == nil)
  local a, b = re.match([[(\w+) is (\d+)?]], ev.text)
  assert(a == "code" and b == "123456")
  local x, y = re.match([[(a)|(b)]], "b")
  assert(x == nil and y == "b")
  local i, j, group = re.find([[c(o)de]], ev.text)
  assert(i == 6 and j == 9 and group == "o")
  assert(re.find("o", ev.text, 3) == 7 and re.find("zz", ev.text) == nil and re.find("o", ev.text, 99) == nil)
  assert(re.find([[^o]], "xoo", 2) == nil and re.find([[\bo]], "xo o", 2) == 4 and re.find("o", "oxo", -1) == 3)
end)
chert.on("message.received", function(ev)
  local function gsub(want, n, ...)
    local got, count = re.gsub(...)
    if got ~= want or count ~= n then
      error(("got %q %d, want %q %d"):format(got, count, want, n), 2)
    end
  end
  gsub("b b", 2, "a", "a a", "b")
  gsub("<a> <a>", 2, "a", "a a", "<%0>")
  gsub("<a> <a>", 2, "(a)", "a a", "<%1>")
  gsub("y=x", 1, [[(\w)=(\w)]], "x=y", "%2=%1")
  gsub("100%", 1, "x", "x", "100%%")
  gsub("-a-b-", 3, "x*", "ab", "-")
  gsub("-é-", 2, "", "é", "-")
  gsub("-", 1, "a*", "aaa", "-")
  gsub("-b-", 2, "a*", "ab", "-")
  gsub("b a", 1, "a", "a a", "b", 1)
  gsub("a a", 0, "a", "a a", "b", 0)
  gsub("Xa ba Xa", 2, [[\ba]], "aa ba aa", "X", nil)
  gsub("Xaa", 1, "^a", "aaa", "X")
  gsub("X\nX", 2, "(?m)^a", "a\na", "X")
  gsub("[a]b[a]", 2, "[ac]", "aba", function(m) return "[" .. m .. "]" end)
  gsub("1 b", 1, "[a-z]", "a b", { a = 1 }, 1)
  gsub("a 2", 2, "[a-z]", "a b", { b = 2, a = false })
  gsub("xx", 2, [[\Qa.b]], "a.ba.b", "x")
end)
chert.on("message.received", function(ev)
  re.match("(a", "a") --> "re.match: pattern .\(a.: .*missing closing"
end)
chert.on("message.received", function(ev)
  re.match("\\d(?=x)", "a") --> "pattern .*\nit is an RE2 pattern"
end)
chert.on("message.received", function(ev)
  re.match("((a{30}){30}){30}", "a") --> "too large\nrepeat less|invalid repeat"
end)
chert.on("message.received", function(ev)
  re.gsub("a", "a", "%2") --> "uses group 2, but the pattern has 0"
end)
chert.on("message.received", function(ev)
  re.gsub("a", "a", "100%") --> "invalid use of % in the replacement"
end)
chert.on("message.received", function(ev)
  re.gsub("a", "a", function() return {} end) --> "the replacement must be a string, got a table"
end)
chert.on("message.received", function(ev)
  re.match("a", nil) --> "re.match: s is missing: expected a string"
end)

-- log
chert.on("message.received", function(ev)
  log.info("plain")
  log.warn(42, { chat = ev.chat.id, f = print, deep = { 1, { a = 2 } }, [1] = true })
  log.debug(ev, ev.chat)
end)
chert.on("message.received", function(ev)
  log.infos("x") --> "log.infos does not exist\ndid you mean log.info\?"
end)
chert.on("message.received", function(ev)
  log.info("a", "b") --> "log.info: fields must be a table, got the string .b."
end)
