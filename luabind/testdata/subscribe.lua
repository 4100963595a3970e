chert.on("message.received", function(ev) end)
chert.on("*", { is_group = false, text = { "code", "otp" } }, function(ev) end)
chert.rule({
  name = "read codes",
  on = { "message.received", "lead_reply" },
  where = { from = "+14155551234", except = { text = "stop" } },
  during = "Mon-Fri 09:00-17:30",
  tz = "America/New_York",
  cooldown = "10m",
  sample = 0.1,
  run = function(ev) end,
})
chert.every("15m", { name = "tick" }, function(ev) end)
chert.every("0 9 * * MON-FRI", { name = "morning", tz = "UTC" }, function(ev) end)
-----
chert.mark_read("c1") --> "chert.mark_read can't be called while the file loads: there is no event yet\ncall it inside a handler"
-----
kv.set("a", 1) --> "kv.set can't be called while the file loads"
-----
local now = chert.now() --> "chert.now can't be called while the file loads"
-----
chert.on("message.received", function(ev)
  chert.on("x", function() end) --> "chert.on can only be called while the file loads, not in a handler\ncall it at the top of the file"
end)
-----
chert.onn("x", function() end) --> "chert.onn does not exist\ndid you mean chert.on\?"
-----
chert.on() --> "chert.on: type is missing: expected a type of event"
-----
chert.on("message.received") --> "chert.on: the handler is missing: expected a function\(ev\)\nusage: chert.on\(type"
-----
chert.on("message.received", nil, function() end) --> "chert.on: where must be a table, got nil"
-----
chert.on(function() end) --> "chert.on: type must be a type of event, like .message.received., got a function"
-----
chert:on("message.received", function() end) --> "chert.on was called with a colon\nwrite chert.on\(…\), with a dot"
-----
chert.on("message.received", print) --> "must be a function of the file"
-----
chert.on("message.received", { "code" }, function() end) --> "where is a list, not conditions by name"
-----
chert.on("message.received", { text = print }, function() end) --> "where: at .text: a function is not data"
-----
chert.on("message.received", { text = "a" }, function() end, 1) --> "chert.on got 4 arguments, it takes at most 3\nusage: chert.on\(type, \[where,\] fn\)"
-----
chert.rule("x") --> "chert.rule: rule must be a table, got the string .x."
-----
chert.rule({ on = "message.received", wher = {}, run = function() end }) --> "chert.rule: unknown key .wher.\ndid you mean where\?"
-----
chert.rule({ on = "message.received", fn = function() end }) --> "unknown key .fn.\ndid you mean (on|run)\?"
-----
chert.rule({ on = "message.received", handler = function() end }) --> "unknown key .handler.\ndid you mean run\?"
-----
chert.rule({ on = "message.received", colour = 1 }) --> "unknown key .colour.\nit takes name, on, where"
-----
chert.rule({ name = "x", run = function() end }) --> "chert.rule: on is missing\nadd the event types"
-----
chert.rule({ name = "x", on = {}, run = function() end }) --> "chert.rule: on must be a string or a list of strings, got a table"
-----
chert.rule({ name = "x", on = "*" }) --> "chert.rule: run is missing"
-----
chert.rule({ name = 7, on = "*", run = function() end }) --> "chert.rule: name must be a string, got the number 7"
-----
chert.rule({ on = "*", cooldown = "5 minutes", run = function() end }) --> "chert.rule: cooldown: duration .5 minutes. is not understood: expected seconds, or a string like .90s."
-----
chert.rule({ on = "*", sample = 10, run = function() end }) --> "sample must be a share of the chats above 0 and up to 1, like 0.1, got the number 10"
-----
chert.rule({ on = "*", during = "Mon", outside = "Tue", run = function() end }) --> "during and outside exclude each other"
-----
chert.every(function() end) --> "chert.every: schedule must be a duration like .15m., or five cron fields"
-----
chert.every("15m", { nmae = "x" }, function() end) --> "chert.every: unknown key .nmae.\ndid you mean name\?"
-----
chert.every("15m", { name = "x" }) --> "chert.every: fn is missing: expected a function\(ev\)"
