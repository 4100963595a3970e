package engine

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"chertd/engine/dispatch"
	"chertd/engine/wait"
)

const (
	// learnedEvery is how often the learned rate is stored at most. It changes after 429s
	// only, and a daemon that is killed learns the last change again.
	learnedEvery = 10 * time.Second
	// loggedChange is the smallest change of the learned rate that is logged, as a share of
	// what was logged last.
	loggedChange = 0.2
)

// keepLearned stores the learned rate of calls when it has changed, and logs large changes,
// until ctx ends, and then once more.
func (e *Engine) keepLearned(ctx context.Context) {
	kept := e.gov.Learned()
	logged := kept.Rate
	for ended := false; !ended; {
		ended = !wait.For(ctx, learnedEvery)
		now := e.gov.Learned()
		if now == kept {
			continue
		}
		if math.Abs(now.Rate-logged) > loggedChange*logged {
			e.c.Log.Info("the rate of calls that Chert accepts was learned from its 429s", "per_second", PerSecond(now.Rate), "before", PerSecond(logged))
			logged = now.Rate
		}
		storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTime)
		err := e.c.Store.SetLearnedRate(storing, e.c.Credential, now)
		cancel()
		if err != nil {
			e.c.Log.Error("could not store the learned rate of calls; retrying", keyError, err)
			continue
		}
		kept = now
	}
}

// restoreLearned continues with the rate that an earlier process has learned.
func (e *Engine) restoreLearned(ctx context.Context) error {
	r, err := e.c.Store.LearnedRate(ctx, e.c.Credential)
	if err == nil {
		e.gov.RestoreLearned(r)
	}
	return err
}

// changeRate changes the ceiling of calls, and whether they keep below the learned rate.
func (e *Engine) changeRate(limit float64, burst int, adaptive bool) {
	e.gov.SetCeiling(limit, burst)
	e.gov.SetAdaptive(adaptive)
}

// newGovernor returns the governor of calls.
func newGovernor(c *Config) *dispatch.Governor {
	gov := dispatch.NewGovernor(c.Rate, c.Burst)
	gov.SetAdaptive(c.Adaptive)
	return gov
}

// PerSecond returns a rate with three digits, such as "4.84"; "none" for 0.
func PerSecond(rate float64) string {
	if rate <= 0 {
		return "none"
	}
	s := fmt.Sprintf("%.3g", rate)
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		s = strconv.FormatFloat(n, 'f', -1, 64)
	}
	return s
}
