-- Keeps chats with people on a list unread, whatever other packs request. A person sees
-- their messages first.
--
-- To use it, add the people to data/people.yaml. To change how long their chats are
-- held, edit hold in pack.yaml.
--
-- The hold ends some time after their last message, or when you run
-- `chertd release CHAT`. Reads that were dropped during the hold are not restored. In a
-- group, the whole group is held once one of these people has written.

chert.rule({
  name = "hold for a person",
  on = "message.received",
  where = { from = data.load("people") },
  run = function(ev)
    chert.hold(ev.chat.id, config.hold, { reason = "from someone on the list" })
  end,
})
