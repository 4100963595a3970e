-- Leaves a chat to a human: after a human's reply it stays unread for 12 hours, whatever
-- other packs request. When the bot takes over again, that ends, and what came meanwhile
-- is read.
--
-- To use it beside packs that read, let your helpdesk send the signals human_replied and
-- bot_took_over: chertd signal, or POST /api/v1/signals. The cookbook has a recipe. To
-- change how long a chat is quiet, edit quiet in pack.yaml.
--
-- The quiet time begins again with each reply. When it is over, the next message is
-- handled as usual; reads that were dropped meanwhile do not return. The bot ends every
-- hold of its chat, also one that you set by chertd hold.

chert.rule({
  name = "note what the bot has to read",
  on = "message.received",
  where = { direction = "inbound" },
  run = function(ev)
    ev.state.messages = (ev.state.messages or 0) + 1
  end,
})

chert.rule({
  name = "quiet after a human reply",
  on = "signal:human_replied",
  run = function(ev)
    ev.state.messages = nil
    chert.hold(ev.chat.id, config.quiet, { reason = "a human replied" })
  end,
})

chert.rule({
  name = "the bot took over",
  on = "signal:bot_took_over",
  run = function(ev)
    log.info("the bot took over", { chat = ev.chat.id, messages = ev.state.messages or 0 })
    local unread = ev.state.messages
    ev.state.messages = nil
    chert.release(ev.chat.id)
    if unread then
      chert.mark_read(ev.chat.id, { reason = "the bot took over" })
    end
  end,
})
