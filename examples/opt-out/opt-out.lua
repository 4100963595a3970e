-- When someone sends STOP or a similar word, the chat stays unread whatever other packs
-- request, and the log says so. A person can then remove them from the list.
--
-- To change the words, edit data/words.yaml. To change how long the chat is held, edit
-- pack.yaml. `chertd release CHAT` ends the hold early, once someone has handled it.
--
-- It does not remove anyone from a list, and does not answer. It looks for words, and
-- does not understand the message: "don't stop" is also left for a person, which does no
-- harm.

chert.rule({
  name = "leave opt-outs for a person",
  on = "message.received",
  where = { is_group = false, words = data.load("words") },
  run = function(ev)
    chert.hold(ev.chat.id, config.hold, { reason = "an opt-out" })
    log.warn("someone wants no more messages", { chat = ev.chat.id, from = ev.from })
  end,
})
