package engine

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"chertd/engine/dispatch"
	"chertd/engine/wait"
	"chertd/luabind/diag"
)

const (
	// learnedEvery is how often the learned rate is stored at most. It changes after 429s
	// only, and a daemon that is killed learns the last change again.
	learnedEvery = 10 * time.Second
	// loggedChange is the smallest change of the learned rate that is logged, as a share of
	// what was logged last.
	loggedChange = 0.2
)

// learnedKeeper stores the learned rate when it has changed, and logs large changes.
type learnedKeeper struct {
	e      *Engine
	kept   dispatch.LearnedRate // what the store has
	logged float64              // the rate that was logged last
}

// keepLearned stores the learned rate of calls until ctx ends, and then once more.
func (e *Engine) keepLearned(ctx context.Context) {
	k := newLearnedKeeper(e)
	for wait.For(ctx, learnedEvery) {
		k.keep()
	}
	k.keep()
}

func newLearnedKeeper(e *Engine) *learnedKeeper {
	kept := e.gov.Learned()
	return &learnedKeeper{e: e, kept: kept, logged: kept.Rate}
}

func (k *learnedKeeper) keep() {
	now := k.e.gov.Learned()
	if now == k.kept {
		return
	}
	if math.Abs(now.Rate-k.logged) > loggedChange*k.logged {
		k.e.c.Log.Info("the rate of calls that Chert accepts was learned from its 429s", "per_second", PerSecond(now.Rate), "before", PerSecond(k.logged))
		k.logged = now.Rate
	}
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	if err := k.e.c.Store.SetLearnedRate(ctx, k.e.c.Credential, now); err != nil {
		k.e.c.Log.Error("could not store the learned rate of calls; retrying", keyError, err, "hint", diag.StoreHint)
		return
	}
	k.kept = now
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
