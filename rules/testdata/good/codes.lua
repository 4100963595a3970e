-- One-time codes are read at once.
chert.on("message.received", { text = "verification code" }, function(ev)
  chert.mark_read(ev.chat.id, { reason = "code" })
end)
