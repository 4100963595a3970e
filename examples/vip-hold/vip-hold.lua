-- Chats with people on a list stay unread, whatever other packs ask for, so that
-- a person sees them first.
--
-- To use it: write the people into data/people.yaml. To hold for longer or
-- shorter, change hold in pack.yaml.
--
-- A hold ends by itself, some time after their last message, or when you say
-- `chertd release CHAT`. It brings back none of the reads that it kept from
-- going out. In a group, the whole group is held once one of them has written.

chert.rule({
  name = "hold for a person",
  on = "message.received",
  where = { from = data.load("people") },
  run = function(ev)
    chert.hold(ev.chat.id, config.hold, { reason = "from somebody on the list" })
  end,
})
