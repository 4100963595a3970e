-- Answers of lua5.1, where it would have been easy to differ.

show(("a"):gsub("a", "x%")) --> "^x\x00 1$"
show(("ab"):gsub(".", "%")) --> "^\x00\x00 2$"

show(tonumber("-ff", 16), tonumber("-1", 16)) --> "^1.844674407371e\+19 1.844674407371e\+19$"
show(tonumber("+ff", 16), tonumber("0xff", 16), tonumber("-0xff", 16) > 0) --> "^255 255 true$"
show(tonumber("fffffffffffffffffffff", 16)) --> "^1.844674407371e\+19$"
show(tonumber("--1", 16), tonumber("1_0", 16), tonumber("", 16), tonumber("-", 16)) --> "^nil nil nil nil$"
show(tonumber("-101", 2) > 1e19, tonumber("-10", 10)) --> "^true -10$"

-- The handler of xpcall handles its own errors, until it is enough.
show(xpcall(function() error("a", 0) end, function() error("b", 0) end)) --> "^false error in error handling$"
local n = 0
show(xpcall(function() error("a", 0) end, function(e) --> "^false done a12$"
  n = n + 1
  if n < 3 then
    error(e .. n, 0)
  end
  return "done " .. e
end))
show(xpcall(function() error("a", 0) end, nil)) --> "^false error in error handling$"
