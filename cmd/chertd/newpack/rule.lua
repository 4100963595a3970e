-- NAME: chats are read some time after somebody has said thanks.
--
-- To change it: the words and the wait are settings, in pack.yaml. What the
-- rule does is below; saving the file is enough, chertd takes it from there.

chert.rule({
  name = "read thanks",
  on = "message.received",
  where = { is_group = false, words = config.words },
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = config.wait, reason = "they said thanks" })
  end,
})
