local phones = require("phones")

local function says(word)
  return { text = word, direction = "inbound" }
end

chert.rule({
  name = "now",
  on = "message.received",
  where = says("now"),
  run = function(ev)
    chert.mark_read(ev.chat.id, { reason = "asked to" })
  end,
})

chert.rule({
  name = "later",
  on = "message.received",
  where = { text = config.words },
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = config.wait })
  end,
})

chert.rule({
  name = "rested",
  on = "message.received",
  where = says("rest"),
  cooldown = "1m",
  run = function(ev)
    chert.mark_read(ev.chat.id)
  end,
})

chert.rule({
  name = "office",
  on = "message.received",
  where = says("office"),
  during = "Mon-Fri 09:00-17:00",
  run = function(ev)
    chert.mark_read(ev.chat.id)
  end,
})

chert.on("message.received", says("veto"), function(ev)
  chert.keep_unread(ev.chat.id)
end)

chert.on("message.received", says("hold"), function(ev)
  chert.hold(ev.chat.id, "1h", { reason = "on hold" })
end)

chert.on("message.received", says("boom"), function(ev)
  log.warn("about to fail")
  local nothing
  return nothing.field
end)

chert.on("message.received", says("timer"), function(ev)
  chert.set_timer("check", "5m", { n = 7 })
end)

chert.on("timer:check", function(ev)
  log.info("checked " .. tostring(ev.payload and ev.payload.n), { chat = ev.chat.id })
  chert.mark_read(ev.chat.id)
end)

chert.on("message.received", says("answer"), function(ev)
  chert.typing(ev.chat.id, "typing")
  chert.send(ev.chat.id, "hello")
  chert.react(ev.message.id, "love")
end)

chert.on("message.received", says("other"), function(ev)
  chert.mark_read("c9")
end)

chert.on("message.received", function(ev)
  ev.state.n = (ev.state.n or 0) + 1
  ev.state.from = phones.tidy(ev.from)
  if kv.incr("all", 1, { ttl = "1h" }) > 100 then
    log.error("too many")
  end
end)

chert.every("1h", { name = "hourly" }, function(ev)
  log.info("an hour passed")
end)

chert.every("0 9 * * MON-FRI", { name = "mornings" }, function(ev)
  chert.mark_read("c1")
end)

chert.on("action.failed", function(ev)
  log.warn("could not " .. ev.action.kind .. ": " .. ev.action.code .. " after " .. ev.action.attempts)
end)

chert.on("reaction.added", function(ev)
  log.info("reaction " .. tostring(ev.raw.data.reaction))
end)

chert.on("message.received", says("how old"), function(ev)
  log.info(string.format("%d seconds", ev.age))
end)

chert.rule({
  name = "lately",
  on = "message.received",
  where = says("lately"),
  max_age = "1h",
  run = function(ev)
    chert.mark_read(ev.chat.id)
  end,
})

chert.on("message.received", says("a day"), function(ev)
  chert.hold(ev.chat.id, "1d")
  chert.set_timer("day", "1d")
end)

chert.on("timer:day", function(ev)
  log.info("the timer of a day")
end)

chert.on("signal:human_replied", function(ev)
  ev.state.signals = (ev.state.signals or 0) + 1
  log.info("signalled", { agent = ev.signal.data and ev.signal.data.agent, group = ev.chat.is_group, line = ev.chat.line })
  chert.mark_read(ev.chat.id)
end)

chert.rule({
  name = "listed",
  on = "message.received",
  where = { from = chert.list("vips"), text = "listed" },
  run = function(ev)
    chert.mark_read(ev.chat.id)
  end,
})

chert.rule({
  name = "answered",
  on = "message.received",
  where = says("phone"),
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = "10m", only_if = "answered" })
  end,
})
