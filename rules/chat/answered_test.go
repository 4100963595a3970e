package chat

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chertd/engine/event"
)

// unanswered says what of an input neither happened nor says why it did not; ""
// if nothing. It knows what requests mean, and nothing of how they are carried out.
func unanswered(before Chat, in Input, after Chat, out Effects, now time.Time) string {
	rows := map[ActionID]Action{}
	for _, a := range out.Actions {
		rows[a.ID] = a
		if final(a) && (a.Why == "" || a.Ended.IsZero()) {
			return fmt.Sprintf("action %v is %s without a why or a when", a.ID, a.Status)
		}
		if !final(a) && a.Why != "" {
			return fmt.Sprintf("action %v is %s, because of %q", a.ID, a.Status, a.Why)
		}
	}
	waits := func(c Chat, id ActionID) bool {
		return slices.ContainsFunc(c.Waiting, func(a Action) bool { return a.ID == id })
	}
	for _, a := range before.Waiting {
		if row, changed := rows[a.ID]; !waits(after, a.ID) && (!changed || !final(row)) {
			return fmt.Sprintf("action %v waits no more, and no row says why", a.ID)
		}
	}
	for _, t := range before.Timers {
		there := slices.ContainsFunc(after.Timers, func(u Timer) bool { return u.id() == t.id() })
		reported := slices.ContainsFunc(out.Timers, func(c TimerChange) bool { return c.Removed && c.Timer.id() == t.id() })
		if !there && !reported {
			return fmt.Sprintf("timer %q is gone, and the effects do not report its removal", t.Name)
		}
	}
	for _, r := range out.Refused {
		if r.Why == "" || r.Shadow || r.Kind.action() != "" {
			return fmt.Sprintf("%+v is refused as nothing is", r)
		}
	}
	h, ok := in.(Outcomes)
	if !ok {
		if len(out.Refused) > 0 {
			return "requests are refused that nobody has"
		}
		return ""
	}
	asked, actions := 0, 0
	for i := range h.Requests {
		w := &h.Requests[i]
		if w.IsAction() {
			asked++
			continue
		}
		refused := slices.ContainsFunc(out.Refused, func(r Refusal) bool { return r.Kind == w.Kind && r.Pack == w.Pack && r.Name == w.Name })
		if w.Shadow || refused {
			continue
		}
		last := !slices.ContainsFunc(h.Requests[i+1:], func(x Request) bool {
			return !x.Shadow && x.Pack == w.Pack && x.Name == w.Name && (x.Kind == RequestTimer || x.Kind == RequestCancelTimer)
		})
		set := slices.ContainsFunc(after.Timers, func(t Timer) bool { return t.Pack == w.Pack && t.Name == w.Name && t.Seq == h.Seq })
		switch w.Kind {
		case RequestTimer:
			if last && !set {
				return fmt.Sprintf("timer %q is not set", w.Name)
			}
		case RequestCancelTimer:
			if last && slices.ContainsFunc(after.Timers, func(t Timer) bool { return t.Pack == w.Pack && t.Name == w.Name && t.Seq <= h.Seq }) {
				return fmt.Sprintf("timer %q stands", w.Name)
			}
		case RequestHold:
			if after.Hold.Until.Before(w.Due) {
				return "the chat is not held"
			}
			fallthrough
		case RequestKeepUnread:
			if i := slices.IndexFunc(after.Waiting, func(a Action) bool { return a.Kind == Read && a.ID.Seq <= h.Seq }); i >= 0 {
				return fmt.Sprintf("read %v waits, in spite of a veto", after.Waiting[i].ID)
			}
		case RequestRelease:
			holds := slices.ContainsFunc(h.Requests, func(x Request) bool { return x.Kind == RequestHold && !x.Shadow })
			if !holds && after.Hold.Active(now) {
				return "the hold stands"
			}
		case RequestCancelRead:
			later := slices.ContainsFunc(h.Requests[i+1:], func(x Request) bool { return x.Kind == RequestRead && x.Pack == w.Pack && !x.Shadow })
			if j := slices.IndexFunc(after.Waiting, func(a Action) bool { return a.Kind == Read && a.Pack == w.Pack && a.ID.Seq <= h.Seq }); j >= 0 && !later {
				return fmt.Sprintf("read %v waits, though it was cancelled", after.Waiting[j].ID)
			}
		}
	}
	for id, a := range rows {
		if id.Seq != h.Seq || id.N < h.FirstN {
			continue
		}
		actions++
		if a.Due.Before(now) || !a.Requested.Equal(now) {
			return fmt.Sprintf("action %v is asked at %v and due at %v, it is %v", id, a.Requested, a.Due, now)
		}
	}
	if asked != actions {
		return fmt.Sprintf("%d actions were asked for, and %d are recorded", asked, actions)
	}
	return ""
}

// Every input in every state: a request that is refused says why.
func TestRefusedInputsSayWhy(t *testing.T) {
	t.Parallel()
	states := map[string]string{
		"new":        ``,
		"waiting":    `msg m1: a mark_read 1h; b mark_read 30s even_if_newer; a send; a set_timer 1m name=x`,
		"in flight":  "msg m1: a mark_read; b mark_read 1h\ncalls 1.0 1.1",
		"sending":    "msg m1: a send; a mark_read\ncalls 1.0",
		"typing":     "msg m1: a typing; a react\ncalls 1.0",
		"retrying":   "msg m1: a mark_read\ncalls 1.0\nretry 1m",
		"dead":       "msg m1: a mark_read; a react\ncalls 1.0\nrefused gone\ncalls 1.1\nunknown",
		"done":       "msg m1: a mark_read\ncalls 1.0\nok",
		"blocked":    `failing msg m1: a mark_read; b mark_read 1h`,
		"held":       "msg m1: a hold 1h\nmsg m2: b mark_read 2h",
		"by hand":    "operator hold 1h\nmsg m1: b mark_read 2h",
		"vetoed":     `msg m1: a mark_read; b keep_unread`,
		"superseded": "msg m1: a mark_read 1h\nmsg m2:",
		"fired":      "msg m1: a set_timer 1m name=x; b set_timer 1h name=x\nadvance 1m\nfires x",
		"lost":       "msg m1: a react; a mark_read 1h\ncalls 1.0\ncrash",
		"recalled":   "msg m1: a mark_read\ncalls 1.0\nmsg m2: b keep_unread",
	}
	kinds := []RequestKind{RequestRead, RequestCancelRead, RequestKeepUnread, RequestHold, RequestRelease, RequestTimer, RequestCancelTimer, RequestTyping, RequestReact, RequestSend}
	n := 0
	for name, script := range states {
		s := tell(t, script)
		var inputs []Input
		for _, k := range kinds {
			for _, w := range []Request{
				{Kind: k, Pack: "a", Rule: "a", Version: "v1", Name: "x", Due: s.now.Add(time.Minute)},
				{Kind: k, Pack: "b", Rule: "b", Version: "v1", Name: "x", Due: s.now, Shadow: true},
			} {
				for _, of := range []event.Event{
					{Type: event.MessageReceived, Message: &event.Message{ID: "new"}}, {Type: event.MessageReceived, Message: &event.Message{ID: "m1"}},
					{Type: event.LeadReply, Message: &event.Message{ID: "m1"}}, {Type: event.ReactionAdded}, {Type: "odd"}, {Type: event.Schedule, Source: event.SourceEngine},
				} {
					of.Chat = &event.Chat{ID: "c1"}
					in := OutcomesOf(s.seq+1, &of)
					in.Requests = []Request{w, w, {Kind: RequestRead, Pack: "b", Rule: "b", Due: s.now.Add(time.Second)}}
					inputs = append(inputs, in)
					in.Block = true
					inputs = append(inputs, in)
					in.Block, in.Depth = false, MaxDepth+1
					inputs = append(inputs, in)
					if s.seq > 0 {
						in.Seq, in.FirstN, in.Depth = s.seq, 7, 0
						inputs = append(inputs, in)
						in.First = s.now.Add(-30 * time.Second)
						inputs = append(inputs, in)
						in.First = s.now.Add(-time.Hour)
						inputs = append(inputs, in)
					}
				}
			}
		}
		var all, open []Action
		for _, a := range s.rows {
			all = append(all, a)
			if a.Status == Blocked {
				open = append(open, a)
			}
		}
		inputs = append(inputs, Ready{Seq: s.seq}, Ready{Seq: s.seq, LimitReached: []Reader{{"a", "v1"}}}, Ready{Seq: s.seq, LimitReached: []Reader{{"a", "v1"}, {"b", "v1"}}}, Wake{},
			Cancel{Pack: "a", Blocked: open}, Cancel{Pack: "b", Version: "v2", Blocked: open}, Cancel{Pack: "a", Rules: []string{"z"}, Blocked: open},
			Revive{Actions: all}, Revive{Inactive: open}, Operate{Release: true}, Operate{Hold: Hold{Until: s.now.Add(time.Minute)}})
		for _, call := range []*Call{s.call, {Kind: Read, Actions: []Action{{ID: ActionID{99, 9}}}}} {
			if call != nil {
				for _, a := range []Answer{{OK: true}, {Error: "gone"}, {Retryable: true, RetryAfter: time.Second}, {Unknown: true}, {NotSent: true}, {Retryable: true, RetryAfter: 48 * time.Hour}} {
					a.Call = *call
					inputs = append(inputs, a)
				}
			}
		}
		for _, in := range inputs {
			for _, wait := range []time.Duration{0, time.Minute, 25 * time.Hour} {
				after, out := Step(s.chat, in, s.now.Add(wait))
				if err := unanswered(s.chat, in, after, out, s.now.Add(wait)); err != "" {
					t.Errorf("%s, %s later, %T: %s\n%+v", name, wait, in, err, in)
				}
				n++
			}
		}
	}
	if n < 10_000 {
		t.Errorf("%d steps were tried", n)
	}
}
