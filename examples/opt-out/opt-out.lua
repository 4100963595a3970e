-- Who writes STOP, or the like, is left for a person to take off the list: the chat
-- stays unread, whatever other packs ask for, and the log says so.
--
-- To change it: the words are in data/words.yaml, how long the chat stays unread is
-- in pack.yaml. `chertd release CHAT` ends it sooner, once it is taken care of.
--
-- It does not take anybody off a list, nor answer. It finds words, not what is
-- meant: "don't stop" is left for a person as well, which does no harm.

chert.rule({
  name = "leave opt-outs for a person",
  on = "message.received",
  where = { is_group = false, words = data.load("words") },
  run = function(ev)
    chert.hold(ev.chat.id, config.hold, { reason = "an opt-out" })
    log.warn("somebody wants no more messages", { chat = ev.chat.id, from = ev.from })
  end,
})
