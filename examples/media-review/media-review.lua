-- Messages with pictures or files stay unread, whatever other packs ask for, until
-- a person has looked at them.
--
-- To change it: which kinds of files need no look is in data/harmless.txt, how long
-- the chat waits is in pack.yaml. `chertd release CHAT` ends the wait sooner.
--
-- It does not look into the files itself: it goes by the kind that their sender
-- says they are. A file without a kind is looked at by a person.

local harmless = data.load("harmless")

chert.rule({
  name = "leave media for a person",
  on = "message.received",
  where = { has_media = true },
  run = function(ev)
    local kinds = {}
    for _, part in ipairs(ev.message.media) do
      local kind = part.mime_type or "unknown"
      if not harmless[kind] then
        table.insert(kinds, kind)
      end
    end
    if #kinds == 0 then
      return
    end
    chert.hold(ev.chat.id, config.hold, { reason = "media to look at" })
    log.info("media to look at", { chat = ev.chat.id, kinds = table.concat(kinds, ", ") })
  end,
})
