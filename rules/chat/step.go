package chat

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Input is something that happens to a chat: one of Handled, Ready, Wake,
// Answer, Cancel, Revive and Operate.
type Input interface{ input() }

// Handled says that the rules have looked at an event, and what they wish.
type Handled struct {
	Seq       int64 // journal sequence of the event
	FirstN    int   // place of the first action: how many the event has already
	Inbound   bool  // it came from the other side (event.Event.Inbound)
	Message   bool  // and is a message (event.Event.InboundMessage)
	MessageID string
	Line      string
	Depth     int
	Wishes    []Wish   // of the handlers that succeeded, in the order they ran
	Rested    []Rest   // cooldowns that begin with this event
	Timer     *TimerID // the timer whose event this is
	// Withhold is set when a pack that could veto did not get to say so:
	// reads fail closed.
	Withhold bool
}

// Wish is one thing a handler asked for, for this chat.
type Wish struct {
	Kind    WishKind
	Pack    string
	Version string
	Rule    string
	Place   string // file:line of the rule
	Reason  string
	Shadow  bool // recorded, without effect

	Due         time.Time       // WishRead, WishHold (its end), WishTimer
	EvenIfNewer bool            // WishRead
	Name        string          // WishTimer, WishCancelTimer
	Body        json.RawMessage // WishTimer: payload; WishTyping, WishReact, WishSend: what to send
	Target      string          // WishReact: message id
}

// WishKind names a wish as the rule wrote it.
type WishKind string

const (
	WishRead        WishKind = "mark_read"
	WishCancelRead  WishKind = "cancel_read"
	WishKeepUnread  WishKind = "keep_unread"
	WishHold        WishKind = "hold"
	WishRelease     WishKind = "release"
	WishTimer       WishKind = "after"
	WishCancelTimer WishKind = "cancel_timer"
	WishTyping      WishKind = "typing"
	WishReact       WishKind = "react"
	WishSend        WishKind = "send"
)

// Rest begins a rule's cooldown.
type Rest struct {
	Rule  string // rule key
	Until time.Time
}

// TimerID names one setting of a timer.
type TimerID struct {
	Pack string
	Name string
	Seq  int64
	N    int
}

// Ready says that dispatch could put a call of this chat on the wire now.
type Ready struct {
	Wire int64 // the journal's sequence: what a read would speak for
}

// Wake says that a time of the chat has come. It makes timers fire.
type Wake struct{}

// Answer is how a call ended.
type Answer struct {
	Call      Call
	OK        bool
	Unmade    bool          // it never went out: nothing is known to have changed
	Unknown   bool          // it went out and no answer came back
	Retryable bool          // Chert's word, or a transport failure
	After     time.Duration // if retryable: how long to wait, jitter and retry_after included
	Code      int
	HTTP      int
	TraceID   string
	Error     string
}

// Cancel drops what a pack still has waiting ("off means off").
type Cancel struct {
	Pack    string
	Version string // "": every version
	Why     string // WhyModeOff, …
}

// Revive makes settled actions wait again: dead ones retried by hand, withheld
// ones whose veto is known by now.
type Revive struct{ Actions []Action }

// Operate is an operator's hold or release of the chat.
type Operate struct {
	Hold   Hold
	Remove bool // release instead
}

func (Handled) input() {}
func (Ready) input()   {}
func (Wake) input()    {}
func (Answer) input()  {}
func (Cancel) input()  {}
func (Revive) input()  {}
func (Operate) input() {}

// Effects is what a step wants done besides remembering the chat: rows to
// write, a call to make, timers to journal.
type Effects struct {
	Actions []Action // each as it is now, at most once each
	Timers  []TimerChange
	Fired   []Timer // came due: to be journaled as events
	Call    *Call   // to be put on the wire, if Ready asked
}

// TimerChange is a timer that was set, or is gone.
type TimerChange struct {
	Timer Timer
	Gone  bool
}

// Step moves a chat by one input. It never fails: what can't be done is an
// action that says why.
func Step(c Chat, in Input, now time.Time) (Chat, Effects) {
	s := step{c: c, now: now}
	switch in := in.(type) {
	case Handled:
		s.handled(in)
	case Ready:
		s.ready(in)
	case Wake:
		s.wake()
	case Answer:
		s.answer(in)
	case Cancel:
		s.cancel(in)
	case Revive:
		s.revive(in)
	case Operate:
		s.operate(in)
	}
	return s.c, s.out
}

// step is one call of Step: the chat being changed and the effects so far.
// Slices of c are replaced, never written through.
type step struct {
	c   Chat
	now time.Time
	out Effects
}

func (s *step) handled(in Handled) {
	if in.Line != "" {
		s.c.Line = in.Line
	}
	newer := in.Message && (in.MessageID == "" || in.MessageID != s.c.LastMessage)
	if in.Inbound && in.Seq > s.c.LastEvent {
		s.c.LastEvent = in.Seq
	}
	if newer {
		s.c.LastMessage = in.MessageID
	}
	if in.Timer != nil {
		s.dropTimers(func(t *Timer) bool { return t.id() == *in.Timer })
	}

	veto, asked := false, false
	for i := range in.Wishes {
		w := &in.Wishes[i]
		switch {
		case w.Shadow:
		case w.Kind == WishKeepUnread || w.Kind == WishHold:
			veto = true
		case w.Kind == WishRead:
			asked = true
		}
	}
	// What waits from before this event is decided first, so that a read asked
	// by this event is never dropped as overtaken by it.
	switch {
	case veto:
		s.dropReads(WhyVetoed, func(*Action) bool { return true })
	case in.Withhold && newer:
		s.dropReads(WhyOvertaken, func(a *Action) bool { return !a.EvenIfNewer })
		s.settleReads(Withheld, WhyWithheld, func(*Action) bool { return true })
	case newer && !asked:
		s.dropReads(WhyOvertaken, func(a *Action) bool { return !a.EvenIfNewer })
	}
	n := in.FirstN
	for i := range in.Wishes {
		s.wish(in, &in.Wishes[i], &n, veto)
	}
	if len(in.Rested) > 0 {
		s.rest(in.Rested)
	}
}

// wish carries one wish out on the chat; n counts the event's actions.
func (s *step) wish(in Handled, w *Wish, n *int, veto bool) {
	switch w.Kind {
	case WishRead, WishTyping, WishReact, WishSend:
		a := s.action(in, w, *n)
		*n++
		switch {
		case w.Shadow:
			s.settle(a, Shadowed, WhyShadow)
		case in.Depth > MaxDepth:
			s.settle(a, Dropped, WhyDepth)
		case a.Kind == Read && veto:
			s.settle(a, Dropped, WhyVetoed)
		case a.Kind == Read && in.Withhold:
			s.settle(a, Withheld, WhyWithheld)
		default:
			if a.Kind == Read {
				s.dropReads(WhyReplaced, func(b *Action) bool { return b.Pack == a.Pack && b.Rule == a.Rule })
				if !slices.ContainsFunc(s.c.Waiting, func(b Action) bool { return b.Kind == Read }) {
					// A new day for the call, but what Chert asked to wait stands.
					s.c.Retry = Retry{NotBefore: s.c.Retry.NotBefore}
				}
			}
			s.c.Waiting = append(slices.Clip(s.c.Waiting), a)
			s.put(a)
		}
	case WishTimer:
		if w.Shadow || in.Depth > MaxDepth {
			return
		}
		s.dropTimers(func(t *Timer) bool { return t.Pack == w.Pack && t.Name == w.Name })
		t := Timer{Pack: w.Pack, Name: w.Name, Version: w.Version, Due: w.Due, Payload: w.Body, Seq: in.Seq, N: *n, Depth: in.Depth}
		*n++
		s.c.Timers = append(slices.Clip(s.c.Timers), t)
		s.out.Timers = append(s.out.Timers, TimerChange{Timer: t})
	}
	if w.Shadow {
		return
	}
	switch w.Kind {
	case WishCancelTimer:
		s.dropTimers(func(t *Timer) bool { return t.Pack == w.Pack && t.Name == w.Name })
	case WishCancelRead:
		s.dropReads(WhyCancelled, func(a *Action) bool { return a.Pack == w.Pack })
	case WishHold:
		s.c.Hold = Hold{Until: w.Due, By: Key(w.Pack, w.Rule), Reason: w.Reason}
	case WishRelease:
		s.c.Hold = Hold{}
	}
}

func (s *step) action(in Handled, w *Wish, n int) Action {
	kind := map[WishKind]Kind{WishRead: Read, WishTyping: Typing, WishReact: React, WishSend: Send}[w.Kind]
	due := w.Due
	if due.Before(s.now) {
		due = s.now
	}
	return Action{
		ID: ActionID{in.Seq, n}, Kind: kind, Chat: s.c.ID,
		Pack: w.Pack, Version: w.Version, Rule: w.Rule, Place: w.Place, Reason: w.Reason,
		EvenIfNewer: w.EvenIfNewer, Body: w.Body, Target: w.Target, Depth: in.Depth,
		Asked: s.now, Due: due, Status: Waiting,
	}
}

// ready gives dispatch the chat's next call, if one is due. Reads that can't or
// need not be made any more are settled on the way.
func (s *step) ready(in Ready) {
	if s.c.Flight != nil {
		return
	}
	s.settleWhere(Dropped, WhyExpired, func(a *Action) bool {
		return a.Kind == Typing && s.now.Sub(a.Asked) > TypingLife
	})
	dueRead := func(a *Action) bool { return a.Kind == Read && !s.c.due(a).After(s.now) }
	if s.c.Hold.Active(s.now) {
		s.dropReads(WhyHeld, dueRead)
	}
	if s.c.ReadThrough > 0 && s.c.LastEvent <= s.c.ReadThrough {
		s.dropReads(WhyNothingNew, dueRead)
	}

	// The earliest due goes first; among equals the one asked first.
	first := -1
	for i := range s.c.Waiting {
		a := &s.c.Waiting[i]
		if s.c.due(a).After(s.now) {
			continue
		}
		if first < 0 || s.c.due(a).Before(s.c.due(&s.c.Waiting[first])) {
			first = i
		}
	}
	if first < 0 {
		return
	}
	head := s.c.Waiting[first]
	call := Call{Chat: s.c.ID, Line: s.c.Line, Kind: head.Kind, Wire: in.Wire, Attempt: head.Attempts + 1}
	switch head.Kind {
	case Read:
		// One call serves every read that waits, due or not; the one it is
		// made for stands first.
		call.Attempt = s.c.Retry.Attempts + 1
		call.Actions = append(call.Actions, head)
		for i := range s.c.Waiting {
			if s.c.Waiting[i].Kind == Read && i != first {
				call.Actions = append(call.Actions, s.c.Waiting[i])
			}
		}
	case React, Typing:
		// Not to be repeated: a crash from here on leaves "sent", not "waiting".
		head.Status = Sent
		s.replace(head)
		call.Actions = []Action{head}
	default:
		call.Actions = []Action{head}
	}
	s.c.Flight = &Flight{Call: call}
	s.out.Call = &call
}

func (s *step) wake() {
	for i := range s.c.Timers {
		if t := s.c.Timers[i]; !t.Fired && !t.Due.After(s.now) {
			s.c.Timers = slices.Clone(s.c.Timers)
			s.c.Timers[i].Fired = true
			s.out.Fired = append(s.out.Fired, t)
			s.out.Timers = append(s.out.Timers, TimerChange{Timer: s.c.Timers[i]})
		}
	}
	slices.SortFunc(s.out.Fired, func(a, b Timer) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.N, b.N))
	})
}

func (s *step) answer(in Answer) {
	flight := s.c.Flight
	if flight == nil {
		return
	}
	s.c.Flight = nil
	if in.Unmade {
		for _, a := range in.Call.Actions {
			if a.Status == Sent {
				a.Status = Waiting
				s.replace(a)
			}
		}
		return
	}
	if in.Call.Kind == Read {
		s.answerRead(in, flight)
		return
	}
	a := in.Call.Actions[0]
	i := slices.IndexFunc(s.c.Waiting, func(b Action) bool { return b.ID == a.ID })
	if i < 0 {
		a.record(in) // cancelled while it was out
		if in.OK {
			s.settle(a, Done, WhyTooLate)
		} else {
			s.put(a)
		}
		return
	}
	a = s.c.Waiting[i]
	a.record(in)
	retry := in.Retryable && s.now.Add(in.After).Sub(a.Asked) < RetryFor
	switch {
	case in.OK:
		s.remove(i)
		s.settle(a, Done, string(a.Kind))
	case in.Unknown && a.Kind == React:
		s.remove(i)
		s.settle(a, Dead, WhyUnknown)
	case a.Kind == Typing:
		s.remove(i)
		s.settle(a, Dropped, WhyExpired)
	case retry:
		a.Status, a.Due = Waiting, s.now.Add(in.After)
		s.replace(a)
	default:
		s.remove(i)
		s.settle(a, Dead, a.Error)
	}
}

func (s *step) answerRead(in Answer, flight *Flight) {
	served := func(a *Action) bool {
		return a.Kind == Read && slices.ContainsFunc(in.Call.Actions, func(b Action) bool { return b.ID == a.ID })
	}
	if in.OK {
		s.c.ReadThrough = max(s.c.ReadThrough, in.Call.Wire)
		s.c.Retry = Retry{}
		head := in.Call.Actions[0].ID
		for _, a := range flight.Recalled {
			a.record(in)
			why := WhyTooLate
			if a.Why == WhyOvertaken || a.Why == WhyReplaced {
				why = WhyRead // it went out before the newer message, or the newer wish
			}
			s.settle(a, Done, why)
		}
		s.each(served, func(a *Action) (Status, string) {
			a.record(in)
			if a.ID == head {
				return Done, WhyRead
			}
			return Done, WhyCoalesced
		})
		return
	}
	if s.c.Retry.Attempts == 0 {
		s.c.Retry.First = s.now
	}
	s.c.Retry.Attempts++
	if in.Retryable && s.now.Add(in.After).Sub(s.c.Retry.First) < RetryFor {
		s.c.Retry.NotBefore = s.now.Add(in.After)
		s.each(served, func(a *Action) (Status, string) {
			a.record(in)
			return Waiting, ""
		})
	} else {
		s.c.Retry = Retry{}
		s.each(served, func(a *Action) (Status, string) {
			a.record(in)
			return Dead, a.Error
		})
	}
	if !slices.ContainsFunc(s.c.Waiting, func(a Action) bool { return a.Kind == Read }) {
		s.c.Retry = Retry{}
	}
}

func (s *step) cancel(in Cancel) {
	match := func(pack, version string) bool {
		return pack == in.Pack && (in.Version == "" || version == in.Version)
	}
	s.settleWhere(Dropped, in.Why, func(a *Action) bool { return match(a.Pack, a.Version) })
	s.dropTimers(func(t *Timer) bool { return match(t.Pack, t.Version) })
}

func (s *step) revive(in Revive) {
	for _, a := range in.Actions {
		a.Status, a.Why, a.Settled, a.Due = Waiting, "", time.Time{}, s.now
		s.c.Waiting = append(slices.Clip(s.c.Waiting), a)
		s.put(a)
	}
}

func (s *step) operate(in Operate) {
	if in.Remove {
		s.c.Hold = Hold{}
		return
	}
	s.c.Hold = in.Hold
	s.dropReads(WhyVetoed, func(*Action) bool { return true })
}

func (s *step) rest(rested []Rest) {
	cooldown := maps.Clone(s.c.Cooldown)
	if cooldown == nil {
		cooldown = map[string]time.Time{}
	}
	maps.DeleteFunc(cooldown, func(_ string, until time.Time) bool { return !s.now.Before(until) })
	for _, r := range rested {
		cooldown[r.Rule] = r.Until
	}
	s.c.Cooldown = cooldown
}

// dropReads settles the waiting reads that match as dropped. Those a call in
// flight would serve are remembered: the call can't be recalled.
func (s *step) dropReads(why string, match func(*Action) bool) {
	s.settleReads(Dropped, why, match)
}

func (s *step) settleReads(status Status, why string, match func(*Action) bool) {
	s.settleWhere(status, why, func(a *Action) bool { return a.Kind == Read && match(a) })
}

func (s *step) settleWhere(status Status, why string, match func(*Action) bool) {
	s.each(match, func(*Action) (Status, string) { return status, why })
}

// each gives every waiting action that matches a status; those that no longer
// wait leave the chat.
func (s *step) each(match func(*Action) bool, status func(*Action) (Status, string)) {
	if !slices.ContainsFunc(s.c.Waiting, func(a Action) bool { return match(&a) }) {
		return
	}
	var kept []Action
	for _, a := range s.c.Waiting {
		if !match(&a) {
			kept = append(kept, a)
			continue
		}
		st, why := status(&a)
		if st == Waiting {
			a.Why = why
			kept = append(kept, a)
			s.put(a)
			continue
		}
		s.settle(a, st, why)
		if f := s.c.Flight; f != nil && f.Kind == Read && slices.ContainsFunc(f.Actions, func(b Action) bool { return b.ID == a.ID }) {
			a.Status, a.Why = st, why
			recalled := append(slices.Clip(f.Recalled), a)
			s.c.Flight = &Flight{Call: f.Call, Recalled: recalled}
		}
	}
	s.c.Waiting = kept
}

func (s *step) dropTimers(match func(*Timer) bool) {
	var kept []Timer
	for _, t := range s.c.Timers {
		if match(&t) {
			s.out.Timers = append(s.out.Timers, TimerChange{Timer: t, Gone: true})
			continue
		}
		kept = append(kept, t)
	}
	s.c.Timers = kept
}

// settle records the action's end.
func (s *step) settle(a Action, status Status, why string) {
	a.Status, a.Why, a.Settled = status, why, s.now
	s.put(a)
}

// put adds the action's row to the effects, in place of an earlier one.
func (s *step) put(a Action) {
	for i := range s.out.Actions {
		if s.out.Actions[i].ID == a.ID {
			s.out.Actions[i] = a
			return
		}
	}
	s.out.Actions = append(s.out.Actions, a)
}

// replace puts a changed action in its place among those that wait.
func (s *step) replace(a Action) {
	s.put(a)
	s.c.Waiting = slices.Clone(s.c.Waiting)
	for i := range s.c.Waiting {
		if s.c.Waiting[i].ID == a.ID {
			s.c.Waiting[i] = a
		}
	}
}

func (s *step) remove(i int) {
	s.c.Waiting = slices.Delete(slices.Clone(s.c.Waiting), i, i+1)
}

// record notes an attempt's answer on the action.
func (a *Action) record(in Answer) {
	a.Attempts++
	a.Code, a.HTTP, a.TraceID, a.Error = in.Code, in.HTTP, in.TraceID, in.Error
}

func (t *Timer) id() TimerID { return TimerID{t.Pack, t.Name, t.Seq, t.N} }
