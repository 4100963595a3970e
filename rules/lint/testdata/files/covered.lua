chert.rule { --> "may never go out: each event that matches it also matches r/hold .*r.lua:20.*, which calls keep_unread .CH029.*narrower where"
  name = "late",
  on = "message.received",
  where = { is_group = false, words = "code" },
  run = function(ev)
    if ev.text ~= "" then
      chert.mark_read(ev.chat.id, { after = "5m" })
    end
  end,
}

chert.rule { -- not only messages with a code
  name = "all",
  on = "message.received",
  run = function(ev)
    chert.mark_read(ev.chat.id)
  end,
}

chert.rule {
  name = "hold",
  on = { "message.received", "reaction.added" },
  where = { text = "code" },
  run = function(ev)
    local why = "a code"
    log.info("holds", { chat = ev.chat.id })
    chert.keep_unread(ev.chat.id, { reason = why })
  end,
}
-----
chert.on("message.received", { text = "code" }, function(ev) -- the veto depends on more
  chert.mark_read(ev.chat.id)
end)

chert.on("message.received", function(ev)
  if ev.from then
    chert.keep_unread(ev.chat.id)
  end
end)

chert.on("message.received", function(ev)
  if ev.text == "" then
    return
  end
  chert.keep_unread(ev.chat.id)
end)

chert.on("message.received", function(ev)
  chert.keep_unread("another chat")
end)

chert.rule {
  name = "rests",
  on = "message.received",
  cooldown = "10m",
  run = function(ev)
    chert.keep_unread(ev.chat.id)
  end,
}

chert.rule {
  name = "sometimes",
  on = "message.received",
  during = "Mon-Fri 09:00-17:00",
  run = function(ev)
    chert.keep_unread(ev.chat.id)
  end,
}
-----
local function read(ev)
  chert.mark_read(ev.chat.id)
end

chert.on("message.received", { chat = "c1" }, function(ev) --> "matches r/r#2 .*CH029"
  read(ev)
end)

chert.on("message.received", { chat = true }, function(ev)
  chert.keep_unread(ev.chat.id)
end)
-----
chert.on("message.received", { chat = "c1" }, function(ev) -- reads another chat
  chert.mark_read("c2")
end)

-- check: allow CH029
chert.on("message.received", { chat = "c1" }, function(ev)
  chert.mark_read(ev.chat.id)
end)

-- check: allow CH029
chert.on("message.received", { chat = "c1" }, function(ev) -- an allow that is not needed now may be with other packs
  log.info(ev.chat.id)
end)

chert.on("message.received", { chat = true }, function(ev)
  chert.keep_unread(ev.chat.id)
end)
