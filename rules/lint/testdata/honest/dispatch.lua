local handlers = {}

handlers["message.received"] = function(ev)
  chert.mark_read(ev.chat.id)
end

handlers["reaction.added"] = function(ev)
  log.debug("a reaction", { chat = ev.chat and ev.chat.id })
end

chert.on("*", function(ev)
  local h = handlers[ev.type]
  if h then
    return h(ev)
  end
end)
