package rules

import (
	"slices"

	"chertd/engine/event"
	"chertd/engine/event/handle"
)

// Explanation is whether an event reaches the handler of one rule and, if not, why.
type Explanation struct {
	Pack    string   `json:"pack"`
	Version string   `json:"version"`
	Rule    string   `json:"rule"`
	Place   string   `json:"place"`             // file:line
	Runs    bool     `json:"runs"`              // its handler is called
	Refused []string `json:"refused,omitempty"` // conditions of where that do not hold
	Skipped string   `json:"skipped,omitempty"` // where holds, but: "cooldown", "off", …
	// SkippedWhy has the value that decided Skipped: "2h old, at most 1h".
	SkippedWhy string `json:"skipped_why,omitempty"`
}

// Explain returns an explanation for each rule that subscribes to the event's type, in
// load order, packs that are off included. It runs no Lua, and takes time in proportion
// to the number of rules. It may be called from any goroutine.
func (s *Set) Explain(in Input) []Explanation {
	p := &probe{handles: handle.NewReader(s.country), hideText: in.HideText}
	p.reset(in.Event)
	p.lists = &listReader{probe: p, lists: in.Lists, now: in.Now, first: in.First, set: s}
	var all []Explanation
	for _, pack := range s.packs {
		for _, r := range pack.Rules {
			if !r.subscribes(in.Event) || !r.mine(in.Event) {
				continue
			}
			x := Explanation{Pack: pack.Name, Version: pack.Version, Rule: r.Name, Place: r.place, Refused: r.where.refusals(p)}
			switch {
			case len(x.Refused) > 0:
			case s.modes[pack.Name] == Off:
				x.Skipped = string(Off)
			case s.ruleModes[PackRule{pack.Name, r.Name}].Mode == Off:
				x.Skipped = skippedRuleOff
			default:
				shadow := s.ModeIn(pack.Name, in.Event.ChatID()) == Shadow || s.ruleModes[PackRule{pack.Name, r.Name}].Mode == Shadow
				role := RoleOf(shadow, false)
				x.Skipped = r.skip(&in, role)
				x.SkippedWhy = r.skippedWhy(&in, x.Skipped, role)
			}
			x.Runs = len(x.Refused) == 0 && x.Skipped == ""
			all = append(all, x)
		}
	}
	return all
}

// subscribes reports whether the rule's types include the event's. An event that
// chertd makes reaches only the pack it is for. Neither that nor a signal reaches a
// subscriber to "*".
func (r *Rule) subscribes(ev *event.Event) bool {
	from := cameFrom(ev)
	if from == fromChert && slices.Contains(r.Types, anyType) {
		return true
	}
	return originOf(ev.Type) == from && (from != fromEngine || ev.Pack == r.Pack) && slices.Contains(r.Types, ev.Type)
}
