-- Business time and at_most, as far as they are constant.
local OFFICE = "Mon-Fri 09:00-17:30"
local OVER, DAY = { "2001-12-24" }, "2001-12-24"
local WAIT = { "30m", during = OFFICE, tz = "Europe/Berlin", not_on = { "2026-12-24..2026-12-26" } }
chert.rule({
  name = "n",
  on = "message.received",
  run = function(ev)
    local id = ev.chat.id
    chert.mark_read(id, { after = WAIT, at_most = { "2h", during = OFFICE } })
    chert.mark_read(id, { after = { ev.state.wait, during = ev.text } })
    chert.mark_read(id, { after = { unpack(ev.state) } })
    chert.mark_read(id, { after = { during = OFFICE } }) --> "error: chert.mark_read: after: the duration is missing \[CH013\].write after = \{"
    chert.mark_read(id, { after = { "30m" } }) --> "chert.mark_read: after: during is missing \[CH013\]"
    chert.mark_read(id, { after = { "half an hour", during = OFFICE } }) --> "37: error: chert.mark_read: after: \[1\]: duration .half an hour. .* \[CH013\]"
    chert.mark_read(id, { after = { true, during = OFFICE } }) --> "after: \[1\] must be a duration"
    chert.mark_read(id, { after = { "30m", during = "9-17" } }) --> "after: during: window .9-17."
    chert.mark_read(id, { after = { "30m", during = "09:00" } }) --> "09:00 is a moment, not a span"
    chert.mark_read(id, { after = { "30m", during = OFFICE, tz = "Berlin" } }) --> "after: tz: .*Europe/Berlin"
    chert.mark_read(id, { after = { "30m", during = OFFICE, not_on = { "2026-12-25", "2026-02-30" } } }) --> "not_on: .2026-02-30. is not a day: February 2026 has 28 days"
    chert.mark_read(id, { after = { "30m", during = OFFICE, not_on = "25.12.2026" } }) --> "not_on: .25.12.2026. is not a day.*\[CH013\].write .2026-12-25."
    chert.mark_read(id, { after = { "30m", during = OFFICE, not_on = { "2001-01-01", "2001-12-24..2002-01-01" } } }) --> "70: warning: chert.mark_read: after: not_on: all its days are past: the last was 2002-01-01 \[CH035\].add future days"
    chert.mark_read(id, { after = { "30m", during = OFFICE, tz = "Pacific/Auckland", not_on = OVER } }) --> "after: not_on: all its days are past: the last was 2001-12-24 \[CH035\]"
    chert.postpone(id, { after = { "30m", during = OFFICE, tz = ev.text, not_on = DAY } }) --> "chert.postpone: after: not_on: all its days are past: the last was 2001-12-24 \[CH035\]"
    chert.mark_read(id, { after = "5m", at_most = { "2h", during = OFFICE, not_on = "2001-12-24" } }) --> "at_most: not_on: all its days are past: the last was 2001-12-24 \[CH035\]"
    chert.mark_read(id, { after = { "30m", during = OFFICE, not_on = { "2001-01-01", "2999-01-01" } } })
    chert.mark_read(id, { after = { "30m", during = OFFICE, not_on = { "2001-01-01", ev.text } } })
    chert.mark_read(id, { after = { "30m", hours = OFFICE } }) --> "44: error: chert.mark_read: after: unknown key .hours. \[CH015\].did you mean during"
    chert.mark_read(id, { after = { "30m", "1h", during = OFFICE } }) --> "unknown key .a second value."
    chert.mark_read(id, { after = "30m", during = OFFICE }) --> "unknown key .during. \[CH015\].write it within after: after = \{ .30m., during"
    chert.mark_read(id, { after = WAIT, tz = "UTC" }) --> "tz is the time zone of at, and after has its own"
    chert.mark_read(id, { after = { "30d", during = "Mon 09:00-09:01" } }) --> "after: 30d is too long: .Mon 09:00-09:01. is open for 1m a week.* \[CH013\].correct the duration"
    chert.mark_read(id, { after = true }) --> "after must be a duration: seconds, a string like .*, or business time, got true"
    chert.mark_read(id, { at_most = "5m" }) --> "at_most limits how long later reads restart the delay, and after and at are missing"
    chert.mark_read(id, { after = "30s", at_most = 0 }) --> "at_most must be greater than 0"
    chert.mark_read(id, { after = "30s", at_most = { 0, during = OFFICE } }) --> "at_most must be greater than 0"
    chert.mark_read(id, { after = "30s", at_most = "ever" }) --> "at_most: duration .ever."
    chert.mark_read(id, { after = ev.state.wait, at_most = ev.state.most })
    chert.mark_read(id, { only_if = "answered", after = "5m" })
    chert.mark_read(id, { only_if = "replied" }) --> "37: error: chert.mark_read: only_if must be .answered., .unanswered., got the string .replied. \[CH013\]"
    chert.mark_read(id, { only_if = "unansered" }) --> "did you mean .unanswered."
    chert.postpone(id, { after = { "1h", during = "Mon-Frei" } }) --> "chert.postpone: after: during: .*unknown day"
  end,
})
