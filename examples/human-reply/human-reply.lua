-- Marks a chat as read when a human has replied to it, and leaves it unread until then.
--
-- To use it, let your helpdesk send the signal human_replied for each reply of a human:
-- chertd signal, or POST /api/v1/signals. The cookbook has a recipe.
--
-- It reads the messages that came before the signal. One that comes after it waits for
-- the next reply. A message that another pack keeps unread stays unread.

chert.rule({
  name = "count what waits for a reply",
  on = "message.received",
  where = { direction = "inbound" },
  run = function(ev)
    ev.state.waiting = (ev.state.waiting or 0) + 1
  end,
})

chert.rule({
  name = "read when a human replied",
  on = "signal:human_replied",
  run = function(ev)
    log.info("a human replied", { chat = ev.chat.id, messages = ev.state.waiting or 0 })
    ev.state = nil
    chert.mark_read(ev.chat.id, { reason = "a human replied" })
  end,
})
