chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id))  --> "30: error: .end. expected .*\[CH001\]"
end)
