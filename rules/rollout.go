package rules

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chertd/rules/chat"
)

// Share is the share of the chats in which a pack runs live, in hundredths of a percent:
// from 1 to 9999. The zero Share is all chats.
type Share int

// wholeShare is all chats.
const wholeShare = 10_000

var shareForm = regexp.MustCompile(`^([0-9]{1,3})(?:\.([0-9]{1,2}))?%$`)

// ParseShare parses a share of the chats such as "10%" or "0.5%". "100%" is all chats.
func ParseShare(s string) (Share, error) {
	m := shareForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, errors.New("expected a share of the chats in percent, such as 10% or 0.5%")
	}
	whole, _ := strconv.Atoi(m[1])
	part, _ := strconv.Atoi((m[2] + "00")[:2])
	switch n := whole*100 + part; {
	case n == 0:
		return 0, errors.New("a share of the chats is more than 0%")
	case n > wholeShare:
		return 0, errors.New("a share of the chats is at most 100%")
	case n < wholeShare:
		return Share(n), nil
	}
	return 0, nil
}

// String returns the share as ParseShare takes it, "100%" for all chats.
func (s Share) String() string {
	if s == 0 {
		return "100%"
	}
	return strconv.FormatFloat(float64(s)/100, 'f', -1, 64) + "%"
}

// Has reports whether a chat is in the share of a pack. It is the same on every machine,
// and another for each pack. A larger share has the chats of every smaller one. Events
// without a chat ("") are in no share but that of all chats.
// The notifications of a target are in every share: what counts is the chat of the event that
// requested them.
func (s Share) Has(pack, chatID string) bool {
	if _, ok := chat.NotifyTarget(chatID); ok || s == 0 {
		return true
	}
	return chatID != "" && spread(hash(pack, chatID))%wholeShare < uint64(s)
}

// Rollout is how far a change of a pack goes. The zero Rollout changes nothing.
type Rollout struct {
	// Candidate is the version of the pack that runs beside the live one; "": none. It runs
	// in shadow, or live in the chats of the share, where the live version does not run.
	Candidate string
	// Share has the chats in which the change is live. Without a candidate the pack runs in
	// shadow in all others. With one, 0 has no chat.
	Share Share
	// KeepsPending is whether pending work of what is not live in the other chats is
	// carried out.
	KeepsPending bool
}

// reaches reports whether the change is live in a chat.
func (r *Rollout) reaches(pack, chat string) bool {
	return (r.Candidate == "" || r.Share != 0) && r.Share.Has(pack, chat)
}

// ModeIn returns the mode of a pack for events of a chat ("": of none). Where a candidate
// is live, it is the candidate's.
func (s *Set) ModeIn(pack, chat string) Mode {
	mode := s.modes[pack]
	if s.rollouts == nil || mode != Live {
		return mode
	}
	if r := s.rollouts[pack]; r.Candidate == "" && !r.reaches(pack, chat) {
		return Shadow
	}
	return Live
}

// modeOf returns the mode of one version of a pack for events of a chat.
func (s *Set) modeOf(p *Pack, chat string) Mode {
	r, ok := s.rollouts[p.Name]
	if !ok || r.Candidate == "" || s.modes[p.Name] != Live {
		return s.ModeIn(p.Name, chat)
	}
	switch reaches := r.reaches(p.Name, chat); {
	case s.candidates[p.Name] != p && reaches:
		return Off
	case s.candidates[p.Name] == p && !reaches:
		return Shadow
	}
	return Live
}

// shadows reports whether requests of a live version for a chat are only recorded: the
// version is live in the event's chat, and not in this one.
func (s *Set) shadows(p *Pack, chat string) bool {
	return s.rollouts != nil && s.modeOf(p, chat) != Live
}

// Rollout returns how far a change of a pack goes.
func (s *Set) Rollout(pack string) Rollout { return s.rollouts[pack] }

// Candidate returns the version of a pack that runs beside the live one; nil: none does.
func (s *Set) Candidate(pack string) *Pack {
	if s == nil {
		return nil
	}
	return s.candidates[pack]
}

// Compares returns the live version of a pack and the candidate that runs in shadow beside
// it on events of a chat; ok is false if none does.
func (s *Set) Compares(pack, chat string) (live, candidate string, ok bool) {
	if s.rollouts == nil || s.modes[pack] != Live {
		return "", "", false
	}
	r, p := s.rollouts[pack], s.Pack(pack)
	if r.Candidate == "" || p == nil || r.reaches(pack, chat) {
		return "", "", false
	}
	return p.Version, r.Candidate, true
}

// Tries reports whether a version may run in shadow.
func (s *Set) Tries() bool { return s.tries }

// loaded returns the live versions and the candidates.
func (s *Set) loaded() []*Pack {
	return slices.AppendSeq(slices.Clone(s.packs), maps.Values(s.candidates))
}
