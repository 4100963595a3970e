package engine

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const (
	// fewVetoed reads of a rule, vetoed by another one, say nothing about the two.
	fewVetoed = 10
	// shownFailures is how many rules' last failures are looked up.
	shownFailures = 100
)

// Rules implements control.Daemon.
func (m *manager) Rules(ctx context.Context, q control.RulesQuery) (control.Rules, error) {
	ctx, cancel := withStoreTimeout(ctx)
	defer cancel()
	totals, err := m.store.RuleTotals(ctx)
	if err != nil {
		return control.Rules{}, fmt.Errorf("read what rules did: %w", err)
	}
	now := m.eng.c.Now()
	all := rulesNow(m.gens.Ruled(), totals.Since)
	addTotals(all, &totals)
	list := make([]*ruleNow, 0, len(all))
	for _, r := range all {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *ruleNow) int {
		return cmp.Or(cmp.Compare(a.Pack, b.Pack), cmp.Compare(a.Rule.Rule, b.Rule.Rule))
	})
	if err := unknownRule(list, q); err != nil {
		return control.Rules{}, err
	}
	list = slices.DeleteFunc(list, func(r *ruleNow) bool {
		switch {
		case q.Pack != "" && r.Pack != q.Pack, q.Rule != "" && r.Rule.Rule != q.Rule:
			return true
		case q.Rule == "" && r.Mode == control.RuleGone && !q.Gone:
			return true
		}
		return q.Stale > 0 && r.LastMatched.After(now.Add(-q.Stale))
	})
	if err := m.addFailures(ctx, list); err != nil {
		return control.Rules{}, err
	}
	answer := control.Rules{At: now, Since: totals.Since}
	for _, r := range list {
		answer.Rules = append(answer.Rules, r.Rule)
	}
	return answer, nil
}

// ruleNow is a rule, and what its answer is made of.
type ruleNow struct {
	control.Rule
	partly    bool // it runs in shadow in some chats, or in all
	failed    time.Time
	failedSeq int64
}

// rulesNow returns the rules that packs have now, by key.
func rulesNow(packs []live.RuledPack, since time.Time) map[string]*ruleNow {
	all := map[string]*ruleNow{}
	add := func(r *rules.Rule, mode string, partly bool) {
		if all[r.Key] == nil {
			all[r.Key] = &ruleNow{Rule: control.Rule{Pack: r.Pack, Rule: r.Name, Mode: mode, Place: r.Place(), Since: since}, partly: partly}
		}
	}
	for _, p := range packs {
		if p.Live != nil {
			for _, r := range p.Live.Rules {
				add(r, string(p.Mode), p.Mode != rules.Live || p.Candidate == nil && p.Share != 0)
			}
		}
		if p.Candidate != nil {
			for _, r := range p.Candidate.Rules {
				add(r, control.RuleCandidate, true)
			}
		}
	}
	return all
}

// addTotals adds what was counted, also of rules that no pack has now.
func addTotals(all map[string]*ruleNow, totals *store.RuleTotals) {
	stopped := map[string]int64{}
	for i := range totals.Rules {
		t := &totals.Rules[i]
		if t.Pack == "" { // an operator's reads: no rule requested them
			for _, v := range t.Vetoes {
				stopped[v.By] += v.Reads
			}
			continue
		}
		key := chat.Key(t.Pack, t.Rule)
		r := all[key]
		if r == nil {
			r = &ruleNow{Rule: control.Rule{Pack: t.Pack, Rule: t.Rule, Mode: control.RuleGone}, partly: true}
			all[key] = r
		}
		r.Since = t.Since
		r.RuleCounts, r.LastMatched = countsOf(&t.Live), t.Live.LastMatched
		r.Shadow, r.Candidate = countsIfAny(&t.Shadow), countsIfAny(&t.Candidate)
		r.failed, r.failedSeq = t.Live.LastFailed, t.Live.LastFailedSeq
		for _, c := range []*turn.RuleCounts{&t.Shadow, &t.Candidate} {
			if r.partly && c.LastMatched.After(r.LastMatched) {
				r.LastMatched = c.LastMatched
			}
			if r.partly && c.LastFailed.After(r.failed) {
				r.failed, r.failedSeq = c.LastFailed, c.LastFailedSeq
			}
		}
		for _, v := range t.Vetoes {
			r.Vetoes = append(r.Vetoes, control.RuleVetoes{By: v.By, Reads: v.Reads})
			stopped[v.By] += v.Reads
		}
	}
	for key, r := range all {
		r.Stopped = stopped[key]
		for i := range r.Vetoes {
			if by := all[r.Vetoes[i].By]; by != nil {
				r.Vetoes[i].Place = by.Place
			}
		}
		if len(r.Vetoes) > 0 && r.Vetoes[0].Reads >= fewVetoed && 2*r.Vetoes[0].Reads > r.Reads {
			mostly := r.Vetoes[0]
			r.VetoedMostly = &mostly
		}
	}
}

// countsIfAny returns counts for the answer; nil: nothing was counted.
func countsIfAny(c *turn.RuleCounts) *control.RuleCounts {
	if *c == (turn.RuleCounts{}) {
		return nil
	}
	counts := countsOf(c)
	return &counts
}

func countsOf(c *turn.RuleCounts) control.RuleCounts {
	return control.RuleCounts{
		Matched: c.Matched, Ran: c.Ran, Failed: c.Failed, Requested: c.Requests, Reads: c.Reads, Read: c.Read, Vetoed: c.Vetoed,
		Superseded: c.Superseded, Dead: c.Dead, Ended: c.Ended, Actions: c.Actions, Steps: c.Steps, TookUS: c.Took.Microseconds(),
		LastRequested: c.LastRequested,
	}
}

// unknownRule returns an error if a query names a pack or a rule that is not in a list.
func unknownRule(list []*ruleNow, q control.RulesQuery) error {
	if q.Pack == "" {
		return nil
	}
	var packs, names []string
	for _, r := range list {
		packs = append(packs, r.Pack)
		if r.Pack == q.Pack {
			names = append(names, r.Rule.Rule)
		}
	}
	switch {
	case len(names) == 0:
		return &control.UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("no rule of a pack %q is known", q.Pack),
			Hint: cmp.Or(diag.DidYouMeanString("", q.Pack, slices.Compact(packs)), "chertd packs lists the packs")}
	case q.Rule != "" && !slices.Contains(names, q.Rule):
		return &control.UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("pack %q has no rule %q", q.Pack, q.Rule),
			Hint: cmp.Or(diag.DidYouMeanString("", q.Rule, names), diag.PackCommand("rules", q.Pack)+" lists them")}
	}
	return nil
}

// addFailures adds the last failures, those of the newest events with their errors as far as the
// events are kept.
func (m *manager) addFailures(ctx context.Context, list []*ruleNow) error {
	var failed []*ruleNow
	for _, r := range list {
		if !r.failed.IsZero() {
			r.LastFailure = &control.RuleFailure{At: r.failed}
			failed = append(failed, r)
		}
	}
	slices.SortFunc(failed, func(a, b *ruleNow) int { return b.failed.Compare(a.failed) })
	failed = failed[:min(len(failed), shownFailures)]
	if len(failed) == 0 {
		return nil
	}
	var seqs []int64
	for _, r := range failed {
		seqs = append(seqs, r.failedSeq)
	}
	slices.Sort(seqs)
	records, err := m.store.Records(ctx, slices.Compact(seqs))
	if err != nil {
		return fmt.Errorf("read the events on which rules failed: %w", err)
	}
	for _, r := range failed {
		i := slices.IndexFunc(records, func(x store.Record) bool { return x.Seq == r.failedSeq })
		if i < 0 {
			continue
		}
		r.LastFailure.Event = records[i].Event.ID
		if d := records[i].Decision; d != nil {
			for n := range d.Rules {
				if x := &d.Rules[n]; x.Pack == r.Pack && x.Rule == r.Rule.Rule && x.Error != "" {
					r.LastFailure.Error = x.Error
				}
			}
		}
	}
	return nil
}
