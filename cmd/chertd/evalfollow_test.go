package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
)

// obedient is a pack whose rules do what the text of a message lists.
const obedient = `
for _, name in ipairs({ "one", "two" }) do
  chert.rule({ name = name, on = { "message.received", "reaction.added" }, run = function(ev)
    for _, op in ipairs(ev.text == "" and {} or json.decode(ev.text)) do
      if op.rule == name then
        if op.kind == "read" then
          chert.mark_read(ev.chat.id, { after = op.after, even_if_newer = op.even })
        elseif op.kind == "timer" then
          chert.set_timer(op.name, op.after)
        elseif op.kind == "hold" then
          chert.hold(ev.chat.id, op.after)
        else
          chert.postpone(ev.chat.id, { after = op.after })
        end
      end
    end
  end })
end
chert.on("timer:t", function(ev) end)
chert.on("timer:u", function(ev) end)`

type evalOp struct {
	Kind  string `json:"kind"`
	Rule  string `json:"rule"`
	Name  string `json:"name,omitempty"`
	After string `json:"after"`
	Even  bool   `json:"even,omitempty"`
}

func drawOps(rt *rapid.T, label string) string {
	op := rapid.Custom(func(rt *rapid.T) evalOp {
		return evalOp{
			Kind:  rapid.SampledFrom([]string{"read", "timer", "read", "timer", "hold", "postpone"}).Draw(rt, "kind"),
			Rule:  rapid.SampledFrom([]string{"one", "two"}).Draw(rt, "rule"),
			Name:  rapid.SampledFrom([]string{"t", "u"}).Draw(rt, "name"),
			After: rapid.SampledFrom([]string{"1s", "1m", "2m", "3m", "10m"}).Draw(rt, "after"),
			Even:  rapid.Bool().Draw(rt, "even"),
		}
	})
	text, _ := json.Marshal(rapid.SliceOfN(op, 0, 4).Draw(rt, label))
	return string(text)
}

// eval shows the calls that the daemon's machine makes, and ends, in whatever order
// timers, reads, holds and postponements come due: of the event, and of what was
// stored before it.
func TestEvalFollowsAsTheWorldDoes(t *testing.T) {
	t.Parallel()
	set := obedientSet(t)
	rapid.Check(t, func(rt *rapid.T) {
		w := spec.NewWorld(spec.WorldConfig{Set: set, Start: spec.Epoch})
		receive := func(id, text string) event.Event {
			ev := event.Event{
				ID: id, Type: event.MessageReceived, Source: event.SourceFile, Chat: &event.Chat{ID: "c1"}, Text: text,
				Message: &event.Message{ID: "m" + id, Direction: "inbound", Text: text},
			}
			if rapid.Bool().Draw(rt, "reacts") && id == "2" {
				ev.Type, ev.Message = "reaction.added", nil
			}
			if err := w.Receive(t.Context(), ev); err != nil {
				rt.Fatal(err)
			}
			return ev
		}
		before := &stored{chats: map[string]chat.Chat{}}
		// The event is the second of the journal, as in eval; the first has left
		// something in its chat, or was none of the chat.
		receive("1", drawOps(rt, "before"))
		if rapid.Bool().Draw(rt, "stored") {
			c, _ := w.Chat("c1")
			before.chats["c1"] = c
		} else {
			w = spec.NewWorld(spec.WorldConfig{Set: set, Start: spec.Epoch})
			if err := w.Receive(t.Context(), event.Event{ID: "0", Type: "other"}); err != nil {
				rt.Fatal(err)
			}
		}
		now := w.Now()
		calls := len(worldCalls(w))
		ev := receive("2", drawOps(rt, "event"))
		if err := w.Advance(t.Context(), time.Hour); err != nil {
			rt.Fatal(err)
		}
		e, err := evaluate(t.Context(), set, &ev, now, before)
		if err != nil {
			rt.Fatal(err)
		}
		want, got := worldCalls(w)[calls:], []string{}
		for _, c := range e.Calls {
			got = append(got, fmt.Sprint(c.At, c.Chat, c.Actions))
		}
		if !slices.Equal(got, want) {
			rt.Errorf("calls\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, a := range e.Actions {
			i := slices.IndexFunc(w.Actions("c1"), func(b chat.Action) bool { return b.ID.String() == a.ID })
			if i < 0 {
				rt.Fatalf("%+v is not an action of the world", a)
			}
			if b := w.Actions("c1")[i]; a.Status != b.Status || a.Why != b.Why || !a.Due.Equal(b.Due) {
				rt.Errorf("%+v\nwant %+v", a, b)
			}
		}
	})
}

func worldCalls(w *spec.World) []string {
	calls := []string{}
	for _, h := range w.Log() {
		if h.Call != nil {
			var ids []string
			for _, a := range h.Call.Call.Actions {
				ids = append(ids, a.ID.String())
			}
			calls = append(calls, fmt.Sprint(h.At, h.Call.Call.Chat, ids))
		}
	}
	return calls
}

// eval ends whatever a state file says, overdue timers included, and shows how each
// action ends.
func TestEvalEndsWithAnyState(t *testing.T) {
	t.Parallel()
	set, file := obedientSet(t), filepath.Join(t.TempDir(), "state.yaml")
	now := spec.Epoch
	rapid.Check(t, func(rt *rapid.T) {
		when := rapid.SampledFrom([]string{"0s", "1m", "2m", "2026-01-05T11:00:00Z", "2026-01-05T11:30:00Z", "2026-01-05T12:01:00Z"})
		text := "chats:\n  c1:\n    state: {}\n"
		if rapid.Bool().Draw(rt, "read") {
			text += "    read: true\n"
		}
		if rapid.Bool().Draw(rt, "held") {
			text += "    hold: {until: " + when.Draw(rt, "until") + "}\n"
		}
		for _, list := range []struct{ key, item string }{
			{"timers", "{pack: p, name: t, due: %s}"}, {"reads", "{rule: p/one, due: %s}"}, {"postponed", "{rule: p/two, until: %s}"},
		} {
			if rapid.Bool().Draw(rt, list.key) {
				text += "    " + list.key + ": [" + fmt.Sprintf(list.item, when.Draw(rt, "due")) + "]\n"
			}
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			rt.Fatal(err)
		}
		before, diags, err := readState(file, set, false, now)
		if err != nil || len(diags) > 0 {
			rt.Fatal(err, diags, text)
		}
		ops := drawOps(rt, "event")
		ev := event.Event{ID: "e", Type: event.MessageReceived, Source: event.SourceFile, Chat: &event.Chat{ID: "c1"}, Text: ops,
			Message: &event.Message{ID: "m", Direction: "inbound", Text: ops}}
		e, err := evaluate(t.Context(), set, &ev, now, before)
		if err != nil {
			rt.Fatal(err, text)
		}
		for _, a := range e.Actions {
			if a.Status == chat.Waiting {
				rt.Errorf("%+v waits still\n%s", a, text)
			}
		}
	})
}

func obedientSet(t *testing.T) *rules.Set {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.lua")
	if err := os.WriteFile(file, []byte(obedient), 0o600); err != nil {
		t.Fatal(err)
	}
	set, diags := rules.Load([]string{file}, rules.Options{}).Set()
	if set == nil || diags.Errors() {
		t.Fatal(diags)
	}
	return set
}
