chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id)
  chert.mark_read(ev.chat.id, nil)
  chert.mark_read(ev.chat.id, { after = 30, reason = "x", even_if_newer = true })
  chert.hold("c2", "1d", { reason = "quiet" })
  chert.set_timer("settle", "5m", { n = 1 })
  chert.typing(ev.chat.id, "typing")
end)
chert.on("message.received", function(ev)
  chert.mark_reed(ev.chat.id) --> "chert.mark_reed does not exist\ndid you mean chert.mark_read\?"
end)
chert.on("message.received", function(ev)
  chert.markRead(ev.chat.id) --> "did you mean chert.mark_read\?"
end)
chert.on("message.received", function(ev)
  chert.mark_read() --> "chert.mark_read: chat_id is nil\npass ev.chat.id"
end)
chert.on("schedule", function(ev)
  chert.mark_read(ev.chat) --> "chat_id is nil: this event \(schedule\) has no chat, ev.chat is nil\nreturn early: if not ev.chat then return end"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat) --> "chat_id must be a string, got ev.chat\npass ev.chat.id"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev) --> "chat_id must be a string, got ev\npass ev.chat.id"
end)
chert.on("message.received", function(ev)
  chert.mark_read("") --> "chat_id .* is not an id"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, "30s") --> "options must be a table, got the string .30s.\nwrite a table: \{ after = … \}"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { delay = "30s" }) --> "unknown key .delay.\ndid you mean after\?"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { "30s" }) --> "unknown key 1\nit takes after, at, tz"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = "30" .. "sec" }) --> "after: duration .30sec. has an unknown unit .sec."
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = -1 }) --> "after: duration -1 is negative"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = true }) --> "after must be seconds, or a string like .*, got true"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = "1m", at = "09:00" }) --> "after and at exclude each other"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { at = "9am" }) --> "at: window .9am.: .9am. is not a time of day"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { at = "09:00", tz = "New York" }) --> "unknown time zone .New York.: did you mean .America/New_York.\?"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { tz = "UTC" }) --> "tz is the time zone of at"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { even_if_newer = "yes" }) --> "even_if_newer must be true or false, got the string .yes."
end)
chert.on("message.received", function(ev)
  local office, night = "Mon-Fri 09:00-17:30", { "1h", during = "22:00-06:00", tz = "Europe/Berlin", not_on = { "2026-12-24..2026-12-26" } }
  chert.postpone(ev.chat.id, { after = { "30m", during = office } })
  chert.postpone(ev.chat.id, { after = { 90, during = office, not_on = "2026-12-25" } })
  chert.postpone(ev.chat.id, { after = night })
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = { during = "Mon-Fri" } }) --> "chert.mark_read: after: the duration is missing\nwrite after = \{ .30m., during = .Mon-Fri 09:00-17:30. \}"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = { "30m" } }) --> "chert.mark_read: after: during is missing"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = { "30m", during = "09:00" } }) --> "after: during: window .09:00.: 09:00 is a moment, not a span"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = { "30 minutes", during = "Mon-Fri" } }) --> "after: \[1\]: duration .30 minutes. is not understood"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = { "30m", hours = "Mon-Fri" } }) --> "chert.mark_read: after: unknown key .hours.\ndid you mean during\?"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = { "30m", "1h", during = "Mon-Fri" } }) --> "after: unknown key 2\nit takes \[1\], during, tz, not_on"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = "30m", during = "Mon-Fri" }) --> "unknown key .during.\nwrite it within after: after = \{ .30m., during"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = { "30m", during = "Mon-Fri" }, tz = "UTC" }) --> "tz is the time zone of at, and after has its own\nwrite it within after"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = { "30m", during = "Mon-Fri", tz = "Berlin" } }) --> "after: during: unknown time zone .Berlin.: did you mean .Europe/Berlin.\?"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = { "30m", during = "Mon-Fri", not_on = { "2026-12-25", "25.12.2027" } } }) --> "after: not_on: item 2: .25.12.2027. is not a day\nwrite .2027-12-25."
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = { "30d", during = "Mon 09:00-09:01" } }) --> "after: 30d is too long: .Mon 09:00-09:01. is open for 1m a week, and it has to pass within 366d\ncorrect the duration"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = { "30m", during = "Mon-Fri 09:00-17:30", not_on = "2020-01-01..2040-01-01" } }) --> "after: .Mon-Fri 09:00-17:30. is not open within the next 366d: not_on has all of its days\ncorrect"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { at_most = "5m" }) --> "at_most limits how long later reads restart the delay, and after and at are missing\nadd after"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = "30s", at_most = 0 }) --> "at_most must be greater than 0\nleave at_most out"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { after = "30s", at_most = "soon" }) --> "chert.mark_read: at_most: duration .soon. is not understood"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { only_if = "answerd" }) --> "only_if must be .answered., .unanswered., got the string .answerd.\ndid you mean .answered.\?"
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id, { only_if = true }) --> "only_if must be .answered., .unanswered., got true"
end)
chert.on("message.received", function(ev)
  chert.postpone(ev.chat.id, { after = "1h", at_most = "2h" }) --> "unknown key .at_most."
end)
chert.on("message.received", function(ev)
  chert.postpone(ev.chat.id) --> "chert.postpone: options is missing: expected a table"
end)
chert.on("message.received", function(ev)
  chert.postpone(ev.chat.id, {}) --> "chert.postpone: after or at is missing: it sets until when reads wait\nwrite \{ at = .Mon-Fri 09:00. \}"
end)
chert.on("message.received", function(ev)
  chert.postpone(ev.chat.id, { after = "1h", at = "09:00" }) --> "chert.postpone: after and at exclude each other"
end)
chert.on("message.received", function(ev)
  chert.postpone(ev.chat.id, { after = "1h", even_if_newer = true }) --> "unknown key .even_if_newer.\nit takes after, at, tz, reason"
end)
chert.on("message.received", function(ev)
  chert.postpone(ev.chat.id, { at = "9am" }) --> "chert.postpone: at: window .9am."
end)
chert.on("message.received", function(ev)
  chert.hold(ev.chat.id) --> "chert.hold: duration is missing: expected seconds"
end)
chert.on("message.received", function(ev)
  chert.hold(ev.chat.id, 0) --> "duration must be greater than 0\nto end a hold, write chert.release"
end)
chert.on("message.received", function(ev)
  chert.set_timer("x") --> "chert.set_timer: duration is missing: expected seconds"
end)
chert.on("message.received", function(ev)
  chert.set_timer("call back", "5m") --> "chert.set_timer: name .call back. contains a space or a .: no rule can subscribe to .timer:call back.\nwrite a name such as .remind_me."
end)
chert.on("message.received", function(ev)
  chert.set_timer("x", "5m", { f = print }) --> "payload can't be stored: at .f: a function can't be written as JSON"
end)
chert.on("schedule", function(ev)
  chert.set_timer("x", "5m") --> "timers belong to a chat, and this event \(schedule\) has none\nfor work not tied to a chat, use chert.every"
end)
chert.on("message.received", function(ev)
  chert.typing(ev.chat.id, "typin") --> "state must be .typing., .stopped., got the string .typin.\ndid you mean .typing.\?"
end)
chert.on("message.received", function(ev)
  chert.send(ev.chat.id, "hi") --> "chert.send is not granted to this pack\nadd .permissions: \[send\]. to pack.yaml, and have the operator add .grant: \[send\]. to chertd.yaml"
end)
chert.on("message.received", function(ev)
  chert.mark_read = nil --> "chert can't be changed: it is a library"
end)
chert.on("message.received", function(ev)
  -- A library function, given away, still knows its rules.
  local f = chert.typing
  f(ev.chat.id, 7) --> "state must be"
end)
chert.on("message.received", function(ev)
  mark_read(ev.chat.id) --> "mark_read is not defined\ndid you mean chert.mark_read\?"
end)
chert.on("message.received", function(ev)
  return text --> "text is not defined\ndid you mean ev.text, in a handler"
end)
chert.on("message.received", function(ev)
  chert.reply(ev.chat.id) --> "chert.reply does not exist\nchert has on, rule, every, mark_read"
end)
chert.on("message.received", function(ev)
  return data.vips --> "data.vips does not exist\nto read a file of data/, write data.load\(.vips.\)"
end)
chert.on("message.received", function(ev)
  kv.count = 1 --> "kv can't be changed: it is a library\nwrite kv.set\(.count., …\)"
end)
chert.on("message.received", function(ev)
  return kv.count --> "kv.count does not exist\nto read a stored value, write kv.get\(.count.\)"
end)
