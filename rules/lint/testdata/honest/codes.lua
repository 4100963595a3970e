-- One-time codes are read at once.
local WORDS = { "verification code", "passcode" }

local function looks_like_code(text)
  local folded = chert.normalize(text)
  for _, word in ipairs(WORDS) do
    if folded:find(word, 1, true) then
      return true
    end
  end
  return re.match([[\b\d{4,8}\b]], text) ~= nil
end

chert.rule({
  name = "codes",
  on = "message.received",
  where = { is_group = false },
  run = function(ev)
    if not looks_like_code(ev.text) then
      return
    end
    chert.mark_read(ev.chat.id, { reason = "a code" })
  end,
})
