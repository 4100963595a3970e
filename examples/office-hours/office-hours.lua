-- Marks chats as read during office hours, a short time after the last message.
-- Outside office hours, chats stay unread whatever other packs request, because nobody
-- is there to answer.
--
-- To change it, edit the hours, the time zone and the delay in pack.yaml.
--
-- Messages that arrive outside the hours stay unread when the hours begin, for the
-- people who come in. To have them read then instead, put this into the second rule:
--
--     chert.mark_read(ev.chat.id, { at = "Mon-Fri 09:00", tz = config.tz })
--
-- To let the reads of all packs wait until then, use night-rest.
--
-- It does not know holidays, and a message in the last minute of the hours is read
-- shortly after them.

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
