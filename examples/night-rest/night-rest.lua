-- Outside the hours, no chat is read, whatever other packs request. Their reads wait
-- until the hours begin, and then go out.
--
-- To use it, set the hours and the time zone in pack.yaml. It requests no reads itself,
-- and works with any pack that does.
--
-- It depends on when an event arrives. A read that was requested during the hours with a
-- delay goes out when the delay is over, even after the hours; the chat's next event
-- postpones it. Vetoes and holds work as usual. Many reads are due when the hours begin;
-- chertd limits the rate of its calls.

chert.rule({
  name = "wait for the hours",
  on = "*",
  where = { chat = true },
  outside = config.hours,
  tz = config.tz,
  run = function(ev)
    chert.postpone(ev.chat.id, { at = config.hours, tz = config.tz, reason = "outside of the hours" })
  end,
})
