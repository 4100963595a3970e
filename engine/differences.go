package engine

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Differences implements control.Daemon.
func (m *manager) Differences(ctx context.Context, pack string, limit int) (control.Differences, error) {
	standings := m.gens.Standings()
	at := slices.IndexFunc(standings, func(s live.PackStanding) bool { return s.Name == pack })
	if at < 0 {
		return control.Differences{}, &control.UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no pack %q", pack), Hint: "chertd packs lists them"}
	}
	ctx, cancel := withStoreTimeout(ctx)
	defer cancel()
	d := control.Differences{Pack: pack}
	version, against, ok := compares(&standings[at])
	if !ok {
		return d, nil
	}
	found, err := m.store.Comparison(ctx, pack, version, against, limit)
	if err != nil {
		return d, fmt.Errorf("compare the versions of pack %s: %w", pack, err)
	}
	d.Comparison = comparisonOf(version, against, &found)
	seqs := make([]int64, len(found.Newest))
	for i, x := range found.Newest {
		seqs[i] = x.Seq
	}
	records, err := m.store.Records(ctx, seqs)
	if err != nil {
		return d, fmt.Errorf("read the events on which the versions of pack %s differ: %w", pack, err)
	}
	if against == "" {
		if err := m.addActions(ctx, records); err != nil {
			return d, fmt.Errorf("read the actions of events of pack %s: %w", pack, err)
		}
	}
	for _, x := range found.Newest {
		i := slices.IndexFunc(records, func(r store.Record) bool { return r.Seq == x.Seq })
		if i >= 0 && records[i].Decision != nil {
			d.Events = append(d.Events, differingOf(&records[i], pack, version, against, x.Result))
		}
	}
	return d, nil
}

// addActions reads the actions of events.
func (m *manager) addActions(ctx context.Context, records []store.Record) error {
	var ids []chat.ActionID
	for i := range records {
		if d := records[i].Decision; d != nil {
			for n := range d.Actions {
				ids = append(ids, chat.ActionID{Seq: d.Seq, N: n})
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	all, err := m.store.ActionsByID(ctx, ids)
	for _, a := range all {
		i := slices.IndexFunc(records, func(r store.Record) bool { return r.Seq == a.ID.Seq })
		records[i].Actions = append(records[i].Actions, a)
	}
	return err
}

// compares returns which version of a pack runs in shadow, and against which it is compared;
// ok is false if none does.
func compares(s *live.PackStanding) (version, against string, ok bool) {
	switch {
	case s.Version == "":
		return "", "", false
	case s.Candidate != nil:
		return s.Candidate.Version, s.Version, true
	}
	return s.Version, "", s.Mode == rules.Shadow || s.Share != 0
}

// comparison returns how what a pack requests in shadow compares; nil: nothing of it runs in
// shadow, or the store does not answer.
func (m *manager) comparison(ctx context.Context, s *live.PackStanding) *control.Comparison {
	version, against, ok := compares(s)
	if !ok {
		return nil
	}
	found, err := m.store.Comparison(ctx, s.Name, version, against, 0)
	if err != nil {
		return nil
	}
	return comparisonOf(version, against, &found)
}

func comparisonOf(version, against string, c *store.Comparison) *control.Comparison {
	of := c.Results
	x := control.Comparison{
		Version: version, Against: against, Since: c.Since, Agreed: of[turn.Agrees],
		FailedLive: of[turn.FailedLive], FailedCandidate: of[turn.FailedCandidate], Veto: of[turn.VetoDiffers],
		ReadLive: of[turn.ReadLive], ReadCandidate: of[turn.ReadCandidate], Time: of[turn.TimeDiffers], Other: of[turn.OtherDiffers],
	}
	for _, d := range turn.Differences {
		x.Differ += of[d]
	}
	x.Events = x.Agreed + x.Differ
	return &x
}

// differingOf returns what the versions requested on an event, by its decision.
func differingOf(r *store.Record, pack, version, against string, result turn.Difference) control.Differing {
	x := control.Differing{At: r.Decision.At, Event: r.Event.ID, Type: r.Event.Type, Chat: r.Event.ChatID(), Result: string(result)}
	for i := range r.Decision.Rules {
		d := &r.Decision.Rules[i]
		if d.Pack != pack || d.Rule == "" || !d.Rerun.IsZero() {
			continue
		}
		of := control.RuleRequests{Rule: d.Rule, Place: d.Place, Skipped: d.Skipped, Error: d.Error}
		for _, words := range d.Asked {
			of.Asked = append(of.Asked, strings.TrimSuffix(words, " [shadow]"))
		}
		switch {
		case d.Shadow && d.Version == version:
			x.Candidate = append(x.Candidate, of)
		case !d.Shadow && d.Version == against:
			x.Live = append(x.Live, of)
		}
	}
	if against == "" {
		for i := range r.Actions {
			if a := &r.Actions[i]; a.Kind == chat.Read && a.Status != chat.Shadowed {
				x.Reads = append(x.Reads, fmt.Sprintf("read by %s/%s: %s", a.Pack, a.Rule, a.Status))
			}
		}
	}
	return x
}
