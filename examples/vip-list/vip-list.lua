-- Keeps chats with people on the list vips unread, whatever other packs request. You
-- change the list while chertd runs, without an edit:
--
--   chertd list vips add +14155550123 --for 2h --reason "launch day"
--   chertd list vips remove +14155550123
--
-- To use it, declare the list in chertd.yaml: rules: {lists: {vips: {writable: true}}}.
-- The list may have chats, too, by their ids. To change how long a chat is held, edit hold
-- in pack.yaml. For a list that is in a file, see vip-hold.
--
-- A hold stays when its person leaves the list: run `chertd release CHAT`. In a group, the
-- whole group is held once one of these people has written.

local vips = chert.list("vips")

chert.rule({
  name = "hold for a person",
  on = "message.received",
  run = function(ev)
    if ev.chat and (vips[ev.from] or vips[ev.chat.id]) then
      chert.hold(ev.chat.id, config.hold, { reason = "on the list vips" })
    end
  end,
})
