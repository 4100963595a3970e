chert.every("0 9 * * MON-FRI", { name = "daily" }, function(ev)
  local total = 0
  for _, entry in ipairs(kv.list("count:")) do
    total = total + entry.value
    kv.delete(entry.key)
  end
  log.info("yesterday", { messages = total, day = chert.date("%Y-%m-%d", ev.at) })
end)

chert.on("message.received", function(ev)
  kv.incr("count:" .. chert.date("%H"), 1, { ttl = "2d" })
  if ev.chat.is_group then
    kv.set("last:" .. ev.chat.id, { id = ev.id, handles = #ev.chat.handles }, { ttl = "7d" })
  end
end)
