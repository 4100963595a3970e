-- Urgent messages stay unread for a person, whatever other packs ask for. After a
-- while the log reminds of them, as a warning, and in the end as an error: point
-- your alerts at these lines.
--
-- To change it: the words, the waits and how often are said in pack.yaml.
--
-- It can't see whether a person has read the chat or answered: Chert has no events
-- for that. So it reminds, whatever was done; three reminders, and it is silent
-- until the next urgent message. `chertd release CHAT` lets other packs read again.

chert.rule({
  name = "leave it and set the clock",
  on = "message.received",
  where = { words = config.words },
  run = function(ev)
    chert.hold(ev.chat.id, config.hold, { reason = "urgent" })
    if ev.state.since then
      return -- the clock runs already; more messages must not set it back
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
