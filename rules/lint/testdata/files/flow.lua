chert.on("message.received", function(ev)
  if ev.text == "a" then
    error("no")
    log.info("never") --> "5: warning: unreachable: .* \[CH020\]"
    log.info("said once")
  end
  do
    return
  end
  chert.mark_read(ev.chat.id) --> "3: warning: unreachable"
end)
chert.on("message.received", function(ev)
  if ev.text == "a" then
    return
  elseif ev.text == "b" then
    error("x")
  else
    return
  end
  local x = 1 --> "3: warning: unreachable"
  log.info(x)
end)
chert.on("message.received", function(ev)
  while true do
    if ev.text == "x" then
      break
    end
  end
  for _ = 1, 3 do
    if ev.text == "y" then
      return
    end
  end
  repeat
    local done = true
  until done
  log.info("reached")
end)
chert.on("message.received", function(ev)
  while true do
    if ev.text == "x" then
      return
    end
  end
  log.info("not reached") --> "CH020"
end)
chert.on("message.received", function(ev) end) --> "30: warning: this handler does nothing \[CH025\]"
chert.rule({
  name = "n",
  on = "message.received",
  run = function() --> "9: warning: this handler does nothing \[CH025\]"
    -- later
  end,
})
-----
local used, unused = 1, 2 --> "13: warning: unused is never used \[CH030\]"
local _ignored = 1
local first, second = ("a b"):match("(%a) (%a)")
local function never() --> "16: warning: the function never is never called \[CH030\]"
  return 1
end
local set --> "7: warning: set is set but never used"
set = used
local M = {}
function M.f(a, b)
  return a
end
local calls_itself --> "7: warning: calls_itself is set but never used"
calls_itself = 5
chert.on("message.received", function(ev)
  local _, to = ev.text:find("x")
  local from, rest = ev.text:find("x") --> "15: warning: rest is never used"
  for i, v in ipairs({ 1 }) do
    log.info(v)
  end
  log.info(second, { M = M, to = to, from = from })
end)
-----
local count = function(n)
  return n == 0 and 0 or count(n - 1) --> "26: error: count is not defined \[CH010\]"
end
local function down(n)
  return n == 0 and 0 or down(n - 1)
end
chert.on("message.received", function(ev)
  repeat
    do
      return
    end
    log.info("never") --> "5: warning: unreachable"
  until count(1) == down(ev.at)
end)
