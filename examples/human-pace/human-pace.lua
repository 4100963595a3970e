-- Chats are read after as long as a person would need to: some seconds to look at
-- the phone, then longer for a longer message, and never twice the same.
--
-- To change it: how fast that person is, is said in pack.yaml.
--
-- Each message of a burst begins the wait anew, so a burst is read once, after
-- its last message. The chance in it belongs to the event: the same message would
-- wait as long if it were handled again. Other packs may still read a chat sooner;
-- of several reads the earliest goes out.

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
