-- Keeps urgent messages unread for a person, whatever other packs request. If nobody has
-- replied after 15 minutes, it notifies whoever is on call, at most once an hour for each
-- chat.
--
-- To use it, grant the permission notify and name the target oncall in chertd.yaml, as
-- pack.yaml shows. The target may be a pager or a chat tool. Let your helpdesk send the
-- signal human_replied for each reply of a human, or run
-- `chertd signal human_replied --chat CHAT`: the cookbook has a recipe. To change the words
-- and the delays, edit pack.yaml.
--
-- Without the signal it cannot know that someone has replied, and notifies in any case.
-- `chertd release CHAT` lets other packs read the chat again, and does not stop the
-- notification. The text has the id of the chat and nothing that the customer wrote,
-- because everybody who sees the pager can read it.

chert.rule({
  name = "hold the chat and wait for a person",
  on = "message.received",
  where = { direction = "inbound", words = config.words },
  run = function(ev)
    chert.hold(ev.chat.id, config.hold, { reason = "urgent" })
    if ev.state.since then
      return -- it waits already; more messages must not delay the notification
    end
    ev.state.since = chert.now()
    chert.set_timer("waited", config.wait)
  end,
})

chert.rule({
  name = "a human replied",
  on = "signal:human_replied",
  run = function(ev)
    chert.cancel_timer("waited")
    ev.state.since = nil
  end,
})

chert.rule({
  name = "notify",
  on = "timer:waited",
  run = function(ev)
    local now = chert.now()
    local due = (ev.state.notified or 0) + config.again
    if due > now then
      chert.set_timer("waited", due - now) -- a cooldown would drop it; it must come, only later
      return
    end
    local minutes = math.floor((now - ev.state.since) / 60)
    local text = ("an urgent message has waited for %d minutes in chat %s"):format(minutes, ev.chat.id)
    chert.notify("oncall", text, { chat = ev.chat.id, minutes = minutes })
    ev.state.since = nil
    ev.state.notified = now
  end,
})

chert.rule({
  name = "log failures",
  on = "action.failed",
  run = function(ev)
    log.error("nobody was notified", { target = ev.action.target, status = ev.action.status })
  end,
})
