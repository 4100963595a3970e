chert.on("message.recieved", function(ev) --> "1: warning: on: there is no .message.recieved. \[CH022\].did you mean .message.received."
  log.info(ev.id)
end)
chert.on("call.missed", function(ev) --> "1: warning: on: there is no .call.missed. \[CH022\].Chert sends message.received"
  log.info(ev.id)
end)
chert.rule({ --> "1: warning: this rule can never run: direction: Chert sends message.received for inbound messages alone \[CH021\]"
  name = "n",
  on = "message.received",
  where = { direction = "outbound" },
  run = function(ev)
    log.info(ev.id)
    chert.set_timer("set", "1m") --> "21: warning: no rule of this pack handles the timer .set. \[CH023\].*timer:set"
  end,
})
chert.on("timer:sett", function(ev) --> "1: warning: nothing in this pack sets the timer .sett. \[CH023\].did you mean .timer:set."
  log.info(ev.id)
end)
chert.on("action.failed", function(ev) --> "1: warning: .action.failed. never arrives: this pack requests no calls \[CH024\]"
  log.info(ev.id)
end)
-----
local TIMER = "settle"
chert.on("message.received", function(ev)
  chert.set_timer(TIMER, "5m")
  chert.mark_read(ev.chat.id)
end)
chert.on("timer:" .. TIMER, function(ev)
  log.info(ev.id)
end)
chert.on({ "action.failed", "action.done", "reaction.added" }, function(ev)
  log.info(ev.id)
end)
-----
-- A timer of a name that can't be known may be any.
chert.on("message.received", function(ev)
  chert.set_timer("n" .. ev.state.n, "5m")
end)
chert.on("timer:n1", function(ev)
  chert.typing(ev.chat.id, "typing") --> "3: error: chert.typing needs the permission .typing., and a single-file pack cannot request it \[CH050\]"
end)
