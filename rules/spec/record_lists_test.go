package spec_test

import (
	"strings"
	"testing"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/spec"
)

// TestRecordedSpecHasItsLists: a recorded spec begins with the members that decided, masked
// like the senders, and says if a list has changed since.
func TestRecordedSpecHasItsLists(t *testing.T) {
	t.Parallel()
	p := echoPacks(t, `
chert.rule({ name = "vip", on = "message.received", where = { from = chert.list("vips") }, run = function(ev)
  chert.keep_unread(ev.chat.id)
end })
chert.rule({ name = "read", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id) end })`)
	set, diags := p.Solo(rules.Solo{})
	if set == nil {
		t.Fatal(diags)
	}
	lists := rules.NewLists(rules.NewList("vips", 3, []rules.ListMember{{Member: "+14155550123"}, {Member: "+14155550188"}}))
	w := spec.NewWorld(spec.WorldConfig{Set: set, Lists: lists})
	ev := event.Event{ID: "e1", Type: event.MessageReceived, Source: event.SourceWebhook, Text: "hello", From: "+14155550123", At: w.Now(), Raw: []byte("{}"),
		Chat: &event.Chat{ID: "c1"}, Message: &event.Message{ID: "m1", Direction: "inbound", Text: "hello", From: "+14155550123"}}
	if err := w.Receive(t.Context(), ev); err != nil {
		t.Fatal(err)
	}
	for _, changed := range []bool{false, true} {
		now := lists
		if changed {
			now = lists.With(lists.List("vips").Changed(4, []rules.ListMember{{Member: "c9"}}, nil))
		}
		r := recordingOf(w, "c1")
		for i := range w.Log() {
			r.AddLists(w.Log()[i].Decision, now)
		}
		r.FindMembers(now, func(s string) string { return s })
		out := spec.Record(t.Context(), r, "echo", p, false)
		if len(out.Notes) > 0 || !strings.Contains(out.Lua, `configure({ lists = { vips = { "+15550100001" } } })`) || strings.Contains(out.Lua, "+14155550") {
			t.Errorf("notes %q\n%s", out.Notes, out.Lua)
		}
		if got := strings.Contains(out.Lua, "the lists have changed since"); got != changed {
			t.Errorf("it says that the lists have changed: %t, want %t\n%s", got, changed, out.Lua)
		}
	}
}
