local vips = { ["+14155550100"] = true, ["ann@example.com"] = true }

chert.on("message.received", function(ev)
  if ev.from and vips[ev.from] then
    chert.hold(ev.chat.id, "1d", { reason = "a VIP" })
  end
end)
