local function rest(id)
  chert.postpone(id, { at = "Mon-Fri 09:00" }) --> "29: warning: chert.postpone: the rule runs at all hours.* \[CH037\]"
end
local options = { at = "09:00" } --> "warning: chert.postpone: the rule runs at all hours"
chert.on("message.received", function(ev)
  rest(ev.chat.id)
  chert.postpone(ev.chat.id, options)
  chert.postpone(ev.chat.id, { at = "Mon-Fri 09:00-17:30" })
  chert.postpone(ev.chat.id, { after = "1h" })
  local s = ev.text:upper()
  log.info(s)
end)
chert.rule({
  name = "outside",
  on = "message.received",
  outside = "Mon-Fri 09:00-17:30",
  run = function(ev)
    chert.postpone(ev.chat.id, { at = "Mon-Fri 09:00", tz = "UTC" })
  end,
})
chert.every("0 18 * * *", { name = "in the evening" }, function()
  chert.postpone("c1", { at = "09:00" })
end)
