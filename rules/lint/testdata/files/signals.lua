chert.on("signal:human_replied", function(ev)
  chert.mark_read(ev.chat.id)
  log.info(ev.signal.name, { agent = ev.signal.data.agent })
end)
chert.on("signal:human_replyed", function(ev) --> "1: warning: .signal:human_replyed. is nearly the name of another signal, .signal:human_replied. \[CH038\].did you mean .signal:human_replied.\?"
  chert.mark_read(ev.chat.id)
end)
chert.on({ "signal:HumanReplied", "signal:human_replied" }, function(ev) --> "1: warning: .signal:HumanReplied. is nearly the name"
  chert.mark_read(ev.chat.id)
end)
-- Names that differ on purpose.
chert.on({ "signal:bot_on", "signal:bot_off", "signal:step1", "signal:step2", "signal:ticket_opened", "signal:ticket_reopened" }, function(ev)
  chert.mark_read(ev.chat.id)
end)
chert.rule({ --> "1: warning: this rule can never run: text: an event signal:bot_took_over has none \[CH021\]"
  name = "n",
  on = "signal:bot_took_over",
  where = { text = "hello" },
  run = function(ev)
    chert.mark_read(ev.chat.id)
  end,
})
chert.on("signal:human_replied", function(ev)
  log.info(ev.message.id) --> "ev.message is nil in a .signal:human_replied. event"
end)
chert.on("message.received", function(ev)
  log.info(ev.signal.name) --> "ev.signal is nil in a .message.received. event"
end)
-----
chert.on("signal:human replied", function(ev) --> "1: error: on: .signal:human replied.: a type has no spaces \[CH003\]"
  log.info(ev.id)
end)
-----
chert.on("signal:", function(ev) --> "1: error: on: .signal:. lacks the signal's name \[CH003\].*chertd signal"
  log.info(ev.id)
end)
-----
chert.on("signal:signal:x", function(ev) --> "no signal can have this name"
  log.info(ev.id)
end)
-----
chert.on("signal:human_replied", function(ev)
  chert.mark_read(ev.chat.id, { reason = "a human replied" }) --> "3: warning: chert.mark_read: a read on a signal covers the messages that rules of this pack ran on.*\[CH039\].*message.received"
  chert.mark_read(ev.chat.id, { even_if_newer = true })
end)
chert.on({ "signal:human_replied", "reaction.added" }, function(ev)
  chert.mark_read(ev.chat.id)
end)
