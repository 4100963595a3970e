package engine

import (
	"slices"
	"time"

	"chertd/rules/chat"
)

// Waits of the rules in a simulation.
const (
	simHoldFor    = 90 * time.Second
	simLaterAfter = 30 * time.Second
	simTimerAfter = 20 * time.Second
	simSoonAfter  = 4 * time.Second // an answer to a question still counts then
	simCheckAfter = 20 * time.Second
)

// simWords is a pack that does what the words of a message say. V is the number of its edit: the
// word flip is a read for even ones and a veto for odd ones.
const simWords = `BROKEN
local V = EDIT
local function rule(name, run)
  chert.rule({ name = name, on = "message.received", where = { words = name }, run = function(ev)
    log.info("ran", { v = V })
    run(ev)
  end })
end
rule("read", function(ev) chert.mark_read(ev.chat.id) end)
rule("later", function(ev) chert.mark_read(ev.chat.id, { after = "30s" }) end)
rule("sure", function(ev) chert.mark_read(ev.chat.id, { even_if_newer = true }) end)
rule("veto", function(ev) chert.keep_unread(ev.chat.id) end)
rule("hold", function(ev) chert.hold(ev.chat.id, "90s") end)
rule("free", function(ev) chert.release(ev.chat.id) end)
rule("timer", function(ev) chert.set_timer("t", "20s", { id = ev.id }) end)
rule("flip", function(ev)
  if V % 2 == 0 then chert.mark_read(ev.chat.id) else chert.keep_unread(ev.chat.id) end
end)
rule("answered", function(ev) chert.mark_read(ev.chat.id, { only_if = "answered" }) end)
rule("unanswered", function(ev) chert.mark_read(ev.chat.id, { only_if = "unanswered" }) end)
rule("soon", function(ev) chert.mark_read(ev.chat.id, { after = "4s", only_if = "unanswered" }) end)
rule("check", function(ev) chert.mark_read(ev.chat.id, { after = "20s", only_if = "answered" }) end)
chert.on("signal:s", function(ev)
  log.info("signalled", { v = V })
  if ev.signal.data == "read" then chert.mark_read(ev.chat.id) end
end)
chert.rule({ name = "timer fires", on = "timer:t", run = function(ev)
  log.info("fired", { v = V, id = ev.payload.id })
  chert.mark_read(ev.chat.id)
end })
`

// simNight is a pack that operators switch off as a whole. It is never edited.
const simNight = `local function rule(name, run)
  chert.rule({ name = name, on = "message.received", where = { words = name }, run = run })
end
rule("dusk", function(ev) chert.mark_read(ev.chat.id) end)
rule("dawn", function(ev) chert.mark_read(ev.chat.id, { after = "30s" }) end)
rule("dark", function(ev) chert.keep_unread(ev.chat.id) end)
rule("owl", function(ev) chert.set_timer("o", "20s", { id = ev.id }) end)
chert.rule({ name = "owl fires", on = "timer:o", run = function(ev)
  log.info("fired", { id = ev.payload.id })
  chert.mark_read(ev.chat.id)
end })
`

// simNightRules are the rules of simNight.
var simNightRules = []string{"dusk", "dawn", "dark", "owl", "owl fires"}

// simTimers are the timers that rules set, by the rule that runs when one fires: the word in a message
// that sets it.
var simTimers = map[string]string{"timer fires": "timer", "owl fires": "owl"}

// simCounts counts messages. The second line is left out where rules use no kv.
const simCounts = `chert.rule({ name = "count", on = "message.received", run = function(ev)
  ev.state.n = (ev.state.n or 0) + 1
  KV
end })
chert.on("signal:s", function(ev)
  ev.state.s = (ev.state.s or 0) + 1
end)
`

// simRead is a read that a rule requests.
type simRead struct {
	rule  string
	after time.Duration
	sure  bool           // also if something newer comes
	only  chat.Condition // what must hold when it is due; "": nothing
}

// simReads are the reads that rules request whenever a message has their word.
var simReads = []simRead{
	{rule: "read"}, {rule: "later", after: simLaterAfter}, {rule: "sure", sure: true}, {rule: "dusk"}, {rule: "dawn", after: simLaterAfter},
	{rule: "answered", only: chat.IfAnswered}, {rule: "unanswered", only: chat.IfUnanswered},
	{rule: "soon", after: simSoonAfter, only: chat.IfUnanswered}, {rule: "check", after: simCheckAfter, only: chat.IfAnswered},
}

// reads returns the reads that an entry requests, and whether it vetoes them and all that wait.
func (x *simEntry) reads() (reads []simRead, veto bool) {
	if x.timer != nil && !x.muted[x.fired] {
		return []simRead{{rule: x.fired}}, false
	}
	if g := x.signal; g != nil && g.text == "read" {
		return []simRead{{rule: "signal:s"}}, false
	}
	m := x.message
	if m == nil {
		return nil, false
	}
	if m.has("veto") || m.has("hold") || m.has("dark") && !x.muted["dark"] || m.has("flip") && x.edit%2 == 1 {
		return nil, true
	}
	for _, r := range simReads {
		if m.has(r.rule) && !x.muted[r.rule] {
			reads = append(reads, r)
		}
	}
	if m.has("flip") {
		reads = append(reads, simRead{rule: "flip"})
	}
	return reads, false
}

// supersedes reports whether an entry is a new message that nobody wants to read.
func (x *simEntry) supersedes() bool {
	reads, _ := x.reads()
	return x.message != nil && len(reads) == 0
}

// asks reports whether an entry requests a read by a rule.
func (x *simEntry) asks(rule string) bool {
	reads, _ := x.reads()
	return slices.ContainsFunc(reads, func(r simRead) bool { return r.rule == rule })
}
