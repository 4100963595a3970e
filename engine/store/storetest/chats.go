package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var chatTests = map[string]func(*testing.T, *bench){
	"an unknown chat has only its id":                  unknownChat,
	"a chat comes back as it was":                      wholeChat,
	"settled actions leave the chat":                   settledLeave,
	"a sent action is loaded as sent":                  sentIsLoaded,
	"waiting actions keep the order of their requests": orderAsked,
	"timers are set, fired, replaced and removed":      timerLife,
	"due chats come in order, ties included":           dueInOrder,
	"due calls are found by phone line":                dueByLine,
	"due times follow the chat":                        dueFollows,
	"each pack and chat has a state of its own":        states,
}

func unknownChat(t *testing.T, b *bench) {
	b.equal("chat", b.chat("nobody"), chat.Chat{ID: "nobody"})
	b.equal("chat without id", b.chat(""), chat.Chat{})
}

// wholeChat: all that is remembered of a chat itself comes back. A field that is new
// has to be here.
func wholeChat(t *testing.T, b *bench) {
	c := chat.Chat{
		ID: "c1", Line: "+1", IsGroup: event.False, Newest: 8, LastEvent: 7, LastMessage: "m1", LastMessageSeq: 6,
		SeenBy: chat.Seen{{Pack: "vip", Seq: 6}}, Recent: chat.Messages{IDs: []string{"a"}, Newest: []string{"m1"}, Sent: noon, Replies: []chat.Reply{{Seq: 3, Keys: []string{"k"}}}},
		Veto: 5, VetoBy: "vip/keep", Unrequested: 4, ReadThrough: 3, Missed: chat.Missed{Through: 2, HoldUntil: noon},
		Retry: chat.Retry{Attempts: 1, First: noon, NotBefore: noon.Add(time.Second)}, Hold: chat.Hold{Until: noon, By: "vip/keep", Reason: "quiet", Seq: 2},
		Postponed: []chat.Postponement{{Seq: 2, Until: noon, Pack: "night", Version: "aa", Rule: "rest", Reason: "closed"}},
		Cancelled: []chat.Cancelled{{Pack: "vip", Seq: 3}, {Pack: "vip", Timer: "t", Seq: 4}},
		Asked:     chat.Asked{Newest: chat.NewestUnknown, Error: "no messages", Seq: 7, At: noon, Until: noon.Add(time.Second)},
		Cooldown:  map[string]time.Time{"vip/keep": noon},
	}
	for v, i := reflect.ValueOf(c), 0; i < v.NumField(); i++ {
		switch name := v.Type().Field(i).Name; name {
		case "Waiting", "Timers": // rows of their own
		case "LimitedUntil", "Flight": // not kept
		default:
			if v.Field(i).IsZero() {
				t.Errorf("Chat.%s is not tried", name)
			}
		}
	}
	b.commit(turn.Transition{Chat: &c})
	b.equal("chat", b.chat("c1"), c)
	b.reopen()
	b.equal("chat after a restart", b.chat("c1"), c)
}

func settledLeave(t *testing.T, b *bench) {
	seq := b.append(arrival("e1", "c1"))[0]
	var all []chat.Action
	for n, status := range []chat.Status{chat.Waiting, chat.Sent, chat.Done, chat.Dropped, chat.Blocked, chat.Dead, chat.Shadowed} {
		a := read(seq, n, "c1", noon)
		a.Status = status
		all = append(all, a)
	}
	c := chat.Chat{ID: "c1", LastEvent: seq, Waiting: all[:2]}
	b.commit(turn.Transition{Chat: &c, Actions: all})
	b.equal("chat", b.chat("c1"), c)
	done := all[0]
	done.Status, done.Why, done.Ended = chat.Done, chat.WhyRead, noon.Add(time.Second)
	c.Waiting = all[1:2]
	b.commit(turn.Transition{Chat: &c, Actions: []chat.Action{done}})
	b.equal("chat after a call", b.chat("c1"), c)
	revived := all[5]
	revived.Status, revived.Requested = chat.Waiting, noon.Add(time.Minute)
	c.Waiting = []chat.Action{all[1], revived}
	b.commit(turn.Transition{Chat: &c, Actions: []chat.Action{revived}})
	b.reopen()
	b.equal("chat after a revival", b.chat("c1"), c)
}

// sentIsLoaded: the machine of a chat settles what was on the wire when the
// process ended, so it must see it.
func sentIsLoaded(t *testing.T, b *bench) {
	a := chat.Action{ID: chat.ActionID{Seq: 1}, Kind: chat.React, Chat: "c1", Pack: "p", Version: "v", Rule: "r", Place: "p.lua:1",
		Body: json.RawMessage(`{"reaction":"love"}`), Target: "m1", Requested: noon, Due: noon, Status: chat.Sent}
	c := chat.Chat{ID: "c1", Waiting: []chat.Action{a}}
	b.commit(turn.Transition{Chat: &c, Actions: c.Waiting})
	b.reopen()
	loaded := b.chat("c1")
	b.equal("chat", loaded, c)
	next, out := chat.Step(loaded, chat.Ready{Seq: 1}, noon)
	if out.Call != nil || len(next.Waiting) != 0 || len(out.Actions) != 1 || out.Actions[0].Status != chat.Dead {
		t.Errorf("a reaction that may have gone out is not settled: %s, %s", show(next), show(out))
	}
	if due, err := b.s.CallsDue(t.Context(), "", store.Due{}, 1); err != nil || len(due) != 1 {
		t.Errorf("its chat is not due, so nobody would settle it: %v, %v", due, err)
	}
}

func orderAsked(t *testing.T, b *bench) {
	late := read(1, 0, "c1", noon)
	late.Requested = noon.Add(time.Hour) // revived
	list := []chat.Action{read(2, 3, "c1", noon.Add(time.Minute)), read(2, 10, "c1", noon), read(10, 0, "c1", noon), late}
	c := chat.Chat{ID: "c1", Waiting: list}
	b.commit(turn.Transition{Chat: &c, Actions: []chat.Action{list[3], list[2], list[1], list[0]}})
	b.equal("chat", b.chat("c1"), c)
}

func timerLife(t *testing.T, b *bench) {
	timer := func(name string, seq int64) chat.Timer {
		return chat.Timer{Pack: "p", Name: name, Version: "v", Due: noon.Add(time.Duration(seq) * time.Minute), Seq: seq, N: 2, Depth: 1}
	}
	one, two, other := timer("a", 1), timer("a", 2), timer("b", 2)
	c := chat.Chat{ID: "c1", Timers: []chat.Timer{one, other}}
	b.commit(turn.Transition{Chat: &c, Timers: []chat.TimerChange{{Timer: one}, {Timer: other}}})
	b.equal("set", b.chat("c1"), c)

	other.Fired = true
	c.Timers = []chat.Timer{one, other}
	b.commit(turn.Transition{Chat: &c, Timers: []chat.TimerChange{{Timer: other}}})
	b.equal("fired", b.chat("c1"), c)

	two.N = 3
	c.Timers = []chat.Timer{other, two}
	b.commit(turn.Transition{Chat: &c, Timers: []chat.TimerChange{{Timer: one, Removed: true}, {Timer: two}}})
	b.equal("replaced", b.chat("c1"), c)
	b.commit(turn.Transition{Chat: &c, Timers: []chat.TimerChange{{Timer: one, Removed: true}}})
	b.equal("the old one gone again", b.chat("c1"), c)

	c.Timers = []chat.Timer{two}
	b.commit(turn.Transition{Chat: &c, Timers: []chat.TimerChange{{Timer: other, Removed: true}}})
	b.reopen()
	b.equal("handled", b.chat("c1"), c)
	b.equal("another chat", b.chat("c2"), chat.Chat{ID: "c2"})
}

func dueInOrder(t *testing.T, b *bench) {
	type due = func(after store.Due, limit int) ([]store.Due, error)
	var want []store.Due
	var batch []turn.Transition
	for i := range 30 {
		c := chat.Chat{ID: fmt.Sprintf("c%02d", (i*7)%30)} // in any order
		at := noon.Add(time.Duration((i*7)%30/4) * time.Second)
		c.Waiting = []chat.Action{read(int64(i+1), 0, c.ID, at)}
		c.Timers = []chat.Timer{{Pack: "p", Name: "t", Due: at, Seq: int64(i + 1)}}
		batch = append(batch, turn.Transition{Chat: &c, Actions: c.Waiting, Timers: []chat.TimerChange{{Timer: c.Timers[0]}}})
	}
	for i := range 30 {
		want = append(want, store.Due{Chat: fmt.Sprintf("c%02d", i), At: noon.Add(time.Duration(i/4) * time.Second)})
	}
	b.commit(batch...)
	b.reopen()
	for name, ask := range map[string]due{
		"calls": func(after store.Due, limit int) ([]store.Due, error) {
			return b.s.CallsDue(t.Context(), "", after, limit)
		},
		"timers": func(after store.Due, limit int) ([]store.Due, error) { return b.s.TimersDue(t.Context(), after, limit) },
	} {
		for _, limit := range []int{1, 3, 30, 100} {
			var got []store.Due
			for after := (store.Due{}); ; {
				page, err := ask(after, limit)
				b.must(err)
				if len(page) == 0 {
					break
				}
				got, after = append(got, page...), page[len(page)-1]
			}
			b.equal(fmt.Sprintf("%s due, in pages of %d", name, limit), got, want)
		}
	}
}

// dueByLine: the calls of each line are found apart, and so are the lines.
func dueByLine(t *testing.T, b *bench) {
	names := []string{"", "+1", "+12", "+2"}
	want := map[string][]store.Due{}
	var batch []turn.Transition
	for i := range 40 {
		c := chat.Chat{ID: fmt.Sprintf("c%02d", i), Line: names[(i*3)%len(names)]}
		at := noon.Add(time.Duration(i/8) * time.Second)
		a := read(int64(i+1), 0, c.ID, at)
		c.Waiting = []chat.Action{a}
		due := store.Due{Chat: c.ID, At: at}
		if i%5 == 0 {
			due.Retry, c.Retry = true, chat.Retry{Attempts: 2, First: noon, NotBefore: noon}
		}
		want[c.Line] = append(want[c.Line], due)
		batch = append(batch, turn.Transition{Chat: &c, Actions: c.Waiting})
	}
	idle := chat.Chat{ID: "idle", Line: "+11"}
	b.commit(append(batch, turn.Transition{Chat: &idle})...)
	b.reopen()
	for _, name := range names {
		for _, limit := range []int{1, 3, 100} {
			var got []store.Due
			for after := (store.Due{}); ; {
				page, err := b.s.CallsDue(t.Context(), name, after, limit)
				b.must(err)
				if len(page) == 0 {
					break
				}
				got, after = append(got, page...), page[len(page)-1]
			}
			b.equal(fmt.Sprintf("calls of line %q, in pages of %d", name, limit), got, want[name])
		}
	}
	lines := func(from string, limit int, want ...string) {
		t.Helper()
		got, err := b.s.CallLines(t.Context(), from, limit)
		b.must(err)
		b.equal(fmt.Sprintf("at most %d lines from %q", limit, from), got, want)
	}
	lines("", 10, names...)
	lines("", 2, names[:2]...)
	lines("+12", 10, names[2:]...)
	lines("+12\x00", 1, "+2")
	lines("+3", 10)
	// A chat that moves to another line takes its call along.
	c := *batch[0].Chat
	c.Line = "+9"
	b.commit(turn.Transition{Chat: &c})
	lines("+3", 10, "+9")
	got, err := b.s.CallsDue(t.Context(), "+9", store.Due{}, 10)
	b.must(err)
	b.equal("calls of the line it moved to", got, want[batch[0].Chat.Line][:1])
}

func dueFollows(t *testing.T, b *bench) {
	check := func(when string, want ...store.Due) {
		t.Helper()
		got, err := b.s.CallsDue(t.Context(), "", store.Due{}, 10)
		b.must(err)
		b.equal(when, got, want)
	}
	check("nothing yet")
	a := read(1, 0, "c1", noon)
	c := chat.Chat{ID: "c1", Waiting: []chat.Action{a}}
	b.commit(turn.Transition{Chat: &c, Actions: c.Waiting})
	check("asked", store.Due{Chat: "c1", At: noon})
	c.Retry = chat.Retry{Attempts: 1, First: noon, NotBefore: noon.Add(time.Minute)}
	b.commit(turn.Transition{Chat: &c})
	check("backing off", store.Due{Chat: "c1", At: noon.Add(time.Minute), Retry: true})
	a.Status = chat.Done
	c.Waiting, c.Retry = nil, chat.Retry{}
	b.commit(turn.Transition{Chat: &c, Actions: []chat.Action{a}})
	check("done")
}

func states(t *testing.T, b *bench) {
	get := func(pack, chatID string) string {
		t.Helper()
		v, err := b.s.State(t.Context(), pack, chatID)
		b.must(err)
		return string(v)
	}
	set := func(pack, chatID, value string) turn.State {
		s := turn.State{Pack: pack, Chat: chatID}
		if value != "" {
			s.Value = json.RawMessage(value)
		}
		return s
	}
	b.commit(turn.Transition{States: []turn.State{set("p", "c1", `{"a":  1}`), set("p", "c2", `2`), set("q", "c1", `null`)}})
	b.commit(turn.Transition{States: []turn.State{set("p", "c2", ""), set("p", "c3", ""), set("q", "c2", `4`)}})
	b.reopen()
	for at, want := range map[[2]string]string{{"p", "c1"}: `{"a":  1}`, {"p", "c2"}: "", {"p", "c3"}: "", {"q", "c1"}: "null", {"q", "c2"}: "4", {"x", "c1"}: ""} {
		if got := get(at[0], at[1]); got != want {
			t.Errorf("state of %v: %q, want %q", at, got, want)
		}
	}
}
