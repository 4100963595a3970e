-- What functions of the library do at the edges of what they take.
local t = { 1, 2, 3, a = 1 }

fail(function() next(t, "b") end) --> "invalid key to 'next'"
fail(function() next(t, 0) end) --> "invalid key to 'next'"
fail(function() next(t, -1) end) --> "invalid key to 'next'"
fail(function() next(t, 1e300) end) --> "invalid key to 'next'"
fail(function() next({}, true) end) --> "invalid key to 'next'"
fail(function() next(t, {}) end) --> "invalid key to 'next'"
show(next(t)) --> "^1 1$"
show(next(t, 3)) --> "^a 1$"
show(next(t, 4)) --> "^a 1$"
show(next(t, "a")) --> "^nil$"
show(next({}, 1)) --> "^nil$"

show(("xyx"):gsub("x", "%%")) --> "^%y% 2$"
show(("abc"):gsub("%w", "%0%1")) --> "^aabbcc 3$"
show(("abc"):gsub("(a)(b)", "%2%1")) --> "^bac 1$"
show(("abc"):gsub("b", "[%0]", 0)) --> "^abc 0$"
show(("abc"):gsub("b", 5)) --> "^a5c 1$"
show(("abc"):gsub("", "-")) --> "^-a-b-c- 4$"
show(("xy"):gsub("x", { x = false })) --> "^xy 1$"
fail(function() ("a"):gsub("a", "%2") end) --> "invalid capture index"
fail(function() ("x"):gsub("x", nil) end) --> "bad argument #3 to gsub \(string/function/table expected, got nil\)"
fail(function() ("x"):gsub("x", true) end) --> "string/function/table expected, got boolean"
fail(function() ("x"):gsub("x", function() return {} end) end) --> "invalid replacement value \(a table\)"
fail(function() ("x"):gsub("x", { x = true }) end) --> "invalid replacement value \(a boolean\)"

fail(function() table.insert({}) end) --> "wrong number of arguments to 'insert'.*hint: write table.insert\(list, value\)"
fail(function() table.insert({}, 1, 2, 3) end) --> "wrong number of arguments to 'insert'"
local far = {}
table.insert(far, 5, "v")
show(far[4], far[5], far[6]) --> "^nil v nil$"
local list = { 1, 2 }
table.insert(list, 1, nil)
show(list[1], list[2], list[3]) --> "^nil 1 2$"
local named = {}
named[3], named[2], named[1] = "c", "b", "a"
table.insert(named, 2, "x")
show(table.concat(named, " ")) --> "^a x b c$"
show(table.remove(named, 1), table.concat(named, " ")) --> "^a x b c$"
show(table.remove(named), table.remove(named), table.remove(named), #named) --> "^c b x 0$"
show(table.remove({})) --> "^$"
show(table.remove({ 1 }, 0)) --> "^$"
show(table.remove({ 1 }, 2)) --> "^$"
show(table.maxn({ 1, 2, [10] = 1, [-5] = 2 }), table.maxn({ [1.5] = 1 }), table.maxn({})) --> "^10 1.5 0$"
local shrunk = { [10] = 1, [4] = 1 }
shrunk[10] = nil
show(table.maxn(shrunk)) --> "^4$"
show(table.concat({ 1, 2, 3 }, "-", 2, 3), table.concat({}, "x"), table.concat({ 1, 2, 3 }, ", ", 3, 2)) --> "^2-3  $"

local ended = { 1, 2, 3 }
ended[3] = nil
table.insert(ended, 1, 0)
show(ended[1], ended[2], ended[3], #ended) --> "^0 1 2 3$"
ended = { 1, 2, 3, 4 }
ended[4] = nil
show(table.remove(ended, 1), ended[1], ended[2], ended[3], #ended) --> "^1 2 3 nil 2$"
local zero = { 1, 2 }
table.insert(zero, 0, "z")
show(zero[0], zero[1], zero[2], zero[3]) --> "^z nil 1 2$"

-- The length of a table asks no metatable, and leaves it as it is.
local measured = setmetatable({ 1, 2 }, { __len = function() return 9 end })
show(#measured, getmetatable(measured) ~= nil) --> "^2 true$"
local other = {}
setmetatable(measured, other)
for _ = 1, 10000 do local _ = 1 end
show(getmetatable(measured) == other) --> "^true$"
show(#measured, #setmetatable(measured, nil), getmetatable(measured)) --> "^2 2 nil$"

fail(function() tonumber() end) --> "bad argument #1 to tonumber \(value expected\)"
fail(function() tonumber("10", 1) end) --> "base out of range"
fail(function() tonumber("10", 37) end) --> "base out of range"
show(tonumber("ff", 16), tonumber("zz", 36), tonumber("8", 8), tonumber("11", 2), tonumber(10, 16)) --> "^255 1295 nil 3 16$"
show(tonumber(""), tonumber(" 0x10 "), tonumber("1e2"), tonumber("1e"), tonumber("- 1"), tonumber({})) --> "^nil 16 100 nil nil nil$"

fail(function() assert() end) --> "bad argument #1 to assert \(value expected\)"
fail(function() assert(false, 5) end) --> "error: 5$"
fail(function() assert(nil, { message = "inside" }) end) --> "error: inside$"
show(assert(1, 2, 3)) --> "^1 2 3$"
fail(function() getmetatable() end) --> "bad argument #1 to getmetatable \(value expected\)"
fail(function() setmetatable({}) end) --> "bad argument #2 to setmetatable \(nil or table expected\)"
fail(function() setmetatable({}, 5) end) --> "nil or table expected"
fail(function() setmetatable(setmetatable({}, { __metatable = 1 }), nil) end) --> "cannot change a protected metatable"
show(getmetatable(setmetatable({}, { __metatable = 7 }))) --> "^7$"
show(getmetatable(setmetatable(setmetatable({}, {}), nil))) --> "^nil$"
fail(function() rawequal() end) --> "bad argument #1 to rawequal"
fail(function() rawequal(1) end) --> "bad argument #2 to rawequal"

show(unpack({ 1, 2, 3 }, 2)) --> "^2 3$"
show(unpack({ 1, 2, 3 }, 3, 2)) --> "^$"
show(unpack({ 1, 2 }, 0, 3)) --> "^nil 1 2 nil$"
fail(function() unpack({}, 1, 1e8) end) --> "too many results to unpack"
fail(function() unpack({}, -2 ^ 31, 2 ^ 31) end) --> "too many results to unpack"

show(("%d %d %d"):format(3.7, -3.7, 0)) --> "^3 -3 0$"
show(("%d %d %d"):format(1 / 0, -1 / 0, 0 / 0)) --> "^9223372036854775807 -9223372036854775808 0$"
show(("%u %u %u"):format(2 ^ 64, 2 ^ 63, 0 / 0)) --> "^18446744073709551615 9223372036854775808 0$"
show(("%x %X %o"):format(-1, 255, 8)) --> "^ffffffffffffffff FF 10$"
