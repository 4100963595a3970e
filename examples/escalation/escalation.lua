-- Keeps urgent messages unread for a person, whatever other packs request. After a while
-- a reminder is logged as a warning, and finally as an error. Alert on these log lines.
--
-- To change the words, the delays and the number of reminders, edit pack.yaml.
--
-- It cannot see whether a person has read or answered the chat, because Chert sends no
-- events for that. It therefore reminds in any case, and stops after three reminders
-- until the next urgent message. `chertd release CHAT` lets other packs read the chat
-- again.

chert.rule({
  name = "hold the chat and set a reminder",
  on = "message.received",
  where = { words = config.words },
  run = function(ev)
    chert.hold(ev.chat.id, config.hold, { reason = "urgent" })
    if ev.state.since then
      return -- a reminder is already set; more messages must not delay it
    end
    ev.state.since = chert.now()
    ev.state.reminders = 0
    chert.set_timer("remind", config.first)
  end,
})

chert.rule({
  name = "remind",
  on = "timer:remind",
  run = function(ev)
    local reminders = ev.state.reminders + 1
    local minutes = math.floor((chert.now() - ev.state.since) / 60)
    local text = ("an urgent message came %d minutes ago, reminder %d"):format(minutes, reminders)
    if reminders >= config.reminders then
      log.error(text .. ", the last one", { chat = ev.chat.id })
      ev.state = nil
      return
    end
    log.warn(text, { chat = ev.chat.id })
    ev.state.reminders = reminders
    chert.set_timer("remind", config.again)
  end,
})
