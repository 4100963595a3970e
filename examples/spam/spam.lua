-- Sends no read receipt for spam, whatever other packs request: a receipt would show
-- the sender that someone is there.
--
-- To change it, edit the lists in data/: blocked senders, spam phrases, and known
-- people, who may write anything. A list must have at least one line.
--
-- It leaves spam unread, and does not block or delete anything. It judges each message
-- separately: an ordinary message from the same number is read as usual, unless the
-- number is on the list. The chat's earlier spam is then read with it.

local known = data.load("known")

local function leave(ev, reason)
  chert.keep_unread(ev.chat.id, { reason = reason })
  local count = kv.incr("spam of " .. (ev.from or "nobody"), 1, { ttl = "30d" })
  if count == config.report_at then
    log.warn("a lot of spam from one sender: add it to data/senders.yaml", { from = ev.from, count = count })
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
