package backtest

import (
	"time"

	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
)

// note is what may explain that messages of a chat stay unread. One of a greater rank
// explains more.
type note struct {
	chat   string
	rank   int
	reason *Reason
	covers time.Time // of a read that ended: when it was requested; zero: the note is about the newest message
}

// Ranks of notes.
const (
	noteSkipped = iota + 1
	noteKept
	noteDropped
)

// maxReasons is how many different reasons are kept once. Errors may have any text.
const maxReasons = 10_000

// ended takes in a read that ended without a call of its own.
func (s *side) ended(h *spec.Happening, a *chat.Action, counted bool) {
	switch a.Status {
	case chat.Dropped, chat.Blocked, chat.Shadowed:
	default:
		return
	}
	if counted {
		s.counts.Dropped[a.Why]++
	}
	if s.past != nil {
		if a.Why == chat.WhyAnswerUnknown {
			s.past.add(a, h.At, time.Time{}) // Chert is asked once the read is requested
		}
		return
	}
	if a.Why == chat.WhyAlreadyRead || a.Why == chat.WhyReplaced {
		return
	}
	r := Reason{Why: a.Why, Rule: chat.Key(a.Pack, a.Rule), Place: a.Place, By: a.EndedBy.By, ByPlace: s.placeOf(a.EndedBy.By)}
	if a.Why == chat.WhyBlocked {
		r.By, r.ByPlace = missing(h)
	}
	s.note(note{chat: a.Chat, rank: noteDropped, covers: a.Requested}, r)
}

// placeOf returns the place of a rule, by its key; "": the set does not have it.
func (s *side) placeOf(key string) string {
	if s.places == nil {
		s.places = map[string]string{}
		for _, p := range s.set.Packs() {
			for _, r := range p.Rules {
				s.places[r.Key] = r.Place()
			}
		}
	}
	return s.places[key]
}

// missing returns the rule that failed or was suspended on an event, which blocks its reads.
func missing(h *spec.Happening) (rule, place string) {
	for i := range h.Rules {
		if o := &h.Rules[i]; o.Failure != nil || o.Skipped == rules.SkippedSuspended {
			return chat.Key(o.Pack, o.Rule), o.Place
		}
	}
	return "", ""
}

// note records a reason for a chat.
func (s *side) note(n note, r Reason) {
	if n.chat == "" || s.past != nil {
		return
	}
	kept := s.reasons[r]
	if kept == nil {
		kept = &r
		if len(s.reasons) < maxReasons {
			s.reasons[r] = kept
		}
	}
	n.reason = kept
	s.records = append(s.records, record{index: s.index, note: n})
}
