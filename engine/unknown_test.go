package engine

import (
	"context"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules/turn"
)

// give ingests an event in the form in which Chert delivers it.
func (r *rig) give(body string) string {
	r.t.Helper()
	ev, err := event.Decode([]byte(body), event.Hints{})
	if err != nil {
		r.t.Fatal(err)
	}
	ev.Source = event.SourceWebhook
	if _, err := r.eng.Ingest(context.Background(), []turn.Arrival{{Event: ev, Received: time.Now()}}); err != nil {
		r.t.Fatal(err)
	}
	return ev.ID
}

// A group is a group for reactions and legacy rows, which lack that field, also
// after a restart; and where that is unknown, neither rule runs.
func TestChatOfUnknownKindRunsNeitherRule(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", `
local on = { "message.received", "reaction.added", "lead_reply" }
chert.rule { name = "others", on = on, where = { is_group = false }, run = function(ev) chert.mark_read(ev.chat.id) end }
chert.rule { name = "no groups", on = on, where = { except = { is_group = true } }, run = function(ev) chert.mark_read(ev.chat.id) end }
chert.rule { name = "groups", on = on, where = { is_group = true }, run = function(ev) log.info("a group", { is = ev.chat.is_group }) end }
chert.rule { name = "all", on = on, run = function(ev) log.info(tostring(ev.chat.is_group)) end }`)
	reaction := func(id, chat, more string) string {
		return r.give(`{"event":"reaction.added","event_id":"` + id + `","data":{"chat":{"id":"` + chat + `"` + more + `}}}`)
	}
	legacy := func(id, chat string) string {
		return r.give(`{"id":"evt_` + id + `","type":"lead_reply","event_id":"` + id + `","lead_id":"` + chat + `","payload":{"event":"lead_reply","text":"hi"}}`)
	}
	want := map[string]string{
		reaction("unknown", "u1", ""):                         "nil",
		reaction("null", "u1", `,"is_group":null`):            "nil",
		legacy("row", "u2"):                                   "nil",
		reaction("says", "g1", `,"is_group":true`):            "true",
		reaction("does not", "g1", ""):                        "true",
		legacy("row in a group", "g1"):                        "true",
		reaction("null in a group", "g1", `,"is_group":null`): "true",
		reaction("other", "o1", `,"is_group":false`):          "false",
		reaction("other, not said", "o1", ""):                 "false",
	}
	all := func(ids map[string]string) func() bool {
		return func() bool {
			for id := range ids {
				if r.handled(id) == nil {
					return false
				}
			}
			return true
		}
	}
	r.wait("the events", all(want))
	r.stop()
	r.start()
	later := map[string]string{reaction("after a restart", "g1", ""): "true", legacy("row after a restart", "u2"): "nil"}
	r.wait("the events after the restart", all(later))
	defer r.lock()()
	for _, ids := range []map[string]string{want, later} {
		for id, group := range ids {
			ran := map[string]bool{}
			said := ""
			for _, d := range r.handled(id).Decision.Rules {
				ran[d.Rule] = true
				if d.Rule == "all" {
					said = d.Logs[0].Msg
				}
			}
			if said != group || ran["others"] != (group == "false") || ran["no groups"] != (group == "false") || ran["groups"] != (group == "true") {
				t.Errorf("%s: ev.chat.is_group is %s, and the rules %v ran; want %s", id, said, ran, group)
			}
		}
	}
	for _, c := range r.calls {
		if c.Chat != "o1" {
			t.Errorf("chat %s was read", c.Chat)
		}
	}
}
