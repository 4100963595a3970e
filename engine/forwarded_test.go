package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// A request for another chat is journaled, and carried out when that entry is
// handled. By then its pack, version or rule may have gone: what acts is dropped
// then, with a reason; what keeps a chat unread is not.
func TestForwardedRequestOfWhatIsNoLongerLiveIsDropped(t *testing.T) {
	t.Parallel()
	r := newRig(t, "live.lua", `chert.rule({ name = "r", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id) end })
`)
	r.message("c0", "e0", "hi") // the requests' cause
	n := 0
	for _, c := range []struct {
		pack, rule string
		kind       chat.RequestKind
		dropped    bool
	}{
		{"live", "r", chat.RequestRead, false},
		{"live", "deleted", chat.RequestRead, true},
		{"gone", "r", chat.RequestRead, true},
		{"live", "r", chat.RequestTyping, false},
		{"live", "deleted", chat.RequestTyping, false},
		{"gone", "r", chat.RequestTyping, true},
		{"live", "deleted", chat.RequestHold, false},
		{"gone", "r", chat.RequestHold, false},
		{"gone", "r", chat.RequestKeepUnread, false},
		{"live", "deleted", chat.RequestPostpone, false},
		{"gone", "r", chat.RequestPostpone, true},
	} {
		n++
		id, chatID := fmt.Sprint("request", n), fmt.Sprint("c", n)
		w := chat.Request{Kind: c.kind, Pack: c.pack, Rule: c.rule, Version: "v", Due: time.Now().Add(time.Hour)}
		_, err := r.eng.Ingest(ctx, []turn.Arrival{{
			Event:    event.Event{ID: id, Type: "request", At: time.Now(), Source: event.SourceEngine, Chat: &event.Chat{ID: chatID}, Pack: c.pack},
			Received: time.Now(), Cause: 1, Forward: &turn.Forward{Request: w},
		}})
		if err != nil {
			t.Fatal(err)
		}
		r.wait(id, func() bool { return r.handled(id) != nil })
		unlock := r.lock()
		h := r.handled(id)
		unlock()
		if note := h.Decision.Note; strings.HasPrefix(note, "drops a request of event 1: ") != c.dropped || strings.HasPrefix(note, "carries a request of event 1 here") == c.dropped {
			t.Errorf("%s of %s/%s: the decision notes %q", c.kind, c.pack, c.rule, note)
		}
		if acts := w.IsAction() && !c.dropped; (len(h.Actions) > 0) != acts {
			t.Errorf("%s of %s/%s: the actions are %+v", c.kind, c.pack, c.rule, h.Actions)
		}
		found, err := oneChat(r.st.Chats(ctx, []string{chatID}))
		if held := found.Hold.Active(time.Now()); err != nil || held != (c.kind == chat.RequestHold) || (found.Veto > 0) != (c.kind == chat.RequestHold || c.kind == chat.RequestKeepUnread) {
			t.Errorf("%s of %s/%s: the chat is %+v (%v)", c.kind, c.pack, c.rule, found, err)
		}
		if postponed := len(found.Postponed) > 0; postponed != (c.kind == chat.RequestPostpone && !c.dropped) {
			t.Errorf("%s of %s/%s: the chat is %+v", c.kind, c.pack, c.rule, found)
		}
	}
}

// A version that was rolled back leaves what it has postponed, as it does what waits
// already: only what acts goes with it.
func TestForwardedPostponementOutlivesItsVersion(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "night.lua", `chert.on("reaction.added", function(ev) end)`)
	c.write("night.lua", rest)
	c.reload()
	w := chat.Request{Kind: chat.RequestPostpone, Pack: "night", Rule: "rest", Version: c.eng.Rules().Pack("night").Version}
	if _, err := c.m.Rollback(ctx, "night", control.RollbackRequest{}); err != nil {
		t.Fatal(err)
	}
	typing := w
	typing.Kind = chat.RequestTyping
	withdrawn := func(set *rules.Set, w *chat.Request) bool {
		t.Helper()
		entry := turn.Entry{Seq: 9, Arrival: turn.Arrival{
			Event: event.Event{ID: "f", Chat: &event.Chat{ID: "c9"}}, Cause: 8, Forward: &turn.Forward{Request: *w},
		}}
		d, err := (&turn.Turn{Set: set, Now: time.Now(), Chat: &chat.Chat{ID: "c9"}}).Handle(ctx, &entry)
		if err != nil {
			t.Fatal(err)
		}
		return strings.HasPrefix(d.Decision.Note, "drops")
	}
	if set := c.eng.Rules(); withdrawn(set, &w) || !withdrawn(set, &typing) {
		t.Error("after the rollback: want a postponement carried out, and a typing signal not")
	}
	if c.mode("night", "off"); !withdrawn(c.eng.Rules(), &w) {
		t.Error("the pack is off, and what it postpones is carried out")
	}
}
