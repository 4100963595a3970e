local words = require("words")
local places = data.load("places")
local wish = { typing = chert.typing, send = chert.send }

local function act(name, ...)
  return wish[name](...)
end

chert.rule({
  name = "answer",
  on = "message.received",
  run = function(ev)
    if not words.contain(ev.text, config.words) then
      return
    end
    chert.mark_read(ev.chat.id)
    act("typing", ev.chat.id, "typing")
    if ev.message and ev.message.id then
      chert.react(ev.message.id, config.loud and "love" or "like")
    end
    chert.set_timer("answer:" .. ev.chat.id, config.pause)
    log.debug(config.hours.open, { places = #places })
  end,
})
chert.on("timer:answer:c1", function(ev)
  act("send", ev.chat.id, config.answer)
end)
