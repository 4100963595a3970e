-- Answers everyday questions: it reads the question, waits, types for a time that fits
-- the length of the answer, and sends it.
--
-- To change it, edit the questions and answers in data/answers.yaml and the speed in
-- pack.yaml. It needs the operator's permission to type, react and send.
--
-- It looks for words, and does not understand the question. Long messages and old ones
-- are left for a person, and so is a chat in which someone writes again before the
-- answer is sent. It cannot see whether a person has answered: use it only where nobody
-- else does.

assert(config.letters_per_second > 0, "letters_per_second must be greater than 0")

-- This rule comes first: it cancels the timers, and a rule below can set them again.
chert.rule({
  name = "let people finish",
  on = "message.received",
  where = { is_group = false },
  run = function(ev)
    chert.cancel_timer("type")
    chert.cancel_timer("answer")
    if ev.state.typing then
      chert.typing(ev.chat.id, "stopped")
      ev.state.typing = nil
    end
  end,
})

for i, answer in ipairs(data.load("answers")) do
  assert(answer.name and answer.words and answer.text, "answer " .. i .. " needs a name, words and a text")
  chert.rule({
    name = answer.name,
    on = "message.received",
    where = { is_group = false, words = answer.words },
    cooldown = config.again,
    run = function(ev)
      local age = chert.now() - (ev.at or chert.now())
      if #ev.text > config.longest or age > config.fresh then
        return
      end
      chert.mark_read(ev.chat.id, { after = config.notice, reason = "the bot answers" })
      chert.set_timer("type", config.think, { text = answer.text, question = ev.message.id })
    end,
  })
end

chert.rule({
  name = "type",
  on = "timer:type",
  run = function(ev)
    if config.reaction ~= "" and ev.payload.question then
      chert.react(ev.payload.question, config.reaction)
    end
    chert.typing(ev.chat.id, "typing")
    ev.state.typing = true
    local seconds = math.min(#ev.payload.text / config.letters_per_second, config.at_most)
    chert.set_timer("answer", seconds, { text = ev.payload.text })
  end,
})

chert.rule({
  name = "answer",
  on = "timer:answer",
  run = function(ev)
    chert.send(ev.chat.id, ev.payload.text)
    ev.state.typing = nil
  end,
})

chert.rule({
  name = "log failures",
  on = "action.failed",
  run = function(ev)
    log.error("the bot failed", { chat = ev.action.chat, what = ev.action.kind, code = ev.action.code })
  end,
})
