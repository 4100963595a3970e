package engine

import (
	"context"
	"slices"
	"strings"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules"
)

// matrixBeside is what commands have made of the candidate of the spare pack.
type matrixBeside struct {
	candidate bool
	share     rules.Share
}

// operateCandidate tries a version of the spare pack, in shares and without an end. It notes which
// of two states the store may have while a command is not answered, and which one it must have then.
func (c *matrixCase) operateCandidate(ctx context.Context) {
	text := strings.Replace(sparePack, "1h", "2h", 1)
	try := func() error {
		_, err := c.ask.Shadow(ctx, "spare", control.CandidateRequest{Path: "spare.lua", Files: []control.SentFile{{Name: "spare.lua", Content: []byte(text)}}})
		return err
	}
	share := func(share string) func() error {
		return func() error {
			_, err := c.ask.SetMode(ctx, "spare", control.ModeRequest{Mode: "live", Share: share})
			return err
		}
	}
	end := func() error {
		_, err := c.ask.Rollback(ctx, "spare", control.RollbackRequest{})
		return err
	}
	c.besides = nil
	for i, step := range []struct {
		do   func() error
		then matrixBeside
	}{
		{try, matrixBeside{true, 0}}, {share("50%"), matrixBeside{true, 5000}}, {share("10%"), matrixBeside{true, 1000}},
		{end, matrixBeside{}}, {try, matrixBeside{true, 0}}, {share("50%"), matrixBeside{true, 5000}},
	} {
		if len(c.besides) > 0 {
			c.besides = append(c.besides, step.then)
		}
		if err := step.do(); err != nil {
			if i == 0 {
				c.besides = nil // the pack is not live
			}
			return
		}
		c.besides = []matrixBeside{step.then}
	}
}

// checkCandidate compares what the store has of the spare pack with what commands have made of it.
func (c *matrixCase) checkCandidate(f *found, states []store.PackState) {
	at := slices.IndexFunc(states, func(s store.PackState) bool { return s.Pack == "spare" })
	if len(c.besides) == 0 || at < 0 {
		return
	}
	if got := (matrixBeside{states[at].Candidate != "", states[at].Share}); !slices.Contains(c.besides, got) {
		f.add("candidate", "the store has the candidate %+v of the spare pack, and the commands made one of %+v", got, c.besides)
	}
}
