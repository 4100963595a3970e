package backtest

import (
	"strings"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// Explain looks up why a side left messages unread where Run found no reason: whether the
// rule that reads them on the other side would run. ev is the event of d.Seq; nil: it is
// not at hand. The sets are those of the Config, which must not run meanwhile.
func (c *Config) Explain(d *Difference, ev *event.Event) {
	explain(c.Live, c.Lists, d, ev, &d.Live, d.Candidate.Read)
	explain(c.Candidate, c.Lists, d, ev, &d.Candidate, d.Live.Read)
}

func explain(set *rules.Set, lists *rules.Lists, d *Difference, ev *event.Event, f *Fate, other *Read) {
	if f.Read != nil || f.Unread != nil || other == nil {
		return
	}
	rule := ruleOf(set, other.Rule)
	if rule == nil {
		f.Unread = &Reason{Why: WhyNoRule, Rule: other.Rule}
		return
	}
	f.Unread = &Reason{Why: WhyNotRequested, Rule: other.Rule, Place: rule.Place()}
	if ev == nil {
		return
	}
	for _, x := range set.Explain(rules.Input{Event: ev, Seq: d.Seq, Now: d.At, Lists: lists, HideText: true}) {
		switch {
		case chat.Key(x.Pack, x.Rule) != other.Rule:
		case len(x.Refused) > 0:
			f.Unread.Why, f.Unread.Detail = WhyRefused, strings.Join(x.Refused, ", ")
		case x.Skipped != "":
			f.Unread.Why, f.Unread.Detail = WhySkipped, x.Skipped
		}
	}
}

// ruleOf returns the rule with a key; nil: the set does not have it.
func ruleOf(set *rules.Set, key string) *rules.Rule {
	for _, p := range set.Packs() {
		for _, r := range p.Rules {
			if r.Key == key {
				return r
			}
		}
	}
	return nil
}
