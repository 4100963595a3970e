package spec

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// recordedLine is a statement or a comment of a recorded spec.
type recordedLine struct {
	id   int    // its place in the story, from 1; 0: it was added or changed since
	text string // Lua, without indentation of its first line
	// opposite is set for an assertion: the one that holds if this one does not.
	opposite string
	// event is, for the word that brings an event in, its place in the recording, from 1.
	event int
	// others is set once something outside the pack has had an influence that the spec
	// lacks: other packs, shadow mode.
	others bool
}

// recordedStory makes the lines of a spec from a recording.
type recordedStory struct {
	r     *Recording
	pack  string
	code  string                 // of the pack, to leave out fields that no rule can look at
	used  func(list string) bool // whether the pack uses a list; nil: it is not known
	zone  *time.Location
	now   time.Time
	from  time.Time // when the last advance began
	begun bool      // an event has named the chat
	lines []recordedLine
	other bool
	// shadowed has the rules of the pack of which a comment says that they ran in shadow.
	shadowed map[string]bool

	times    []time.Time // of the events, in the spec
	calls    []recordedCall
	messages map[string]string // ids in the spec of those that are mentioned again
	agenda   []recordedMoment
	failing  []recordedFault
}

// recordedMoment is something to write at a time.
type recordedMoment struct {
	at    time.Time
	event int // orders those of one time, as the events
	part  int // and those of one event
	early bool
	write func()
}

// Assertions of the story.
const (
	assertPrefix = "assert."
	readWord     = assertPrefix + "is_read(chat)"
	unreadWord   = assertPrefix + "is_unread(chat)"
)

// indentOfSpec is how deep the lines of the story are.
const indentOfSpec = 2

// story returns the lines of the spec for a pack.
func (s *recordedStory) story() []recordedLine {
	s.placeEvents()
	s.nameMessages()
	seqs := map[int64]int{}
	for i := range s.r.Events {
		seqs[s.r.Events[i].Seq] = i
	}
	for i := range s.r.Events {
		for n := range s.r.Events[i].Actions {
			s.call(i, &s.r.Events[i].Actions[n])
		}
	}
	for i := range s.r.Events {
		e := &s.r.Events[i]
		_, inside := seqs[e.Cause]
		s.add(s.times[i], i, 2, false, func() { s.event(i, e, inside) })
		for n := range e.Actions {
			s.action(i, &e.Actions[n])
		}
	}
	s.failCalls()
	slices.SortStableFunc(s.agenda, func(a, b recordedMoment) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		if a.event != b.event {
			return a.event - b.event
		}
		return a.part - b.part
	})
	s.setLists()
	for _, m := range s.agenda {
		if !m.early || s.now.IsZero() {
			s.advance(m.at)
		}
		m.write()
	}
	s.holdNow()
	if !s.failed() && s.begun {
		s.assert("not_failed()", "failed()")
	}
	for i := range s.lines {
		s.lines[i].id = i + 1
	}
	return s.lines
}

// failed reports whether a rule of the pack failed.
func (s *recordedStory) failed() bool {
	return slices.ContainsFunc(s.r.Events, func(e RecordedEvent) bool {
		return slices.ContainsFunc(e.Rules, func(rule RecordedRule) bool { return rule.Pack == s.pack && rule.Failed })
	})
}

func (s *recordedStory) add(at time.Time, event, part int, early bool, write func()) {
	s.agenda = append(s.agenda, recordedMoment{at, event, part, early, write})
}

// nameMessages gives ids to the messages that the recording mentions more than once.
func (s *recordedStory) nameMessages() {
	seen := map[string]bool{}
	s.messages = map[string]string{}
	mention := func(id string) {
		if id != "" && seen[id] && s.messages[id] == "" {
			s.messages[id] = "m" + strconv.Itoa(len(s.messages)+1)
		}
		seen[id] = true
	}
	for i := range s.r.Events {
		e := &s.r.Events[i]
		mention(e.Message)
		for n := range e.Actions {
			mention(e.Actions[n].Target)
		}
	}
}

// own reports whether an action is in the spec: one of the pack, or of an operator.
func (s *recordedStory) own(a *RecordedAction) bool { return a.Pack == s.pack || a.Pack == "" }

// advance lets time pass until a time of the story.
func (s *recordedStory) advance(at time.Time) {
	if s.now.IsZero() {
		s.now = at
		s.statement(s.clock(at))
		return
	}
	if !at.After(s.now) {
		return
	}
	if n := len(s.lines); n > 0 && strings.HasPrefix(s.lines[n-1].text, "advance(") {
		s.lines = s.lines[:n-1] // nothing was to be written since
	} else {
		s.from = s.now
	}
	s.statement("advance(" + luaDuration(at.Sub(s.from)) + ")")
	s.now = at
}

// clock is the word that sets the time at which the spec begins.
func (s *recordedStory) clock(at time.Time) string {
	layout := "2006-01-02 15:04:05"
	if at.Nanosecond() != 0 {
		layout += ".000"
	}
	local := at.In(s.zone)
	wall, err := time.Parse(layout, local.Format(layout))
	if shown, ok := luabind.WallTime(wall, s.zone); err == nil && ok && shown.Equal(at) && s.zone.String() != "Local" {
		return fmt.Sprintf("clock(%s, %s)", luaQuote(local.Format(layout)), luaQuote(s.zone.String()))
	}
	return fmt.Sprintf("clock(%s)", luaQuote(at.UTC().Format(time.RFC3339Nano)))
}

func (s *recordedStory) statement(text string) {
	s.lines = append(s.lines, recordedLine{text: text, others: s.other})
}

func (s *recordedStory) comment(format string, args ...any) {
	s.statement("-- " + diag.Visible(fmt.Sprintf(format, args...)))
}

func (s *recordedStory) assert(word, opposite string) {
	s.lines = append(s.lines, recordedLine{text: assertPrefix + word, opposite: assertPrefix + opposite, others: s.other})
}

// assertRead asserts whether the chat is read, unless that was asserted right before.
func (s *recordedStory) assertRead(after int) {
	word, opposite := unreadWord, readWord
	if s.read(s.now, after) {
		word, opposite = opposite, word
	}
	for i := len(s.lines) - 1; i >= 0 && (s.lines[i].opposite != "" || strings.HasPrefix(s.lines[i].text, "--")); i-- {
		if s.lines[i].text == word {
			return
		}
	}
	s.assert(strings.TrimPrefix(word, assertPrefix), strings.TrimPrefix(opposite, assertPrefix))
}

// event writes an event and what the pack did on it. inside: the event that caused it is in
// the recording, so that it happens in the spec as well.
func (s *recordedStory) event(i int, e *RecordedEvent, inside bool) {
	if e.Request != "" {
		s.request(i, e)
		return
	}
	timer, isTimer := strings.CutPrefix(e.Type, event.TimerPrefix)
	switch {
	case e.Source == event.SourceSignal:
		s.signal(e)
		if !s.begun {
			return
		}
	case e.fromOutside():
		s.receive(i, e)
	case e.Pack != s.pack, !inside && !isTimer:
		return // an event of another pack's own
	case !inside && !s.begun:
		s.comment("the timer %s fires: it was set before the recording began, and is not part of this spec", timer)
		return
	case !inside:
		s.comment("this timer was set before the recording began")
		fields := []luaField{{"chat", "chat"}}
		var payload any
		if json.Unmarshal([]byte(e.Payload), &payload) == nil && payload != nil {
			fields = append(fields, luaField{"payload", luaData(payload)})
		}
		s.lines = append(s.lines, recordedLine{text: luaCall(indentOfSpec, "fire", luaQuote(e.Type), fields), others: s.other})
	default:
		s.comment("%s", happens(e.Type))
	}
	s.othersDid(e)
	s.did(i, e)
}

// happens describes an event that the rules bring about, which the spec need not fire.
func happens(typ string) string {
	if name, ok := strings.CutPrefix(typ, event.TimerPrefix); ok {
		return "the timer " + name + " fires"
	}
	return "the event " + typ + " follows"
}

// request writes a request that came from elsewhere.
func (s *recordedStory) request(i int, e *RecordedEvent) {
	switch {
	case e.Type == event.OperatorRead && s.begun:
		s.statement("operator.read(chat)")
		s.assertRead(i)
	case e.Type == event.OperatorRead:
		s.comment("an operator requested a read before the first event: not part of this spec")
	default:
		by := e.Pack
		if by == "" {
			by = "an operator"
		}
		s.other = true
		s.comment("%s requested %s here, on an event of another chat or of none: not part of this spec", by, e.Request)
	}
}

// did writes what the pack's rules did on an event.
func (s *recordedStory) did(i int, e *RecordedEvent) {
	took, failed := false, false
	last := map[string]bool{}
	for _, rule := range e.Rules {
		if rule.Pack != s.pack {
			continue
		}
		took = took || len(rule.Asked) > 0
		failed = failed || rule.Failed
		if rule.Shadow && !s.shadowed[rule.Rule] {
			if s.shadowed == nil {
				s.shadowed = map[string]bool{}
			}
			s.other, s.shadowed[rule.Rule] = true, true
			s.comment("%s was in shadow mode: in a spec it is live", chat.Key(s.pack, rule.Rule))
		}
		for _, asked := range rule.Asked {
			if slices.Contains(rule.Refused, asked) || strings.Contains(asked, " chat ") {
				continue
			}
			switch kind, _, _ := strings.Cut(asked, " "); chat.RequestKind(kind) {
			case chat.RequestKeepUnread:
				last["kept_unread"] = true
			case chat.RequestHold:
				last["held"] = true
			case chat.RequestRelease:
				if !last["held"] { // a hold of the same event wins
					last["held"] = false
				}
			case chat.RequestPostpone:
				last["postponed"] = true
			}
		}
	}
	for _, word := range []string{"kept_unread", "held", "postponed"} {
		if holds, said := last[word]; said && holds {
			s.assert("is_"+word+"(chat)", "is_not_"+word+"(chat)")
		} else if said {
			s.assert("is_not_"+word+"(chat)", "is_"+word+"(chat)")
		}
	}
	if failed {
		s.assert("failed()", "not_failed()")
	}
	if s.begun && (e.isNew() || took) {
		s.assertRead(i)
	}
	if e.Handled.IsZero() {
		s.comment("chertd had not handled this event yet")
	}
}

// othersDid writes what other packs requested that concerns this one's reads.
func (s *recordedStory) othersDid(e *RecordedEvent) {
	for _, rule := range e.Rules {
		if rule.Pack == s.pack || rule.Shadow {
			continue
		}
		for _, asked := range rule.Asked {
			switch kind, _, _ := strings.Cut(asked, " "); chat.RequestKind(kind) {
			case chat.RequestKeepUnread, chat.RequestHold, chat.RequestRelease, chat.RequestPostpone:
				s.other = true
				s.comment("%s/%s requested %s: not part of this spec", rule.Pack, rule.Rule, asked)
			}
		}
	}
}
