local NAME, WAIT = "remind", "15m"

chert.on("message.received", function(ev)
  chert.set_timer(NAME, WAIT, { text = ev.text, at = ev.at })
end)

chert.on("timer:" .. NAME, function(ev)
  local p = ev.payload
  if p and p.text ~= "" then
    log.warn("still unread", { chat = ev.chat.id, since = p.at })
  end
  if type(p) == "table" and p.again then
    chert.cancel_timer(NAME)
  end
end)
