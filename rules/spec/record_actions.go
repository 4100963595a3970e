package spec

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// action puts into the agenda what became of an action of the pack.
func (s *recordedStory) action(i int, a *RecordedAction) {
	if !s.own(a) {
		return
	}
	s.faults(i, a)
	s.operatorHolds(i, a)
	s.outsiders(i, a)
	at, now := s.answered(i, a)
	switch {
	case a.Kind != string(chat.Read):
		if a.Status == string(chat.Done) {
			s.add(at, max(i, s.lastBefore(at)), 5, false, func() {
				s.assert("called("+luaQuote(a.Kind)+", chat)", "was_not_called("+luaQuote(a.Kind)+", chat)")
			})
		}
	case a.Status == string(chat.Done) && !now && !s.served(a):
		s.add(at, s.lastBefore(at), 4, false, func() { s.assertRead(s.lastBefore(at)) })
	case a.Status == string(chat.Dropped) && a.Due.Before(s.r.Taken) && a.Due.After(s.r.Events[i].Handled):
		// It would have gone out then.
		due := ceil(a.Due)
		s.add(due, s.lastBefore(due), 4, false, func() { s.assertRead(s.lastBefore(due)) })
	}
	if len(a.Failed) > 0 {
		s.add(at, s.lastBefore(at), 5, false, func() { s.failedCalls(a) })
	}
}

// failedCalls asserts the codes of the calls that failed.
func (s *recordedStory) failedCalls(a *RecordedAction) {
	seen := map[int]bool{}
	for _, x := range a.Failed {
		if _, ok := Documented(x.Code); !ok || seen[x.Code] {
			continue
		}
		seen[x.Code] = true
		fields := luaTable([]luaField{{"kind", luaQuote(a.Kind)}, {"chat", "chat"}, {"code", strconv.Itoa(x.Code)}})
		if slices.ContainsFunc(s.lines, func(l recordedLine) bool { return l.text == "assert.called("+fields+")" }) {
			continue
		}
		s.assert("called("+fields+")", "was_not_called("+fields+")")
	}
}

// faults notes which calls are to fail, as they failed in the daemon. Of a call that serves several reads one
// has them.
func (s *recordedStory) faults(i int, a *RecordedAction) {
	failed := slices.DeleteFunc(slices.Clone(a.Failed), func(x RecordedAttempt) bool { return x.CallOf != "" && s.hasOwn(x.CallOf) })
	if len(failed) == 0 {
		return
	}
	at, with := s.firstCall(i, a)
	m := recordedMoment{at: at, event: i}
	if e := &s.r.Events[i]; !with || !e.fromOutside() && e.Type != event.OperatorRead {
		// Before the time passes in which the call is due.
		m.at = at.Add(-time.Millisecond)
		m.event, m.part, m.early = s.lastBefore(m.at), 6, true
	}
	for _, x := range failed {
		s.failing = append(s.failing, recordedFault{m, x})
	}
}

// recordedFault is an attempt that failed, and when the spec has to mention it at the latest
// if it is the first after a call that succeeded.
type recordedFault struct {
	recordedMoment
	attempt RecordedAttempt
}

// failCalls puts the faults into the agenda in the order of the attempts: those between two calls
// that succeeded together, where the first of them belongs.
func (s *recordedStory) failCalls() {
	slices.SortStableFunc(s.failing, func(a, b recordedFault) int { return a.attempt.At.Compare(b.attempt.At) })
	for n := 0; n < len(s.failing); {
		first := s.failing[n]
		var list []RecordedAttempt
		for ; n < len(s.failing) && (list == nil || !s.succeeds(list[len(list)-1].At, s.failing[n].attempt.At)); n++ {
			list = append(list, s.failing[n].attempt)
		}
		s.add(first.at, first.event, first.part, first.early, func() { s.failNext(list) })
	}
}

// succeeds reports whether a call of the pack that succeeded went out between two times.
func (s *recordedStory) succeeds(after, until time.Time) bool {
	return slices.ContainsFunc(s.r.Events, func(e RecordedEvent) bool {
		return slices.ContainsFunc(e.Actions, func(a RecordedAction) bool {
			return s.own(&a) && a.Status == string(chat.Done) && a.Called.After(after) && !a.Called.After(until)
		})
	})
}

// hasOwn reports whether an action of the pack has an id.
func (s *recordedStory) hasOwn(id string) bool {
	for i := range s.r.Events {
		for n := range s.r.Events[i].Actions {
			if a := &s.r.Events[i].Actions[n]; a.ID == id && s.own(a) {
				return true
			}
		}
	}
	return false
}

func (s *recordedStory) failNext(failed []RecordedAttempt) {
	for n := 0; n < len(failed); {
		x, times := failed[n], 1
		for n+times < len(failed) && failed[n+times].Code == x.Code && failed[n+times].HTTP == x.HTTP {
			times++
		}
		n += times
		word := `fail_next("timeout"`
		switch _, ok := Documented(x.Code); {
		case ok && x.Code != 0:
			word = "fail_next(" + strconv.Itoa(x.Code)
		case x.HTTP != 0 || x.Code != 0:
			s.comment("the answer was HTTP %d with code %d, which Chert does not document: 3002 is retried as well", x.HTTP, x.Code)
			word = "fail_next(3002"
		}
		if times > 1 {
			word += ", " + strconv.Itoa(min(times, 1000))
		}
		s.statement(word + ")")
	}
}

// operatorHolds writes the hold of an operator that ended a read. The records have no more
// of holds than what they ended.
func (s *recordedStory) operatorHolds(i int, a *RecordedAction) {
	if a.EndedBy != operatorRule {
		return
	}
	at, event, part := s.times[i], i, 1 // it began before the read was requested
	if a.Why == string(chat.WhyVetoed) {
		at = ceil(a.Ended)
		event, part = s.lastBefore(at), 6
	}
	s.add(at, event, part, false, func() {
		until := a.Ended.Add(time.Second)
		if h := s.r.Hold; h != nil && h.By == operatorRule && h.Until.After(at) {
			until = h.Until
		}
		if d := ceil(until).Sub(s.now); d > 0 {
			s.statement("operator.hold(chat, " + luaDuration(min(d, luabind.MaxDuration)) + ")")
			s.begun = true
		}
		s.assertRead(s.lastBefore(at) - 1 + part/6)
	})
}

// outsiders writes what outside the pack became of an action: nothing in the spec repeats it.
func (s *recordedStory) outsiders(i int, a *RecordedAction) {
	by, _, _ := strings.Cut(a.EndedBy, "/")
	read := "the read that " + cmp.Or(a.Rule, operatorRule) + " requested"
	if a.Kind != string(chat.Read) {
		read = "the " + a.Kind + " that " + cmp.Or(a.Rule, operatorRule) + " requested"
	}
	note := ""
	switch {
	case a.Status == string(chat.Shadowed), a.Why == string(chat.WhyRead):
	case a.EndedBy == operatorRule:
	case by != "" && by != s.pack:
		note = read + " was " + strings.ReplaceAll(a.Why, "_", " ") + " by " + a.EndedBy + ": not part of this spec"
	case a.Why == chat.WhyCoalesced && !s.ownEvent(a.EndedSeq):
		note = read + " shared the call of another pack"
	case a.Why == chat.WhyTooLate, a.Why == chat.WhyPackInactive, a.Why == chat.WhyForgotten, a.Why == chat.WhyBlocked, a.Why == chat.WhyDiscarded:
		note = read + " ended as " + a.Why + ": not part of this spec"
	case a.Why == chat.WhyLimit:
		note = read + " ended as " + a.Why + ": the pack's reads of other chats count, and are not part of this spec"
	case a.Why == chat.WhyAlreadyRead, a.Why == chat.WhySuperseded:
		// With other packs gone, this may go another way; the trial shows it.
		if !s.alone() {
			s.add(s.times[i], i, 3, false, func() { s.other = true })
		}
		return
	}
	if late := a.Called.Sub(a.Due); note == "" && !a.Called.IsZero() && len(a.Failed) == 0 && late > 5*time.Second && !s.waits() {
		note = read + " went out " + diag.About(late) + " after it was due: a spec makes calls when they are due"
	}
	if note == "" {
		return
	}
	s.add(s.times[i], i, 1, false, func() {
		s.other = true
		s.comment("%s", note)
	})
}

// ownEvent reports whether the pack requested a read on an event.
func (s *recordedStory) ownEvent(seq int64) bool {
	for i := range s.r.Events {
		if e := &s.r.Events[i]; e.Seq == seq {
			for n := range e.Actions {
				if s.own(&e.Actions[n]) && e.Actions[n].Kind == string(chat.Read) {
					return true
				}
			}
		}
	}
	return false
}

// postpones reports whether a rule of the pack postponed reads.
func (s *recordedStory) postpones() bool {
	for i := range s.r.Events {
		for _, rule := range s.r.Events[i].Rules {
			if rule.Pack == s.pack && slices.ContainsFunc(rule.Asked, func(a string) bool { return strings.HasPrefix(a, string(chat.RequestPostpone)) }) {
				return true
			}
		}
	}
	return false
}

// postponedByOthers reports whether anything but a rule of the pack, on an event of the chat,
// postponed reads: the spec lacks that.
func (s *recordedStory) postponedByOthers() bool {
	for i := range s.r.Events {
		e := &s.r.Events[i]
		if e.Request == string(chat.RequestPostpone) {
			return true
		}
		for _, rule := range e.Rules {
			if rule.Pack != s.pack && !rule.Shadow && slices.ContainsFunc(rule.Asked, func(a string) bool { return strings.HasPrefix(a, string(chat.RequestPostpone)) }) {
				return true
			}
		}
	}
	return false
}

// waits reports whether a call of the pack may wait for a reason that the spec has as well.
func (s *recordedStory) waits() bool {
	return s.postpones() || slices.ContainsFunc(s.r.Events, func(e RecordedEvent) bool {
		return slices.ContainsFunc(e.Actions, func(a RecordedAction) bool { return s.own(&a) && len(a.Failed) > 0 })
	})
}

// alone reports whether no other pack made calls in the chat.
func (s *recordedStory) alone() bool {
	for i := range s.r.Events {
		for n := range s.r.Events[i].Actions {
			if !s.own(&s.r.Events[i].Actions[n]) {
				return false
			}
		}
	}
	return true
}

// holdNow says of a hold in force of which the records have no beginning.
func (s *recordedStory) holdNow() {
	h := s.r.Hold
	if h == nil || h.By != operatorRule {
		return
	}
	for i := range s.lines {
		if strings.HasPrefix(s.lines[i].text, "operator.hold") {
			return
		}
	}
	s.comment("an operator held the chat until %s; the records do not have since when", h.Until.UTC().Format(time.RFC3339))
}
