-- Spam gets no read receipt, whatever other packs ask for: a receipt would tell its
-- sender that somebody is here.
--
-- To change it: who is never read, what only spam says and who may write what they
-- like are lists in data/. A list must have at least one line.
--
-- It leaves spam unread, and blocks or deletes nothing. It judges each message by
-- itself: an ordinary one from the same number is read as usual, unless the number
-- is on the list; then the spam before it counts as read too.

local known = data.load("known")

local function leave(ev, reason)
  chert.keep_unread(ev.chat.id, { reason = reason })
  local count = kv.incr("spam of " .. (ev.from or "nobody"), 1, { ttl = "30d" })
  if count == config.report_at then
    log.warn("much spam from one sender: put it into data/senders.yaml, or block it", { from = ev.from, count = count })
  end
end

chert.rule({
  name = "senders of spam",
  on = "message.received",
  where = { from = data.load("senders") },
  run = function(ev)
    leave(ev, "a sender of spam")
  end,
})

chert.rule({
  name = "what only spam says",
  on = "message.received",
  where = { text = data.load("phrases"), except = { from = known } },
  run = function(ev)
    leave(ev, "it reads like spam")
  end,
})
