package rules

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
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
func (s Share) Has(pack, chat string) bool {
	return s == 0 || chat != "" && spread(hash(pack, chat))%wholeShare < uint64(s)
}

// Rollout is how far a change of a pack goes. The zero Rollout changes nothing.
type Rollout struct {
	// Share has the chats in which the pack runs live; in all others it runs in shadow.
	Share Share
	// KeepsPending is whether pending work in the other chats is carried out.
	KeepsPending bool
}

// ModeIn returns the mode of a pack for events of a chat ("": of none).
func (s *Set) ModeIn(pack, chat string) Mode {
	mode := s.modes[pack]
	if s.rollouts != nil && mode == Live && !s.rollouts[pack].Share.Has(pack, chat) {
		return Shadow
	}
	return mode
}

// shadows reports whether requests of a live pack for a chat are recorded only: the
// event's chat is in its share, and this one is not.
func (s *Set) shadows(p *Pack, chat string) bool {
	return s.rollouts != nil && s.ModeIn(p.Name, chat) == Shadow
}

// Rollout returns how far a change of a pack goes.
func (s *Set) Rollout(pack string) Rollout { return s.rollouts[pack] }
