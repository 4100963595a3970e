package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Switch is a mode that a command set, of a pack or of one of its rules, for people.
type Switch struct {
	Rule string // "": the pack
	Mode rules.Mode
	Author
	Share rules.Share // of the chats, of a pack; 0: all
	Until time.Time   // zero: it has no end
	Then  rules.Mode  // the mode that returns at the end; of a rule, at most that of its pack
	Gone  bool        // the live version has no such rule
}

// Reasons why the mode of a pack or a rule can't be set.
var (
	ErrPromoteForTime = errors.New("a candidate can't be made the live version for a time")
	ErrNotLoaded      = errors.New("no version of the pack is loaded, so that the name of the rule can't be checked")
)

// UnknownRuleError is returned for a rule that the pack does not have.
type UnknownRuleError struct {
	Pack, Rule string
	Near       string   // name of one that it has; "": none is near
	Known      []string // names of those that it has
}

func (e *UnknownRuleError) Error() string {
	return fmt.Sprintf("pack %q has no rule %q", e.Pack, e.Rule)
}

// SetRuleMode sets the mode of a single rule, by command. Unless KeepPending, pending actions
// and timers of a rule that is then not live are dropped; SetRuleMode returns when that is
// done. force accepts any name if no version of the pack is loaded.
func (m *Manager) SetRuleMode(ctx context.Context, pack string, in SetRuleMode, force bool) (PackStanding, error) {
	s, err := m.command(ctx, pack)
	if err != nil {
		return PackStanding{}, err
	}
	if err := s.checkRule(in, force); err != nil {
		return m.finish(ctx, s, nil, err)
	}
	if err := m.give(ctx, s, in, nil); err != nil {
		return m.finish(ctx, s, nil, fmt.Errorf("keep the mode of rule %q of pack %q: %w", in.Rule, pack, err))
	}
	return m.finish(ctx, s, m.swap(fmt.Sprintf("the mode of rule %s of pack %s was set", in.Rule, pack)), nil)
}

// checkRule returns why the mode of a rule can't be set; nil: it can.
func (s *Standing) checkRule(in SetRuleMode, force bool) error {
	names := s.ruleNames()
	switch {
	case in.Mode == "" && s.RuleModes.Of(in.Rule).Mode != "", slices.Contains(names, in.Rule):
		return nil
	case !s.Version.Runs() && !force:
		return fmt.Errorf("pack %q, rule %q: %w", s.Pack, in.Rule, ErrNotLoaded)
	case !s.Version.Runs() && in.Mode != "":
		return nil
	}
	return &UnknownRuleError{Pack: s.Pack, Rule: in.Rule, Near: diag.Suggest(in.Rule, names), Known: names}
}

// ruleNames returns the names of the rules of the live version and the candidate.
func (s *Standing) ruleNames() []string {
	names := slices.Clone(s.Version.Rules)
	if s.Candidate != "" && s.Beside.Hash == s.Candidate {
		names = append(names, s.Beside.Rules...)
	}
	return names
}

// switches returns the modes that commands set of the pack and its rules.
func (s *Standing) switches() (all []Switch) {
	if s.Mode != "" && s.Why == "" {
		w := Switch{Mode: s.Mode, Author: s.Author, Share: s.Share, Until: s.Until}
		if !s.Until.IsZero() {
			w.Then = s.modeBy(s.afterwards())
		}
		all = append(all, w)
	}
	names := s.ruleNames()
	for _, r := range s.RuleModes.All() {
		w := Switch{Rule: r.Rule, Mode: r.Mode, Author: r.Author, Until: r.Until}
		if !r.Until.IsZero() {
			if w.Then = r.Under.Mode; w.Then == "" {
				w.Then = rules.Live
			}
		}
		w.Gone = s.Version.Runs() && !slices.Contains(names, r.Rule)
		all = append(all, w)
	}
	return all
}

// MovesWith reports whether the name of a rule is its place in a file, which is another rule's
// once the file is edited.
func (w *Switch) MovesWith() bool { return strings.Contains(w.Rule, "#") }

// Words returns by whom, until when and why the mode is set: "until 2026-01-05T15:00:00Z by
// anna: too many reads".
func (w *Switch) Words() string { return authorWords(w.Author, w.Until) }
