local function tick(ev)
  log.info(ev.id)
end
chert.every("0 9 13 * FRI", { name = "a" }, tick) --> "1: warning: schedule .0 9 13 \* \* ?FRI.|day of month .13. and weekday .FRI. are both given: it runs on each day that matches either of them \[CH034\].to match only one of them"
chert.every("0 9 8-14 * TUE", { name = "b" }, tick) --> "CH034\].the second TUE of the month is TUE#2 in the weekday"
chert.every("0 9 */2 * MON", { name = "c" }, tick) --> "must both hold here, since one of them begins with \* \[CH034\]"
chert.every("0 9 1-7 * *", { name = "d" }, tick)
chert.every("0 9 ? * MON#1", { name = "e" }, tick)
chert.every("*/45 9 * * *", { name = "f" }, tick) --> "minute .\*/45. counts from 0 in each hour: the last run is 15m before the next \[CH036\].*chert.every\(.45m"
chert.every("0 */5 * * *", { name = "g" }, tick) --> "hour .\*/5. counts from 0 in each day: the last run is 4h before the next \[CH036\]"
chert.every("*/15 */6 * * *", { name = "h" }, tick)
chert.every("1d", { name = "i", missed = "all" }, tick)
-----
local closed = { "2001-01-01", "2001-12-24..2002-01-01" }
chert.rule({ --> "1: warning: not_on: all its days are past: the last was 2002-01-01 \[CH035\].add future days"
  name = "n",
  on = "message.received",
  during = "09:00-17:00",
  not_on = closed,
  run = function(ev)
    chert.mark_read(ev.chat.id)
  end,
})
chert.rule({
  name = "m",
  on = "message.received",
  outside = "00:00-24:00",
  not_on = "2999-01-01",
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = 0 })
  end,
})
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = "0s" })
  chert.mark_read(ev.chat.id, { after = "1s" }) --> "a delayed read needs a rule with a name"
end)
-----
chert.every("0 0 * * FRI-MON", { name = "n" }, function(ev) --> "1: error: schedule .0 0 \* \* FRI-MON.: weekday range .FRI-MON. runs backwards \[CH003\].write .FRI-SUN,MON."
  log.info(ev.id)
end)
chert.every("0 0 30 2 *", { name = "m", missed = "always" }, function(ev) --> "never runs: no such month has that day \[CH003\]" "missed: expected .once., .skip. or .all., got .always. \[CH003\]"
  log.info(ev.id)
end)
chert.rule({ --> "not_on: item 2: .25.12.2026. is not a day \[CH003\].write .2026-12-25."
  name = "o",
  on = "message.received",
  not_on = { "2026-12-25", "25.12.2026" },
  run = function(ev)
    chert.mark_read(ev.chat.id)
  end,
})
chert.rule({ --> "max_age: duration .6 hours. is not understood.* \[CH003\]"
  on = "message.received",
  max_age = "6 hours",
  run = function(ev)
    chert.mark_read(ev.chat.id)
  end,
})
local function later()
  chert.set_timer("t", "5m") --> "3: error: chert.set_timer: timers belong to a chat, and a .schedule. event has none \[CH042\].store it in kv"
end
chert.every("15m", { name = "p" }, function(ev)
  later()
  chert.cancel_timer("t") --> "3: error: chert.cancel_timer: timers belong to a chat"
  log.info(ev.id)
end)
