local OPTIONS = { at = "Mon-Fri 09:00", tz = "America/New_York", reason = "opening" }

chert.rule({
  name = "office hours",
  on = { "message.received", "lead_reply" },
  outside = "Mon-Fri 09:00-17:30",
  tz = "America/New_York",
  cooldown = "10m",
  sample = 0.5,
  run = function(ev)
    if chert.within("Sat-Sun") then
      chert.hold(ev.chat.id, 2 * 60 * 60)
    else
      chert.mark_read(ev.chat.id, OPTIONS)
    end
  end,
})
