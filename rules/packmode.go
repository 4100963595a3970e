package rules

import "maps"

// SkippedPackOff stands in Outcome.Skipped of a rule whose pack a command switched off. Of
// each such pack, an event records the first rule whose where holds. Its event is not run
// again later.
const SkippedPackOff = "pack_off"

// silent has the rules of packs that a command switched off. They never run: records of
// events name them.
type silent struct {
	rules []*Rule // in load order
	packs []*Pack // of rules
	index *index
}

// setCommands takes over by which commands packs are off, in shadow or live in a share. Sets
// without any do not look at them.
func (s *Set) setCommands(commands map[string]string) {
	if len(commands) == 0 {
		return
	}
	s.commands = maps.Clone(commands)
	var off silent
	for _, p := range s.packs {
		if s.modes[p.Name] != Off || commands[p.Name] == "" {
			continue
		}
		for _, r := range p.Rules {
			off.rules, off.packs = append(off.rules, r), append(off.packs, p)
		}
	}
	if len(off.rules) > 0 {
		off.index = newIndex(off.rules)
		s.silent = &off
	}
}

// commandNote returns, for records, by which command a version of a pack is not live in a
// chat, or is the candidate that is; "": by none.
func (s *Set) commandNote(p *Pack, chatID string) string {
	words := s.commands[p.Name]
	if words == "" {
		return ""
	}
	mode, r := s.modes[p.Name], s.rollouts[p.Name]
	beside := s.candidates[p.Name] == p
	switch {
	case mode != Live:
		return string(mode) + " " + words
	case r.Share == 0 || r.Candidate != "" && !beside:
		return ""
	case r.reaches(p.Name, chatID) && beside:
		return "live in the candidate's share of " + r.Share.String() + ", " + words
	case r.reaches(p.Name, chatID):
		return ""
	case beside:
		return "outside the candidate's share of " + r.Share.String() + ", " + words
	}
	return "shadow outside the pack's share of " + r.Share.String() + ", " + words
}

// notRun adds to the outcomes of an event, for each pack that a command switched off, the
// first of its rules that would have run.
func (r *runner) notRun(result *Result) {
	off := r.set.silent
	var last *Pack
	for _, i := range off.index.candidates(&r.probe) {
		rule, pack := off.rules[i], off.packs[i]
		if pack == last || !rule.mine(r.in.Event) || !rule.where.holds(&r.probe) {
			continue
		}
		last = pack
		result.Outcomes = append(result.Outcomes, Outcome{
			Pack: pack.Name, Version: pack.Version, Rule: rule.Name, Place: rule.place,
			Skipped: SkippedPackOff, Note: r.set.commandNote(pack, r.in.Event.ChatID()),
		})
	}
}
