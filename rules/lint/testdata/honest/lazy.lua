local parsed

local function table_of_words()
  if not parsed then
    parsed = {}
    for word in ("alpha beta gamma"):gmatch("%a+") do
      parsed[word] = true
    end
  end
  return parsed
end

chert.on("message.received", function(ev)
  local words = table_of_words()
  for word in ev.text:lower():gmatch("%a+") do
    if words[word] then
      chert.mark_read(ev.chat.id)
      break
    end
  end
end)
