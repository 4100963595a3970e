-- Marks a group as read once it has been quiet for a while. If someone calls us by name,
-- the group stays unread, and a person can find it.
--
-- To change our names and the delays, edit the settings in pack.yaml.
--
-- A group in which we were called is held, not just skipped. Otherwise the next message
-- would have the whole group read, including the one that called us. The hold ends at its
-- time, or when you run `chertd release CHAT`. It wins over any read, and the second rule
-- does not need to know about the first.

chert.rule({
  name = "leave what is meant for us",
  on = "message.received",
  where = { is_group = true, words = config.names },
  run = function(ev)
    chert.hold(ev.chat.id, config.hold, { reason = "we were called by name" })
  end,
})

chert.rule({
  name = "read the rest once quiet",
  on = "message.received",
  where = { is_group = true },
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = config.quiet, reason = "the group is quiet" })
  end,
})
