-- Groups chatter. A group is read once it has been quiet for a while; but when
-- somebody calls us by name it stays unread, so that a person finds it.
--
-- To change it: what we are called, and how long it waits, is said in pack.yaml.
--
-- A group in which we were called is held, and not merely left: what is written
-- after it would otherwise have the whole group read, that message included. The
-- hold ends by itself, or when you say `chertd release CHAT`. It wins over any read,
-- so the second rule need not know of the first.

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
