-- expect: budget.*of the time went to
-- three in the morning: the counter is not counted
local i, found = 1, false
local words = { "code", "passcode" }
while i <= #words do
  if ("your code"):find(words[i], 1, true) then
    found = true
  else
    i = i + 1
  end
end
