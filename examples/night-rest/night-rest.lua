-- Outside of the hours no chat is read, whatever other packs ask for: their reads
-- wait until the hours begin, and go out then.
--
-- To use it: set the hours and where they hold in pack.yaml. It asks for no reads
-- itself, and goes together with any pack that does.
--
-- What it goes by is when an event comes. A read that was asked for in the hours
-- with a delay goes out when the delay is over, also after the hours; the chat's
-- next event postpones it. Vetoes and holds keep a chat unread as ever. When the
-- hours begin many reads are due at once: chertd paces its calls.

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
