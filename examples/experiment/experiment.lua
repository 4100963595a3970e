-- Reads a tenth of the chats sooner than the others, and counts the messages of both
-- groups. It shows whether people write more when their messages are read quickly.
--
-- To change the share and the delays, edit the settings in pack.yaml. The sample is
-- chosen by chat id, and is always the same, even after a restart. A larger share
-- includes the chats of a smaller one.
--
-- Both rules request a read of a sampled chat, and the earliest goes out. For that
-- reason, quick must be shorter than usual. Counts continue across edits; to start
-- again from zero, copy the pack under another name.

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
