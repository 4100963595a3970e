local x = 1 --> "7: warning: x is never used"
local y = 2 -- check: allow CH030 for show
-- check: allow CH030
local z = 3
-- check: allow CH030, ch041 it will come --> "24: warning: CH041 is allowed here, but there is no such finding \[CH060\].delete the comment"
-- and more words

local a, b = 3
local text = "-- check: allow CH030" .. "x" --> "text is never used"
local long = [[ --> "long is never used"
-- check: allow CH030 ]]
-- check: allow CH999 --> "17: warning: there is no code CH999 \[CH060\]"
-- check: allow CH001 --> "CH001 can't be allowed: the pack would not load"
chert.on("message.received", function(ev)
  chert.mark_reed(ev.chat.id) -- check: allow CH011 to see that errors can be, too
  ev.id = 5 -- check: allow CH011 --> "error: ev.id can't be assigned" "CH011 is allowed here, but there is no such finding"
  -- check: allow CH020 --> "CH020 is allowed here"
end)
-----
-- check: allow CH007 this file is to come --> "CH007 can't be allowed: the pack would not load"
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id)
end)
