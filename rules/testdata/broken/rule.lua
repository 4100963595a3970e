local function run(ev) end

chert.rule({ name = "same", on = "message.received", run = run })
chert.rule({ name = "same", on = "message.received", run = run }) --> "the name \"same\" is already used by the rule at .*rule.lua:3\n  hint: names must be unique within a pack"
chert.rule({ on = "message.received", cooldown = "10m", run = run }) --> "a rule with a cooldown needs a name"
chert.rule({ on = "message.received", sample = 0.1, run = run }) --> "a rule with sample needs a name"
chert.rule({ name = "c", on = "message.received", during = "Mon-Fri 9-17", run = run }) --> "09:00"
chert.rule({ name = "d", on = "message.received", during = "09:00-17:00", tz = "EST5", run = run }) --> "unknown time zone"
chert.rule({ name = "e", on = "message.received", tz = "Europe/Berlin", run = run }) --> "tz has no effect without during, outside or not_on"
chert.rule({ name = "g#1", on = "message.received", run = run }) --> "are not allowed in a name"
chert.rule({ name = "f", on = "message.received", during = "09:00-17:00", outside = "12:00-13:00", run = run }) --> "during and outside exclude each other"
