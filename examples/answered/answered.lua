-- Marks a chat as read once your team has answered it, on whatever device: an hour after
-- the customer's last message, or four hours, or a day. Until then it stays unread. Thanks
-- need no answer: they are read after ten minutes, unless someone has answered them.
--
-- To change the delays, edit pack.yaml. To change the words, edit data/thanks.yaml.
--
-- Chert sends no event when someone answers. When a read is due, chertd therefore asks
-- Chert which message of the chat is the newest, one request for each check. An answer
-- that comes after the last check is not noticed. If Chert can't say, the chat stays
-- unread. Other packs may read a chat sooner: do not use it beside settle or human-pace.

for _, delay in ipairs(config.checks) do
  chert.rule({
    name = "read if answered after " .. delay,
    on = "message.received",
    where = { is_group = false, direction = "inbound" },
    run = function(ev)
      chert.mark_read(ev.chat.id, { after = delay, only_if = "answered", reason = "once answered" })
    end,
  })
end

chert.rule({
  name = "read thanks",
  on = "message.received",
  where = { is_group = false, direction = "inbound", words = data.load("thanks"), except = { text = "?" } },
  run = function(ev)
    if #ev.text > config.longest then
      return
    end
    -- Whoever answers thanks has more to say: the rules above then decide.
    chert.mark_read(ev.chat.id, { after = config.thanks, only_if = "unanswered", reason = "thanks need no answer" })
  end,
})
