-- Reads a tenth of the chats sooner than the others, and counts the messages of
-- both, to find out whether people write more when they are read at once.
--
-- To change it: the share and the waits are settings, in pack.yaml. Which chats are
-- in the share is drawn from their ids: the same ones each time, also after a
-- restart. A larger share keeps those of a smaller one.
--
-- Both rules ask for a read of a chat in the share, and the earliest goes out; so
-- quick must be less than usual. Counts go on from edit to edit: to begin anew,
-- copy the pack under another name.

local function count(ev, group)
  kv.incr(group .. " messages")
  if not ev.state[group] then
    ev.state[group] = true
    kv.incr(group .. " chats")
  end
end

chert.rule({
  name = "read sooner",
  on = "message.received",
  where = { is_group = false },
  sample = config.share,
  run = function(ev)
    count(ev, "quick")
    chert.mark_read(ev.chat.id, { after = config.quick, reason = "in the share of the experiment" })
  end,
})

chert.rule({
  name = "read as usual",
  on = "message.received",
  where = { is_group = false },
  run = function(ev)
    count(ev, "all")
    chert.mark_read(ev.chat.id, { after = config.usual, reason = "as usual" })
  end,
})

chert.every("0 9 * * *", { name = "daily count", tz = config.tz }, function()
  for _, group in ipairs({ "quick", "all" }) do
    local messages = kv.get(group .. " messages") or 0
    local chats = kv.get(group .. " chats") or 0
    log.info(("%s: %d messages in %d chats"):format(group, messages, chats))
  end
end)
