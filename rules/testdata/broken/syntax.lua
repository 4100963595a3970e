chert.on("message.received", function(ev)
  if ev.text == "hi" the --> "the"
  end
end)
