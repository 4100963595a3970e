local PATTERNS = { "^%s*bye%p*%s*$", "^%s*thank[s ]", "%f[%w]cheers%f[%W]" }

local function matches(text)
  for i = 1, #PATTERNS do
    local s = text:match(PATTERNS[i])
    if s then
      return s, i
    end
  end
end

chert.rule({
  name = "goodbye",
  on = "message.received",
  run = function(ev)
    local said, which = matches(ev.text:lower())
    if said == nil then
      return
    end
    assert(which, "a match has a number")
    if #said > 40 then
      error("too long: " .. #said)
    elseif which == 1 then
      chert.cancel_read(ev.chat.id)
    end
    chert.mark_read(ev.chat.id, { after = "5s", even_if_newer = which == 1 })
  end,
})
