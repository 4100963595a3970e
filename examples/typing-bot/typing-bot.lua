-- Answers questions that come every day: it reads the question, thinks, types for
-- as long as the answer is, and sends it.
--
-- To change it: questions and answers are in data/answers.yaml, how fast it is in
-- pack.yaml. It needs the operator's leave to type, react and send.
--
-- It finds words and understands nothing: what is long is left for a person, what
-- is old as well, and so is a chat in which somebody writes on before the answer is
-- out. It can't see whether a person has answered: use it where nobody else does.

assert(config.letters_per_second > 0, "letters_per_second must be more than 0")

-- This rule stands first, so that one below can begin anew.
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
  name = "tell a person if it fails",
  on = "action.failed",
  run = function(ev)
    log.error("the bot failed", { chat = ev.action.chat, what = ev.action.kind, code = ev.action.code })
  end,
})
