-- A chat is read once its burst has settled: some time after its last message.
--
-- People write in bursts. Each message asks for a read a little later, and as
-- long as messages keep coming the wait starts anew: the same rule's next read
-- replaces the one before. So a burst of ten messages makes one call.
--
-- The wait is a setting. Change it in pack.yaml, or for your installation in
-- chertd.yaml: rules: {packs: {settle: {config: {quiet: 2m}}}}

chert.rule({
  name = "read once settled",
  on = "message.received",
  where = { is_group = false },
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = config.quiet, reason = "the burst has settled" })
  end,
})
