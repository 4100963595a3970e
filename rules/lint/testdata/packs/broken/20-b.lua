chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.idd) --> "ev.chat has no field .idd. \[CH011\]"
end)
