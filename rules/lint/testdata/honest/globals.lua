LIMIT = 5
function is_loud(text)
  local upper = select(2, text:gsub("%u", ""))
  return upper > LIMIT and upper > #text / 2
end

chert.on("message.received", function(ev)
  if is_loud(ev.text) then
    chert.keep_unread(ev.chat.id)
  end
end)
