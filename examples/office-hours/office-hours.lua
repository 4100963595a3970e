-- In office hours a chat is read a little after its last message. Outside of
-- them it is left unread, whatever other packs ask for: nobody is there to answer.
--
-- To change it: the hours, where they hold and the wait are settings, in pack.yaml.
--
-- What came outside of the hours stays unread when they begin, for whoever comes
-- in to find. To have it read then instead, put this into the second rule:
--
--     chert.mark_read(ev.chat.id, { at = "Mon-Fri 09:00", tz = config.tz })
--
-- To have the reads of all packs wait until then, take night-rest.
--
-- It knows nothing of holidays, and a message in the last minute of the hours is
-- read a little after them.

chert.rule({
  name = "read in office hours",
  on = "message.received",
  where = { is_group = false },
  during = config.hours,
  tz = config.tz,
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = config.wait, reason = "in office hours" })
  end,
})

chert.rule({
  name = "leave it outside of them",
  on = "message.received",
  where = { is_group = false },
  outside = config.hours,
  tz = config.tz,
  run = function(ev)
    chert.keep_unread(ev.chat.id, { reason = "outside of office hours" })
  end,
})
