package live

import (
	"errors"
	"testing"

	"chertd/rules"
)

// TestCandidateToShadow: a limit of reads ends the share of a candidate, which stays beside
// the live version, and what it has pending is dropped, also if the process ends before.
func TestCandidateToShadow(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	p.mustTry(version("c1"))
	p.setMode(SetMode{Mode: rules.Live, Share: 5000})
	p.hasCancelled("")
	limit, stands := rules.Rate{N: 3, Per: 1e9}, true
	reach := func() error {
		return p.g.CandidateToShadow(background, "codes", limit, func() bool { return stands })
	}
	expect := func(when string, share rules.Share, reached string) {
		t.Helper()
		p.expectCandidate(when, "c1", share)
		p.expectLive(when, "codes=v1")
		if s := p.standing("codes"); s.Candidate.LimitReached != reached || s.Mode != rules.Live || s.ModeBy != "command" {
			t.Errorf("%s: codes is %s by %s, and its candidate has reached %q", when, s.Mode, s.ModeBy, s.Candidate.LimitReached)
		}
	}
	// Nothing of the version limits it: the report is of another one.
	must(t, reach())
	expect("without a limit", 5000, "")
	p.options = rules.Options{Packs: map[string]rules.PackOptions{"codes": {Limits: rules.Limits{Reads: limit}}}}
	must(t, p.g.Reconfigure(background, p.options, nil))
	stands = false
	must(t, reach())
	expect("the count has ended", 5000, "")
	stands = true
	p.keeper.failAt = 1
	if err := reach(); !errors.Is(err, errDiskFull) {
		t.Errorf("the store fails: %v", err)
	}
	expect("the store fails", 5000, "")
	p.hasCancelled("")
	must(t, reach())
	expect("reached", 0, "more than 3 reads in 1s")
	p.await("codes")
	p.expectCancelled("reached", "codes c1: rolled back")
	p.start()
	expect("a restart", 0, "more than 3 reads in 1s")
	p.await("codes")
	p.expectCancelled("a restart, in case it was not done", "codes c1: rolled back")
	must(t, reach())
	expect("twice", 0, "more than 3 reads in 1s")
	p.setMode(SetMode{Mode: rules.Live, Share: 1000})
	expect("live again", 1000, "")
	if c := p.standing("codes").Candidate.Version; p.set.Withdrawn("codes", c, chatIn(1000)) {
		t.Error("what it requests from now on is withdrawn")
	}
	must(t, reach())
	p.mustTry(version("c2"))
	if c := p.standing("codes").Candidate; c.LimitReached != "" {
		t.Errorf("another candidate has reached %q", c.LimitReached)
	}
}
