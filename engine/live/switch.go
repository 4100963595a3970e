package live

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"chertd/rules"
)

// Author is who set a mode by command, when and why.
type Author struct {
	By     string    `json:"by,omitempty"` // "": not known
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"` // zero: not known
}

// Under is what a mode for a time covers: it returns when that ends. The zero Under is that
// no command has set a mode.
type Under struct {
	Author
	Mode  rules.Mode  `json:"mode,omitempty"`
	Why   string      `json:"why,omitempty"`
	Limit rules.Rate  `json:"limit,omitzero"`
	Share rules.Share `json:"share,omitempty"`
	// Candidate is the one that the share is of: the share does not return without it.
	Candidate   string `json:"candidate,omitempty"`
	PendingKept bool   `json:"pending_kept,omitempty"`
}

// RuleMode is the mode of a single rule, by command. It only restricts that of the pack.
type RuleMode struct {
	Rule string     `json:"rule"` // name
	Mode rules.Mode `json:"mode"`
	Author
	Until       time.Time `json:"until,omitzero"` // zero: it has no end
	Under       Under     `json:"under,omitzero"` // what returns then
	PendingKept bool      `json:"pending_kept,omitempty"`
}

// restricts reports whether the rule does not do all that its pack may.
func (r *RuleMode) restricts() bool { return r.Mode == rules.Shadow || r.Mode == rules.Off }

// words returns until when the mode holds, by whom and why, for records of events.
func (r *RuleMode) words() string { return authorWords(r.Author, r.Until) }

func authorWords(a Author, until time.Time) string {
	text := "by command"
	if a.By != "" {
		text = "by " + a.By
	}
	if !until.IsZero() {
		text = "until " + until.UTC().Format(time.RFC3339) + " " + text
	}
	if a.Reason != "" {
		text += ": " + a.Reason
	}
	return text
}

// commandWords returns until when the mode that a command set holds, by whom and why.
func (p *PackState) commandWords() string { return authorWords(p.Author, p.Until) }

// RuleModes are the modes of single rules of a pack, as JSON: PackState is compared, and a
// pack has few of them. "" is none.
type RuleModes string

// ParseRuleModes returns modes as String has written them.
func ParseRuleModes(text string) (RuleModes, error) {
	if text == "" {
		return "", nil
	}
	var all []RuleMode
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return "", fmt.Errorf("modes of rules: %w", err)
	}
	return ruleModesOf(all), nil
}

func ruleModesOf(all []RuleMode) RuleModes {
	if len(all) == 0 {
		return ""
	}
	slices.SortFunc(all, func(a, b RuleMode) int { return cmp.Compare(a.Rule, b.Rule) })
	text, _ := json.Marshal(all) // strings and times always can
	return RuleModes(text)
}

// All returns the modes by the names of the rules.
func (m RuleModes) All() (all []RuleMode) {
	if m != "" {
		_ = json.Unmarshal([]byte(m), &all) // ParseRuleModes has read it
	}
	return all
}

// Of returns the mode of a rule; zero: it has none.
func (m RuleModes) Of(rule string) RuleMode {
	for _, r := range m.All() {
		if r.Rule == rule {
			return r
		}
	}
	return RuleMode{Rule: rule}
}

// with returns the modes with that of one rule replaced. Without a mode, and with live
// without an end, which restricts nothing, it is removed.
func (m RuleModes) with(mode RuleMode) RuleModes {
	all := slices.DeleteFunc(m.All(), func(r RuleMode) bool { return r.Rule == mode.Rule })
	if mode.restricts() || !mode.Until.IsZero() {
		all = append(all, mode)
	}
	return ruleModesOf(all)
}

// forRules returns the modes as a set takes them.
func (m RuleModes) forRules() map[string]rules.RuleMode {
	byName := map[string]rules.RuleMode{}
	for _, r := range m.All() {
		if r.restricts() {
			byName[r.Rule] = rules.RuleMode{Mode: r.Mode, Why: r.words(), KeepsPending: r.PendingKept}
		}
	}
	return byName
}

// under returns what a mode for a time that is set now would cover.
func (p *PackState) under() Under {
	if !p.Until.IsZero() {
		return p.Under
	}
	return Under{Author: p.Author, Mode: p.Mode, Why: p.Why, Limit: p.Limit, Share: p.Share, Candidate: p.Candidate, PendingKept: p.PendingKept}
}

// afterwards returns the state once the mode for a time has ended. Pending work that its
// command dropped is not kept by an earlier one.
func (p PackState) afterwards() PackState {
	u, live := p.Under, p.Mode == rules.Live && p.Share == 0
	p.Author, p.Mode, p.Why, p.Limit, p.Share = u.Author, u.Mode, u.Why, u.Limit, u.Share
	if u.Candidate != p.Candidate {
		p.Share = 0
	}
	p.PendingKept = u.PendingKept && (live || p.PendingKept)
	p.Until, p.Under = time.Time{}, Under{}
	return p
}

// ends returns when the next mode for a time ends; zero: there is none.
func (p *PackState) ends() time.Time {
	end := p.Until
	for _, r := range p.RuleModes.All() {
		if !r.Until.IsZero() && (end.IsZero() || r.Until.Before(end)) {
			end = r.Until
		}
	}
	return end
}

// endOf returns the end of a mode that is set now for a time; zero: it has none.
func endOf(now time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return now.Add(d).UTC().Round(0).Truncate(time.Microsecond) // as the store keeps it
}
