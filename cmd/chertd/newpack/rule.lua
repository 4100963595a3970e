-- NAME: marks a chat as read some time after someone has said thanks.
--
-- To change the words or the delay, edit the settings in pack.yaml. To change what
-- the rule does, edit the code below. Changes go live when you save the file.

chert.rule({
  name = "read thanks",
  on = "message.received",
  where = { is_group = false, words = config.words },
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = config.wait, reason = "they said thanks" })
  end,
})
