chert.rule({
  name = "settled",
  on = "message.received",
  where = { is_group = false },
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = "30s", reason = "settled" })
  end,
})
