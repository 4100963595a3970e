package engine

import (
	"context"
	"fmt"
	"time"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// pastPack is a version of a pack as it was live at a time.
type pastPack struct {
	pack    *rules.Pack // nil: it is not kept
	assumed *rules.Assumptions
	guessed bool // see live.Past
}

// pastKey names a pastPack: a version, and the number of the configuration.
type pastKey struct {
	pack, version string
	config        int
}

// rule explains what a rule did with an event.
func (x *explainer) rule(ctx context.Context, r *store.Record, d *turn.RuleDecision) (control.ExplainedRule, error) {
	out := control.ExplainedRule{
		Pack: d.Pack, Version: d.Version, Rule: d.Rule, Place: d.Place, Shadow: d.Shadow, Candidate: d.Candidate, CandidateLive: d.CandidateLive, Asked: d.Asked, Refused: d.Refused,
		Skipped: d.Skipped, SkippedWhy: d.SkippedWhy, Error: d.Error, Steps: d.Steps, Logs: d.Logs, Rerun: d.Rerun, Note: d.Note,
	}
	if d.Skipped == "" || d.Skipped == rules.SkippedSuspended || d.Skipped == rules.SkippedPackOff || d.Rule == "" {
		return out, nil
	}
	in := rules.Input{Event: x.chat.Complete(&r.Event), Seq: r.Seq, Now: r.Decision.At}
	if !d.Rerun.IsZero() {
		in.Now, in.First = d.Rerun, r.Decision.At
	}
	past, err := x.pastPack(ctx, d.Pack, d.Version, in.Now)
	if err != nil || past.pack == nil {
		return out, err
	}
	skip, ok := past.pack.SkipOf(d.Rule, in, d.Skipped, d.Role())
	if !ok {
		return out, nil
	}
	out.SkippedWhy = skip.Why
	if d.Skipped == rules.SkippedCooldown {
		if out.SkippedWhy, err = x.cooldown(ctx, r, d, &skip, in.Now); err != nil {
			return out, err
		}
	}
	if past.guessed {
		out.Assumes = past.assumed.Skip(d.Rule, d.Skipped)
	}
	return out, nil
}

// cooldownLooked is how many older events of a chat are looked through for the one with
// which a cooldown began.
const cooldownLooked = 200

// cooldown says until when the cooldown lasts that was in force at a time, and with which
// event it began.
func (x *explainer) cooldown(ctx context.Context, r *store.Record, d *turn.RuleDecision, skip *rules.Skip, at time.Time) (why string, err error) {
	if x.chat == nil {
		return "", nil
	}
	until := x.chat.Cooldown[skip.CooldownKey]
	if !at.Before(until) || until.Add(-skip.Cooldown).After(at) {
		until = time.Time{} // it is a later one
	}
	older, err := x.m.store.Events(ctx, x.chat.ID, r.Seq, cooldownLooked)
	if err != nil {
		return "", err
	}
	for i := range older {
		o := &older[i]
		if o.Decision == nil {
			continue
		}
		for n := range o.Decision.Rules {
			began := &o.Decision.Rules[n]
			if began.Pack != d.Pack || began.Rule != d.Rule || began.Role() != d.Role() || len(began.Asked) == 0 {
				continue
			}
			since := o.Decision.At
			if !began.Rerun.IsZero() {
				since = began.Rerun
			}
			end := until
			if end.IsZero() {
				end = since.Add(skip.Cooldown)
			}
			if since.After(at) || !at.Before(end) {
				continue
			}
			return fmt.Sprintf("until %s; it began with event %s at %s", end.UTC().Format(stamp), o.Event.ID, since.UTC().Format(stamp)), nil
		}
	}
	if until.IsZero() {
		return "", nil
	}
	return "until " + until.UTC().Format(stamp), nil
}

// pastPack returns a version of a pack as it was live at a time.
func (x *explainer) pastPack(ctx context.Context, pack, version string, at time.Time) (*pastPack, error) {
	key := pastKey{pack, version, x.m.gens.ConfigAt(at)}
	if p := x.packs[key]; p != nil {
		return p, nil
	}
	past, err := x.m.gens.PastPack(ctx, pack, version, at)
	if err != nil {
		return nil, err
	}
	p := &pastPack{pack: past.Pack, guessed: past.Guessed}
	if p.pack != nil {
		p.assumed = rules.NewAssumptions(p.pack, past.Options)
	}
	x.packs[key] = p
	return p, nil
}

// notMatched lists the rules that subscribe to the event's type and did not match, as they
// were live then.
func (x *explainer) notMatched(ctx context.Context, r *store.Record, e *control.ExplainedEvent) error {
	if r.Decision == nil || r.Forward != nil || e.NoText {
		return nil // without its text and its sender nobody can say what would have matched
	}
	versions, ran := map[string]string{}, map[string]bool{}
	for i := range r.Decision.Rules {
		d := &r.Decision.Rules[i]
		if d.Rerun.IsZero() && !d.Candidate {
			versions[d.Pack] = d.Version
		}
		ran[chat.Key(d.Pack, d.Rule)] = true
	}
	past, err := x.m.gens.Past(ctx, r.Decision.At, versions)
	if err != nil {
		return err
	}
	off := map[string]string{}
	for _, s := range x.m.gens.Standings() {
		off[s.Name] = offNow(&s, r.Decision.At)
	}
	for i := range r.Decision.Rules {
		if d := &r.Decision.Rules[i]; d.Skipped == rules.SkippedPackOff {
			off[d.Pack] = "its pack was " + d.Note
		}
	}
	in := rules.Input{Event: x.chat.Complete(&r.Event), Seq: r.Seq, Now: r.Decision.At, Lists: x.m.eng.Lists()}
	for _, o := range past.Set.Explain(in) {
		if ran[chat.Key(o.Pack, o.Rule)] || !x.wants(o.Pack, o.Rule) {
			continue
		}
		if e.NotMatched++; !x.q.All && e.NotMatched > control.UnmatchedShown || x.listed >= mostListed {
			continue
		}
		x.listed++
		other := control.ExplainedOther{
			Pack: o.Pack, Version: o.Version, Rule: o.Rule, Place: o.Place, Why: o.Refused, Holds: len(o.Refused) == 0, NotThen: past.Instead[o.Pack],
		}
		if past.Guessed {
			p := x.assumed[past.Set.Pack(o.Pack)]
			if p == nil {
				p = rules.NewAssumptions(past.Set.Pack(o.Pack), past.Options)
				x.assumed[past.Set.Pack(o.Pack)] = p
			}
			other.Assumes = p.Where(o.Rule, in)
		}
		if by := off[o.Pack]; other.Holds && by != "" {
			other.Why = []string{by}
		} else if other.Holds {
			other.Why = []string{"its conditions hold. It did not run then: its pack was off or not live in this chat"}
			if len(other.Assumes) > 0 || other.NotThen {
				other.Why[0] += ", or its conditions were others"
			}
			if x.listsChanged(r) {
				other.Why[0] += ", or a list had other members"
			}
		}
		e.NotMatch = append(e.NotMatch, other)
	}
	return nil
}

// mostListed is how many rules that did not match one answer lists: with --all, of many rules and
// events, it would have many megabytes.
const mostListed = 5000
