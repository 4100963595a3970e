chert.on("message.received", function(ev) --> "1: warning: pack .odd. has no specs: .* \[CH052\].write spec/odd_spec.lua"
  chert.mark_read(ev.chat.id)
end)
