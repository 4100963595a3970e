-- Marks a chat as read after roughly the time that a person would take: some seconds
-- to look at the phone, then longer for a longer message, and different each time.
--
-- To change the pace, edit the settings in pack.yaml.
--
-- Each message of a burst restarts the delay, and a burst is read once, after its last
-- message. The variation is random but tied to the event: if the same message were
-- handled again, the delay would be the same. Other packs may still read a chat sooner;
-- of several reads, the earliest goes out.

assert(config.letters_per_second > 0, "letters_per_second must be more than 0")

chert.rule({
  name = "read at a human pace",
  on = "message.received",
  where = { is_group = false },
  run = function(ev)
    local seconds = config.notice + #ev.text / config.letters_per_second
    local chance = 1 + config.spread * (2 * math.random() - 1)
    local wait = math.min(seconds * chance, config.at_most)
    chert.mark_read(ev.chat.id, { after = wait, reason = "as a person would" })
  end,
})
