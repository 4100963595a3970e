chert.rule {
  name = "burst",
  on = "message.received",
  run = function(ev)
    local s = ev.state
    s.count = (s.count or 0) + 1
    s.first = s.first or chert.now()
    if s.count > 5 and chert.now() - s.first < 60 then
      chert.keep_unread(ev.chat.id, { reason = "a flood" })
      return
    end
    chert.mark_read(ev.chat.id, { after = 20 + math.random(10) })
  end,
}
