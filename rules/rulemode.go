package rules

import "maps"

// RuleMode is the mode of a single rule, as an operator set it. It only restricts the mode
// of the pack: no rule of a pack in shadow is live.
type RuleMode struct {
	Mode Mode   // Shadow or Off; another one restricts nothing
	Why  string // in words for records: until when, by whom and why
	// KeepsPending is whether what the rule has pending is carried out.
	KeepsPending bool
}

// skippedRuleOff stands in Outcome.Skipped of a rule that an operator switched off. Its
// event is not run again later.
const skippedRuleOff = "rule_off"

// restricts reports whether the rule does not do all that its pack may.
func (m RuleMode) restricts() bool { return m.Mode == Shadow || m.Mode == Off }

// setRuleModes takes over the modes of single rules. Sets without any do not look at them.
func (s *Set) setRuleModes(modes map[string]map[string]RuleMode) {
	for pack, byRule := range modes {
		for rule, m := range byRule {
			if !m.restricts() {
				continue
			}
			if s.ruleModes == nil {
				s.ruleModes = map[PackRule]RuleMode{}
			}
			s.ruleModes[PackRule{pack, rule}] = m
		}
	}
	if s.ruleModes == nil {
		return
	}
	s.restricted = make([]RuleMode, len(s.rules))
	for i, r := range s.rules {
		s.restricted[i] = s.ruleModes[PackRule{r.Pack, r.Name}]
	}
}

// PackRule names a rule of a pack, in all its versions.
type PackRule struct{ Pack, Rule string }

// RuleWithdrawn reports whether what a rule of a pack has pending is not carried out any
// more, because an operator switched the rule off or to shadow.
func (s *Set) RuleWithdrawn(pack, rule string) bool {
	m := s.ruleModes[PackRule{pack, rule}]
	return m.restricts() && !m.KeepsPending
}

// sameRuleModes reports whether two sets have the same modes of single rules.
func (s *Set) sameRuleModes(t *Set) bool { return maps.Equal(s.ruleModes, t.ruleModes) }

// note returns the outcome's note for records: by which command a rule does not run as its
// pack does; "": by none.
func (m RuleMode) note() string {
	if m.Why == "" {
		return ""
	}
	return string(m.Mode) + " " + m.Why
}
