-- Marks a chat as read once it has been quiet for a while.
--
-- People write in bursts. Each message requests a delayed read, which replaces the
-- previous one, and the delay restarts. A burst of ten messages therefore makes only
-- one call. Someone who writes without a pause is read after a few minutes all the same.
--
-- Both delays are settings. Change them in pack.yaml, or for your installation in
-- chertd.yaml: rules: {packs: {settle: {config: {quiet: 2m}}}}

chert.rule({
  name = "read once settled",
  on = "message.received",
  where = { is_group = false },
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = config.quiet, at_most = config.longest, reason = "the burst has settled" })
  end,
})
