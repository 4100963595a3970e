package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var recordTests = map[string]func(*testing.T, *bench){
	"events are listed newest first, also of one chat": eventsNewestFirst,
	"actions are filtered":                             actionsFiltered,
	"stats count rows":                                 stats,
	"holds are listed until they end":                  holds,
	"postponements are listed until they end":          postponed,
	"events are found by message and number":           lookedFor,
	"events are found by the trace_id of Chert's":      traced,
	"stats are exact, whatever is written":             exactStats,
}

// holds: each chat that is held, whoever held it, is listed until its hold ends
// or is released.
func holds(t *testing.T, b *bench) {
	var batch []turn.Transition
	var want []store.Hold // at noon
	for i := range 30 {
		c := chat.Chat{ID: fmt.Sprintf("c%02d", i), Hold: chat.Hold{Until: noon.Add(time.Duration(i-9) * time.Minute), By: "vip/keep", Reason: "quiet", Seq: int64(i + 1)}}
		switch {
		case i%3 == 1:
			c.Hold = chat.Hold{Until: c.Hold.Until, By: "operator"}
		case i%3 == 2:
			c.Hold = chat.Hold{}
		}
		batch = append(batch, turn.Transition{Chat: &c})
		if c.Hold.Until.After(noon) {
			want = append(want, store.Hold{Chat: c.ID, Hold: c.Hold})
		}
	}
	slices.Reverse(want)
	b.commit(batch...)
	b.reopen()
	check := func(when string, now time.Time, limit int, want []store.Hold, total int64) {
		t.Helper()
		got, n, err := b.s.Holds(t.Context(), now, limit)
		b.must(err)
		b.equal(when, got, want)
		b.equal(when+": their number", n, total)
	}
	all := int64(len(want))
	check("all", noon, 100, want, all)
	check("a page", noon, 5, want[:5], all)
	check("none is asked for", noon, 0, nil, all)
	check("when most are over", want[2].Until, 5, want[:2], 2)
	check("when all are over", noon.Add(time.Hour), 5, nil, 0)
	longer, released := batch[12].Chat, batch[27].Chat
	longer.Hold.Until, released.Hold = noon.Add(48*time.Hour), chat.Hold{}
	b.commit(turn.Transition{Chat: longer}, turn.Transition{Chat: released})
	want = slices.DeleteFunc(want, func(h store.Hold) bool { return h.Chat == longer.ID || h.Chat == released.ID })
	check("one is longer and one is released", noon, 100, append([]store.Hold{{Chat: longer.ID, Hold: longer.Hold}}, want...), all-1)
}

// lookedFor: events are found by their sequence, by their message, and by a number that they name.
func lookedFor(t *testing.T, b *bench) {
	with := func(id, chatID, message, from string) turn.Arrival {
		a := arrival(id, chatID)
		a.Event.Message = &event.Message{ID: message, Direction: "inbound", From: from}
		a.Event.Raw = []byte(fmt.Sprintf(`{"message": %q, "from": %q}`, message, from))
		return a
	}
	receipts, err := b.s.Append(t.Context(), []turn.Arrival{
		with("e1", "c1", "m1", "+14155550123"), with("e2", "c2", "m2", "+14155550199"), with("e3", "c1", "m1", "+14155550123"),
		with("e4", "c3", "m3", "+14155550123"), with("e5", "", "m4", "+14155550123"),
	})
	b.must(err)
	seq := func(n int) int64 { return receipts[n-1].Seq }
	for range 2 {
		r, ok, err := b.s.EventBySeq(t.Context(), seq(2))
		b.must(err)
		b.equal("the event of a sequence", []any{r.Event.ID, ok}, []any{"e2", true})
		_, ok, err = b.s.EventBySeq(t.Context(), seq(5)+1)
		b.must(err)
		b.equal("there is an event of a sequence that was not given", ok, false)
		for _, test := range []struct {
			message string
			limit   int
			want    []int64
		}{{"m1", 9, []int64{seq(3), seq(1)}}, {"m1", 1, []int64{seq(3)}}, {"m9", 9, nil}, {"", 9, nil}, {"m1", 0, nil}} {
			got, err := b.s.MessageEvents(t.Context(), test.message, test.limit)
			b.must(err)
			b.equal("events of message "+test.message, got, test.want)
		}
		for _, test := range []struct {
			part  string
			limit int
			want  []int64
		}{{"5550123", 9, []int64{seq(4), seq(3)}}, {"14155550123", 1, []int64{seq(4)}}, {"0199", 9, []int64{seq(2)}}, {"777", 9, nil}, {"%", 9, nil}, {"0123", 0, nil}} {
			got, err := b.s.EventsNaming(t.Context(), test.part, test.limit)
			b.must(err)
			b.equal("chats that name "+test.part, got, test.want)
		}
		b.reopen()
	}
}

// traced: events are found by the trace_id of their delivery, of an answer to the last call of an
// action, and of an answer to an attempt that failed, and not by a text that contains it.
func traced(t *testing.T, b *bench) {
	with := func(id, raw string) turn.Arrival {
		a := arrival(id, "c1")
		a.Event.Raw = []byte(raw)
		return a
	}
	receipts, err := b.s.Append(t.Context(), []turn.Arrival{
		with("e1", `{"trace_id": "t-delivery"}`), with("e2", `{"text": "t-delivery", "data": {"trace_id": "t-call"}}`),
		with("e3", `{"trace_id": 17}`), with("e4", `{"trace_id": "t-both"}`), with("e5", `{}`),
	})
	b.must(err)
	seq := func(n int) int64 { return receipts[n-1].Seq }
	done := func(n int, trace string, attempts ...chat.Attempt) turn.Transition {
		a := chat.Action{ID: chat.ActionID{Seq: seq(n)}, Kind: chat.Read, Chat: "c1", Pack: "p", Version: "v", Rule: "r", Place: "p.lua:1",
			Requested: noon, Due: noon, Status: chat.Done, Why: chat.WhyRead, Attempts: 1, HTTP: 200, TraceID: trace, Ended: noon}
		return turn.Transition{Decision: &turn.Decision{Seq: seq(n), At: noon, Actions: 1}, Actions: []chat.Action{a}, Attempts: attempts}
	}
	b.commit(done(2, "t-call"), done(4, "t-other"),
		done(5, "t-both", chat.Attempt{Action: chat.ActionID{Seq: seq(5)}, N: 1, At: noon, HTTP: 500, TraceID: "t-failed"}))
	for range 2 {
		for _, test := range []struct {
			trace string
			limit int
			want  []int64
		}{
			{"t-delivery", 9, []int64{seq(1)}}, {"t-call", 9, []int64{seq(2)}}, {"t-failed", 9, []int64{seq(5)}},
			{"t-both", 9, []int64{seq(5), seq(4)}}, {"t-both", 1, []int64{seq(5)}}, {"t-", 9, nil}, {"17", 9, nil}, {"", 9, nil}, {"t-call", 0, nil},
		} {
			got, err := b.s.TracedEvents(t.Context(), test.trace, test.limit)
			b.must(err)
			b.equal("events of trace "+test.trace, got, test.want)
		}
		b.reopen()
	}
}

// postponed: each chat of which reads wait is listed until the last time for which
// they do.
func postponed(t *testing.T, b *bench) {
	var batch []turn.Transition
	var want []store.Postponement // at noon
	for i := range 30 {
		c := chat.Chat{ID: fmt.Sprintf("c%02d", i)}
		if i%3 > 0 {
			last := chat.Postponement{Seq: int64(i + 1), Until: noon.Add(time.Duration(i-9) * time.Minute), Pack: "night", Version: "v", Rule: "wait", Reason: "closed"}
			first := last
			first.Until, first.Rule = last.Until.Add(-time.Minute), "nap"
			c.Postponed = []chat.Postponement{last, first}
			if last.Until.After(noon) {
				want = append(want, store.Postponement{Chat: c.ID, Postponement: last})
			}
		}
		batch = append(batch, turn.Transition{Chat: &c})
	}
	slices.Reverse(want)
	b.commit(batch...)
	b.reopen()
	check := func(when string, now time.Time, limit int, want []store.Postponement, total int64) {
		t.Helper()
		got, n, err := b.s.Postponed(t.Context(), now, limit)
		b.must(err)
		b.equal(when, got, want)
		b.equal(when+": their number", n, total)
	}
	check("all", noon, 100, want, int64(len(want)))
	check("a page", noon, 5, want[:5], int64(len(want)))
	check("when most are over", want[2].Until, 5, want[:2], 2)
	check("when all are over", noon.Add(time.Hour), 5, nil, 0)
}

func eventsNewestFirst(t *testing.T, b *bench) {
	var ids []string
	newestOf := map[string]int64{}
	for i := range 12 {
		id := fmt.Sprint("e", i)
		a := arrival(id, fmt.Sprint("c", i%3))
		if i%4 == 3 {
			a = arrival(id, "")
		}
		seq := b.append(a)[0]
		ids = append(ids, id)
		if i < 8 {
			tr := turn.Transition{Decision: &turn.Decision{Seq: seq, At: noon, Note: id}, Actions: []chat.Action{read(seq, 0, a.Event.ChatID(), noon), read(seq, 1, a.Event.ChatID(), noon)}}
			if name := a.Event.ChatID(); name != "" {
				tr.Decision.Prev, newestOf[name] = newestOf[name], seq
				tr.Chat = &chat.Chat{ID: name, Newest: seq}
			}
			b.commit(tr)
		}
	}
	list := func(chatID string, before int64, limit int) (got []string) {
		t.Helper()
		records, err := b.s.Events(t.Context(), chatID, before, limit)
		b.must(err)
		for _, r := range records {
			got = append(got, r.Event.ID)
			if decided := r.Decision != nil && r.Decision.Note == r.Event.ID && r.Decision.Seq == r.Seq && len(r.Actions) == 2 && r.Actions[1].ID.N == 1; decided != (r.Seq <= 8) {
				t.Errorf("record of %s: %s", r.Event.ID, show(r))
			}
		}
		return got
	}
	newest := slices.Clone(ids)
	slices.Reverse(newest)
	b.equal("all", list("", 0, 100), newest)
	b.equal("three", list("", 0, 3), newest[:3])
	b.equal("the next three", list("", b.record(newest[2]).Seq, 3), newest[3:6])
	b.equal("of a chat", list("c1", 0, 100), []string{"e10", "e4", "e1"})
	b.equal("of a chat, paged", list("c1", b.record("e10").Seq, 1), []string{"e4"})
	b.equal("of nobody", list("nobody", 0, 100), []string(nil))
	if _, ok, err := b.s.Event(t.Context(), "nothing"); ok || err != nil {
		t.Errorf("an unknown event: %t, %v", ok, err)
	}
}

func actionsFiltered(t *testing.T, b *bench) {
	statuses := []chat.Status{chat.Waiting, chat.Sent, chat.Done, chat.Dropped, chat.Blocked, chat.Dead, chat.Shadowed}
	var all []chat.Action
	for i := range 140 {
		a := read(int64(i/2+1), i%2, fmt.Sprint("c", i%5), noon)
		a.Status, a.Pack = statuses[i%len(statuses)], fmt.Sprint("p", i%3)
		all = append(all, a)
	}
	// Each chat has the events of its actions.
	seqs := map[string]int64{}
	for i := range all {
		a := &all[i]
		tr := turn.Transition{Chat: &chat.Chat{ID: a.Chat}, Actions: []chat.Action{*a}}
		seq := b.append(arrival(fmt.Sprint("e", i), a.Chat))[0]
		a.ID.Seq, tr.Actions[0].ID.Seq = seq, seq
		tr.Decision = &turn.Decision{Seq: seq, At: noon, Prev: seqs[a.Chat]}
		tr.Chat.Newest, seqs[a.Chat] = seq, seq
		for _, other := range all[:i+1] {
			if other.Chat == a.Chat && (other.Status == chat.Waiting || other.Status == chat.Sent) {
				tr.Chat.Waiting = append(tr.Chat.Waiting, other)
			}
		}
		b.commit(tr)
	}
	b.reopen()
	newest := slices.Clone(all)
	slices.Reverse(newest)
	filters := []store.ActionFilter{
		{}, {Limit: 7}, {Limit: 1000}, {Chat: "c1"}, {Pack: "p2", Limit: 1000}, {Status: []chat.Status{chat.Dead}}, {Status: []chat.Status{chat.Done}, Chat: "c2"},
		{Status: []chat.Status{chat.Dead, chat.Blocked}, Limit: 3}, {Status: []chat.Status{chat.Waiting, chat.Dropped}, Chat: "c3", Pack: "p1"}, {Chat: "nobody"},
	}
	// Any statuses, whichever of them a store has an index for.
	for set := range 1 << len(statuses) {
		f := store.ActionFilter{Limit: 1000}
		for i, st := range statuses {
			if set>>i&1 == 1 {
				f.Status = append(f.Status, st)
			}
		}
		if set%2 == 1 {
			f.Pack = "p2"
		}
		filters = append(filters, f)
	}
	for _, f := range filters {
		limit := f.Limit
		if limit == 0 {
			limit = 100
		}
		var want []chat.Action
		for _, a := range newest {
			if len(want) < limit && (f.Status == nil || slices.Contains(f.Status, a.Status)) && (f.Chat == "" || f.Chat == a.Chat) && (f.Pack == "" || f.Pack == a.Pack) {
				want = append(want, a)
			}
		}
		got, err := b.s.Actions(t.Context(), f)
		b.must(err)
		b.equal("actions "+show(f), got, want)
	}
}

func stats(t *testing.T, b *bench) {
	seqs := b.append(arrival("e1", "c1"), arrival("e2", "c1"), arrival("e3", ""))
	done := read(seqs[0], 1, "c1", noon)
	done.Status = chat.Done
	b.commit(turn.Transition{Decision: &turn.Decision{Seq: seqs[0], At: noon}, Chat: &chat.Chat{ID: "c1"}, Actions: []chat.Action{read(seqs[0], 0, "c1", noon), done}})
	b.must(b.s.Quarantine(t.Context(), store.Quarantined{Received: noon, Source: "webhook", Reason: "x", Body: []byte("y")}))
	st, err := b.s.Stats(t.Context())
	b.must(err)
	if st.Bytes <= 0 {
		t.Errorf("%d bytes on disk", st.Bytes)
	}
	st.Bytes = 0
	b.equal("stats", st, store.Stats{Events: 3, Pending: 2, Quarantined: 1, Chats: 1, Actions: map[chat.Status]int64{chat.Waiting: 1, chat.Done: 1}})
}

// exactStats writes at random, and counts along: new rows and known ones,
// repeats, conflicts, and every change of an action's status.
func exactStats(t *testing.T, b *bench) {
	statuses := []chat.Status{chat.Waiting, chat.Sent, chat.Done, chat.Dropped, chat.Blocked, chat.Dead, chat.Shadowed}
	want := store.Stats{Actions: map[chat.Status]int64{}}
	ids, chats, bodies := map[string]int64{}, map[string]bool{}, map[string]bool{}
	handled, actions := map[int64]bool{}, map[chat.ActionID]chat.Status{}
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 10).Draw(rt, "steps") {
			id := fmt.Sprint("e", rapid.IntRange(0, 300).Draw(rt, "event"))
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				receipts, err := b.s.Append(background, []turn.Arrival{arrival(id, "c"), arrival(id, "c")})
				if err != nil {
					rt.Fatal(err)
				}
				if _, known := ids[id]; !known {
					ids[id] = receipts[0].Seq
					want.Events++
					want.Pending++
				}
			case 1:
				var want error
				if bodies[id] {
					want = store.ErrInQuarantine
				}
				bodies[id] = true
				if err := b.s.Quarantine(background, store.Quarantined{Source: "webhook", Body: []byte(id)}); !errors.Is(err, want) {
					rt.Fatalf("quarantine: %v, want %v", err, want)
				}
			case 2: // handles an event, again too, and asks for actions
				seq, known := ids[id]
				if !known {
					continue
				}
				name := fmt.Sprint("c", rapid.IntRange(0, 20).Draw(rt, "chat"))
				tr := turn.Transition{Decision: &turn.Decision{Seq: seq}, Chat: &chat.Chat{ID: name}}
				conflict := rapid.IntRange(0, 4).Draw(rt, "conflict") == 0
				if conflict {
					tr.Reads = []turn.KV{{Pack: "p", Key: "never", Version: 7}}
				}
				for n := range rapid.IntRange(0, 3).Draw(rt, "actions") {
					a := read(seq, n, name, noon)
					a.Status = rapid.SampledFrom(statuses).Draw(rt, "status")
					tr.Actions = append(tr.Actions, a)
				}
				err := b.s.Commit(background, []turn.Transition{tr})
				if conflict {
					if !errors.Is(err, store.ErrConflict) {
						rt.Fatal(err)
					}
					continue
				}
				if err != nil {
					rt.Fatal(err)
				}
				if !handled[seq] {
					handled[seq] = true
					want.Pending--
				}
				chats[name] = true
				for i := range tr.Actions {
					actions[tr.Actions[i].ID] = tr.Actions[i].Status
				}
			case 3: // a later step changes an action of an earlier event, or adds one
				seq, known := ids[id]
				if !known || !handled[seq] {
					continue
				}
				a := read(seq, rapid.IntRange(0, 3).Draw(rt, "n"), "c", noon)
				a.Status = rapid.SampledFrom(statuses).Draw(rt, "status")
				if err := b.s.Commit(background, []turn.Transition{{Actions: []chat.Action{a}}}); err != nil {
					rt.Fatal(err)
				}
				actions[a.ID] = a.Status
			case 4:
				if rapid.IntRange(0, 9).Draw(rt, "reopen") == 0 {
					b.reopen()
				}
			}
		}
		want.Quarantined, want.Chats = int64(len(bodies)), int64(len(chats))
		clear(want.Actions)
		for _, st := range actions {
			want.Actions[st]++
		}
		got, err := b.s.Stats(background)
		if err != nil {
			rt.Fatal(err)
		}
		got.Bytes = 0
		same(rt, "stats", got, want)
	})
}
