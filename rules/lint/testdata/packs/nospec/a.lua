-- check: allow CH052 it is only here to be looked at
chert.on("message.received", function(ev)
  chert.send(ev.chat.id, "x") --> "3: error: chert.send needs the permission .send., which pack.yaml does not request \[CH050\]"
end)
