package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/spec"
	"chertd/rules/turn"
)

// For the same events, the engine and the World of specs make the same decisions and
// calls. The clock stands still, and each event is finished before the next, so that the
// order in which goroutines run makes no difference.
func TestWorldAndEngineDecideAlike(t *testing.T) {
	t.Parallel()
	files := []string{"a.lua", `
chert.on("message.received", { text = "now" }, function(ev)
  chert.mark_read(ev.chat.id, { reason = "asked to" })
end)
chert.rule({ name = "rested", on = "message.received", where = { text = "rest" }, cooldown = "1h", run = function(ev)
  chert.mark_read(ev.chat.id)
end })
chert.rule({ name = "later", on = "message.received", where = { text = "later" }, run = function(ev)
  chert.mark_read(ev.chat.id, { after = "1h" })
end })
chert.on("message.received", { text = "timer" }, function(ev)
  chert.set_timer("t", 0, { n = ev.text })
end)
chert.on("timer:t", function(ev)
  log.info("fired", { n = ev.payload.n })
  chert.mark_read(ev.chat.id)
end)
chert.on("message.received", { text = "other" }, function(ev)
  chert.mark_read("elsewhere")
end)
chert.on("action.done", function(ev)
  log.info("done " .. ev.action.kind)
end)`, "b.lua", `
chert.on("message.received", { text = "veto" }, function(ev) chert.keep_unread(ev.chat.id) end)
chert.on("message.received", { text = "hold" }, function(ev) chert.hold(ev.chat.id, "1h") end)
chert.on("message.received", { text = "wait" }, function(ev) chert.postpone(ev.chat.id, { after = "1h" }) end)
chert.on("message.received", { text = "far" }, function(ev) chert.postpone("elsewhere", { after = "1h" }) end)
chert.on("message.received", { text = "free" }, function(ev) chert.release(ev.chat.id) end)
chert.on("message.received", { text = "boom" }, function(ev) error("oops") end)
chert.on("message.received", function(ev)
  ev.state.n = (ev.state.n or 0) + 1
  log.debug("counted " .. ev.state.n .. " of " .. kv.incr("all"))
end)`}
	r := newRig(t, files...)
	r.stop()
	r.now = spec.Epoch.Local
	r.start()
	set, diags := rules.Load([]string{r.dir + "/rules"}, rules.Options{}).Set()
	if set == nil {
		t.Fatal(diags)
	}
	w := spec.NewWorld(spec.WorldConfig{Set: set})

	random := rand.New(rand.NewPCG(1, 2))
	texts := []string{"now", "rest", "later", "timer", "other", "veto", "hold", "free", "boom", "boom now", "later veto", "hm", "wait now", "far other"}
	for n := range 60 {
		ev := message([]string{"c1", "c2"}[random.IntN(2)], fmt.Sprintf("e%d", n), texts[random.IntN(len(texts))])
		// Some arrive after messages that were sent later.
		ev.Message.SentAt = r.now().Add(-time.Hour + time.Duration(n-3*random.IntN(3))*time.Second)
		if err := w.Receive(context.Background(), ev); err != nil {
			t.Fatal(err)
		}
		if _, err := r.eng.Ingest(context.Background(), []turn.Arrival{{Event: ev, Received: r.now()}}); err != nil {
			t.Fatal(err)
		}
		want := worldDecisions(w)
		r.wait(fmt.Sprintf("%d decisions, as in the World", len(want)), func() bool { return len(engineDecisions(r)) >= len(want) })
		done := r.lock()
		got := engineDecisions(r)
		done()
		if !slices.Equal(got, want) {
			t.Fatalf("after %s %q the engine says\n%s\nthe World says\n%s", ev.ID, ev.Text, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		// A World makes its calls before the next event.
		acted := worldActions(w)
		began := time.Now()
		r.wait("the calls to be made", func() bool { return slices.Equal(engineActions(r), acted) || time.Since(began) > 10*time.Second })
		if got := engineActions(r); !slices.Equal(got, acted) {
			t.Fatalf("after %s %q the engine's actions are\n%s\nthe World's\n%s", ev.ID, ev.Text, strings.Join(got, "\n"), strings.Join(acted, "\n"))
		}
	}
}

// engineActions returns the actions in the engine's store, sorted.
func engineActions(r *rig) []string {
	actions, err := r.st.Actions(context.Background(), store.ActionFilter{Limit: 1000})
	if err != nil {
		return []string{err.Error()}
	}
	var list []string
	for _, a := range actions {
		list = append(list, fmt.Sprintf("%s %s %s %s %s", a.Chat, a.RuleKey(), a.Status, a.Why, a.Due.UTC()))
	}
	slices.Sort(list)
	return list
}

// worldActions returns the same of a World.
func worldActions(w *spec.World) []string {
	var list []string
	for _, a := range w.Actions("") {
		list = append(list, fmt.Sprintf("%s %s %s %s %s", a.Chat, a.RuleKey(), a.Status, a.Why, a.Due.UTC()))
	}
	slices.Sort(list)
	return list
}

// engineDecisions returns the engine's decisions, sorted; the rig is held still.
func engineDecisions(r *rig) []string {
	var list []string
	for _, h := range r.seen {
		if h.Handled == nil {
			continue
		}
		line := h.Handled.Entry.Event.Type + " " + h.Handled.Entry.Event.ChatID()
		for _, d := range h.Handled.Decision.Rules {
			line += fmt.Sprintf("; %s %s %q %t", d.Rule, d.Skipped, d.Asked, d.Error != "")
			for _, l := range d.Logs {
				line += fmt.Sprintf(" [%s %s %v]", l.Level, l.Msg, l.Fields)
			}
		}
		list = append(list, line)
	}
	slices.Sort(list)
	return list
}

// worldDecisions returns the same of a World.
func worldDecisions(w *spec.World) []string {
	var list []string
	for _, h := range w.Log() {
		if h.Event == nil {
			continue
		}
		line := h.Event.Type + " " + h.Event.ChatID()
		for _, d := range h.Rules {
			line += fmt.Sprintf("; %s %s %q %t", d.Rule, d.Skipped, d.Decision.Asked, d.Failure != nil)
			for _, l := range d.Logs {
				line += fmt.Sprintf(" [%s %s %v]", l.Level, l.Msg, l.Fields)
			}
		}
		list = append(list, line)
	}
	slices.Sort(list)
	return list
}
