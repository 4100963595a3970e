local mark, keep = chert.mark_read, chert.keep_unread
local c = chert
local find, fmt = string.find, string.format

c.on("message.received", function(ev)
  local chat, text = ev.chat, ev.text
  if find(text, "stop", 1, true) then
    keep(chat.id, { reason = fmt("%s said stop", ev.from or "somebody") })
  else
    mark(chat.id)
  end
end)
