chert.rule({
  name = "media",
  on = "message.received",
  where = { has_media = true, except = { { is_group = true }, { from = "+14155550100" } } },
  run = function(ev)
    for i, part in ipairs(ev.message.media) do
      local mime = part.mime_type or "unknown"
      if mime:match("^image/") or part.type == "media" and i > 3 then
        return chert.keep_unread(ev.chat.id, { reason = mime })
      end
    end
    for k, v in pairs(ev) do
      log.debug(k, { v = v })
    end
    local first = ev.message.parts[1]
    if first and first.value then
      log.debug(first.value)
    end
  end,
})
