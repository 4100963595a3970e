package storetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Round trips write values whose every field is drawn and read them back, so
// that a field that is added and not kept is found here.
var roundTrips = map[string]func(*testing.T, *bench){
	"any entry is read back":                       entries,
	"a signal is read back":                        signals,
	"any chat is read back":                        chats,
	"any decision is read back":                    decisions,
	"any kv and state is read back":                memories,
	"any quarantined delivery is read back":        quarantined,
	"a timer that is set again replaces the first": timers,
}

// signals have an envelope of another form than deliveries of Chert's.
func signals(t *testing.T, b *bench) {
	for i, data := range []string{"", `"text"`, `{"agent":"<Ann>","n":[1,null]}`} {
		ev, err := event.NewSignal(event.SignalSpec{Name: "human_replied", Chat: "c1", ID: fmt.Sprint(i), At: noon, Data: json.RawMessage(data)})
		if err != nil {
			t.Fatal(err)
		}
		want := turn.Entry{Arrival: turn.Arrival{Event: ev, Received: noon}}
		receipts, err := b.s.Append(background, []turn.Arrival{want.Arrival})
		if err != nil {
			t.Fatal(err)
		}
		want.Seq = receipts[0].Seq
		r, ok, err := b.s.Event(background, ev.ID)
		if err != nil || !ok {
			t.Fatalf("signal %d: %t, %v", i, ok, err)
		}
		same(t, "signal", r.Entry, want)
		early, err := b.s.AppendEarly(background, []turn.Arrival{want.Arrival})
		if err != nil || !early[0].Duplicate {
			t.Errorf("signal %d again: %+v, %v", i, early, err)
		}
	}
}

func entries(t *testing.T, b *bench) {
	var announced []turn.Entry
	b.s.Journaled(func(list []turn.Entry) { announced = append(announced, list...) })
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		announced = nil
		var list []turn.Arrival
		for range rapid.IntRange(1, 4).Draw(rt, "arrivals") {
			n++
			a := draw[turn.Arrival](rt, "arrival")
			a.Event.ID = fmt.Sprint(n, " ", a.Event.ID)
			a.Event.FromRaw = false // the fields are drawn, not decoded
			list = append(list, a)
		}
		receipts, err := b.s.Append(background, list)
		if err != nil {
			rt.Fatal(err)
		}
		pending, err := b.s.Pending(background, store.Shard{Of: 1}, receipts[0].Seq-1, 100)
		if err != nil {
			rt.Fatal(err)
		}
		for i := range list {
			want := turn.Entry{Seq: receipts[i].Seq, Arrival: list[i]}
			same(rt, "announced", announced[i], want)
			same(rt, "pending", pending[i], want)
			r, _, err := b.s.Event(background, list[i].Event.ID)
			if err != nil {
				rt.Fatal(err)
			}
			same(rt, "record", r.Entry, want)
			if unhandled, err := b.s.Unhandled(background, want.Event.ChatID()); (unhandled >= want.Seq) != (want.Event.ChatID() != "") || err != nil {
				rt.Fatalf("entry %s is not among the unhandled of %q: %v", show(want), want.ShardKey(), err)
			}
		}
	})
}

func chats(t *testing.T, b *bench) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		c := draw[chat.Chat](rt, "chat")
		c.Flight, c.LimitedUntil = nil, nil
		var changes []chat.TimerChange
		for i := range c.Waiting {
			a := &c.Waiting[i]
			a.Chat, a.Status, a.ID.N = c.ID, rapid.SampledFrom([]chat.Status{chat.Waiting, chat.Sent}).Draw(rt, "status"), i
		}
		slices.SortFunc(c.Waiting, func(a, b chat.Action) int {
			return cmp.Or(a.Requested.Compare(b.Requested), cmp.Compare(a.ID.Seq, b.ID.Seq), cmp.Compare(a.ID.N, b.ID.N))
		})
		for i := range c.Timers {
			tm := &c.Timers[i]
			tm.Seq, tm.Name = int64(i), fmt.Sprint(i, tm.Name)
			changes = append(changes, chat.TimerChange{Timer: *tm})
		}
		before, err := one(b.s.Chats(background, []string{c.ID}))
		if err != nil {
			rt.Fatal(err)
		}
		// What an earlier draw has left in this chat goes.
		var actions []chat.Action
		for _, a := range before.Waiting {
			a.Status = chat.Dropped
			actions = append(actions, a)
		}
		for _, tm := range before.Timers {
			changes = append([]chat.TimerChange{{Timer: tm, Removed: true}}, changes...)
		}
		n++
		receipts, err := b.s.Append(background, []turn.Arrival{arrival(fmt.Sprint("e", n), c.ID)})
		if err != nil {
			rt.Fatal(err)
		}
		next := receipts[0].Seq
		c.Newest = next
		for i := range c.Waiting {
			c.Waiting[i].ID.Seq = next
		}
		slices.SortFunc(c.Waiting, func(a, b chat.Action) int {
			return cmp.Or(a.Requested.Compare(b.Requested), cmp.Compare(a.ID.N, b.ID.N))
		})
		actions = append(actions, c.Waiting...)
		d := &turn.Decision{Seq: next, At: noon}
		if rapid.Bool().Draw(rt, "before") {
			if err := b.s.Commit(background, []turn.Transition{{Decision: d}}); err != nil {
				rt.Fatal(err)
			}
			d = nil
		}
		if err := b.s.Commit(background, []turn.Transition{{Decision: d, Chat: &c, Actions: actions, Timers: changes}}); err != nil {
			rt.Fatal(err)
		}
		got, err := one(b.s.Chats(background, []string{c.ID}))
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "chat", got, c)
		if rapid.IntRange(0, 3).Draw(rt, "reopen") == 0 {
			b.reopen()
			if got, err = one(b.s.Chats(background, []string{c.ID})); err != nil {
				rt.Fatal(err)
			}
			same(rt, "chat after a restart", got, c)
		}

		// Then its actions make further steps.
		for i := range c.Waiting {
			a := draw[chat.Action](rt, "later")
			was := c.Waiting[i]
			was.Status, was.Why, was.Requested, was.Revived, was.Due, was.Ended = a.Status, a.Why, a.Requested, a.Revived, a.Due, a.Ended
			was.Attempts, was.Code, was.HTTP, was.TraceID, was.Error = a.Attempts, a.Code, a.HTTP, a.TraceID, a.Error
			was.Called, was.EndedBy, was.Hurried = a.Called, a.EndedBy, a.Hurried
			was.Status = chat.Dead
			c.Waiting[i] = was
		}
		if err := b.s.Commit(background, []turn.Transition{{Actions: c.Waiting}}); err != nil {
			rt.Fatal(err)
		}
		settled, err := b.s.Actions(background, store.ActionFilter{Chat: c.ID, Limit: len(c.Waiting) + 1, Status: []chat.Status{chat.Dead}})
		if err != nil {
			rt.Fatal(err)
		}
		slices.SortFunc(c.Waiting, func(a, b chat.Action) int { return -cmp.Compare(a.ID.N, b.ID.N) })
		if len(c.Waiting) > 0 {
			same(rt, "settled", settled[:len(c.Waiting)], c.Waiting)
		}
	})
}

func decisions(t *testing.T, b *bench) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		a := arrival(fmt.Sprint("e", n), "c1")
		receipts, err := b.s.Append(background, []turn.Arrival{a})
		if err != nil {
			rt.Fatal(err)
		}
		prev := int64(0)
		for range 2 { // the second replaces the first, but for its Prev if it has none
			d := draw[turn.Decision](rt, "decision")
			d.Seq = receipts[0].Seq
			if err := b.s.Commit(background, []turn.Transition{{Decision: &d}}); err != nil {
				rt.Fatal(err)
			}
			r, ok, err := b.s.Event(background, a.Event.ID)
			if err != nil || !ok {
				rt.Fatal(ok, err)
			}
			d.Prev = cmp.Or(d.Prev, prev)
			prev = d.Prev
			same(rt, "decision", r.Decision, &d)
		}
	})
}

func memories(t *testing.T, b *bench) {
	rapid.Check(t, func(rt *rapid.T) {
		kv, st := draw[turn.KV](rt, "kv"), draw[turn.State](rt, "state")
		before, err := b.s.KV(background, kv.Pack, kv.Key, noon)
		if err != nil {
			rt.Fatal(err)
		}
		err = b.s.Commit(background, []turn.Transition{{Reads: []turn.KV{before}, Writes: []turn.KV{kv}, States: []turn.State{st}}})
		if err != nil {
			rt.Fatal(err)
		}
		kv.Version = before.Version + 1
		if kv.Value == nil || !kv.Expires.IsZero() && !kv.Expires.After(noon) {
			kv.Value = nil
			kv.Expires = kv.Expires.Truncate(0)
		}
		got, err := b.s.KV(background, kv.Pack, kv.Key, noon)
		if err != nil {
			rt.Fatal(err)
		}
		if kv.Value == nil {
			kv.Expires = got.Expires // of no meaning where there is no value
		}
		same(rt, "kv", got, kv)
		value, err := b.s.State(background, st.Pack, st.Chat)
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "state", value, st.Value)
	})
}

func quarantined(t *testing.T, b *bench) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		q := draw[store.Quarantined](rt, "quarantined")
		// Two of one body or one event are one delivery.
		q.Body = append(fmt.Append(nil, n, ":"), q.Body...)
		if q.Event != "" {
			q.Event = fmt.Sprint(n, ":", q.Event)
		}
		if err := b.s.Quarantine(background, q); err != nil {
			rt.Fatal(err)
		}
		list, err := b.s.Quarantined(background, 1)
		if err != nil || len(list) != 1 {
			rt.Fatal(list, err)
		}
		q.ID, q.Event = list[0].ID, ""
		same(rt, "quarantined", list[0], q)
	})
}

// timers sets one name again and again, and fires it.
func timers(t *testing.T, b *bench) {
	c := chat.Chat{ID: "c1"}
	seq := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		seq++
		tm := draw[chat.Timer](rt, "timer")
		tm.Pack, tm.Name, tm.Seq = "p", "t", seq
		c.Timers = []chat.Timer{tm}
		if err := b.s.Commit(background, []turn.Transition{{Chat: &c, Timers: []chat.TimerChange{{Timer: tm}}}}); err != nil {
			rt.Fatal(err)
		}
		got, err := one(b.s.Chats(background, []string{"c1"}))
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "timers", got.Timers, c.Timers)
		due, err := b.s.TimersDue(background, store.Due{}, 10)
		if err != nil {
			rt.Fatal(err)
		}
		var want []store.Due
		if at := c.NextTimer(); !at.IsZero() {
			want = []store.Due{{Chat: "c1", At: at}}
		}
		same(rt, "timers due", due, want)
	})
}

func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	return string(text)
}
