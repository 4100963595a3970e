chert.on("*", function(ev)
  local data = ev.raw and ev.raw.data or {}
  local emoji = data.reaction and data.reaction.emoji
  if ev.chat == nil then
    return
  end
  if emoji ~= nil and ev.chat.line ~= nil then
    local _, _, rest = tostring(emoji):find("^(.)(.*)$")
    ev.state = { emoji = emoji, rest = rest }
    chert.mark_read(ev.chat.id)
  end
end)
