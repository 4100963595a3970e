-- Keeps messages with pictures or files unread, whatever other packs request, until a
-- person has looked at them.
--
-- To change which types of files need no review, edit data/harmless.txt. To change how
-- long the chat is held, edit pack.yaml. `chertd release CHAT` ends the hold early.
--
-- It does not look into the files: it trusts the type that their sender declares. A
-- file without a type is left for a person.

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
