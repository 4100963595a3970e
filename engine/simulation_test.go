package engine

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

var (
	simSeeds  = flag.Int("simulation.seeds", fewerUnderRace(200), "how many simulations TestSimulation runs")
	simTwice  = flag.Int("simulation.twice", fewerUnderRace(12), "how many simulations TestSimulationReplaysExactly runs twice")
	simShards = flag.Int("simulation.shards", 1, "shards of the daemon in TestSimulation; with several, a seed does not replay exactly")
	simShrink = flag.Bool("simulation.shrink", true, "look for fewer steps with which a simulation that fails still does")
	simFirst  = flag.Uint64("simulation.seed", 1, "seed of the first simulation of TestSimulation")
)

// fewerUnderRace is a tenth under the race detector.
func fewerUnderRace(n int) int {
	if raceEnabled {
		return n/10 + 1
	}
	return n
}

// The daemon lives through whatever a simulated Chert, the network, the clock and operators do,
// on virtual time. All that it does and all that happens to it follows from a seed.
//
//	go test ./engine -run TestSimulation -simulation.seeds 5000
//	go test ./engine -run TestSimulation/seed=123 -v
func TestSimulation(t *testing.T) {
	t.Parallel()
	for n := range *simSeeds {
		seed := *simFirst + uint64(n)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			w := simulate(t, newSimPlan(seed))
			if w.failure == nil {
				return
			}
			if *simShrink {
				w = shrinkSimulation(t, w)
			}
			for i := range w.plan.steps {
				t.Logf("step %d: %s, then %v", i, &w.plan.steps[i], w.plan.steps[i].rest)
			}
			t.Errorf("seed %d, step %d of %d: %s\n%s\nagain: go test ./engine -run 'TestSimulation/seed=%d$' -simulation.seed %[1]d -v",
				seed, w.failure.step, len(w.plan.steps), w.failure.what, simTail(w, testing.Verbose()), seed)
		})
	}
}

// A simulation does the same whenever it runs.
func TestSimulationReplaysExactly(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*simTwice) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			once, again := simTrace(simulate(t, newSimPlan(seed)).lines), simTrace(simulate(t, newSimPlan(seed)).lines)
			if once != again {
				a, b := strings.Split(once, "\n"), strings.Split(again, "\n")
				i := 0
				for i < min(len(a), len(b)) && a[i] == b[i] {
					i++
				}
				t.Errorf("line %d of the trace differs:\n%s\n\nagain:\n%s", i, strings.Join(a[max(0, i-10):min(len(a), i+5)], "\n"), strings.Join(b[max(0, i-3):min(len(b), i+5)], "\n"))
			}
		})
	}
}

// simulate runs a simulation.
func simulate(t *testing.T, plan simPlan) (w *simWorld) {
	dir := t.TempDir()
	if _, err := emptySimStore(); err != nil { // outside of the bubble, as all share it
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w = newSimWorld(dir, plan)
		w.live()
	})
	return w
}

// shrinkSimulation leaves out steps while the simulation fails in the same way: halves of them, then
// quarters, and so on.
func shrinkSimulation(t *testing.T, w *simWorld) *simWorld {
	for size := len(w.plan.steps) / 2; size > 0; size /= 2 {
		for from := 0; from < len(w.plan.steps); {
			fewer := w.plan
			fewer.steps = slices.Delete(slices.Clone(w.plan.steps), from, min(from+size, len(w.plan.steps)))
			if shrunk := simulate(t, fewer); shrunk.failure != nil && shrunk.failure.kind == w.failure.kind {
				w = shrunk
			} else {
				from += size
			}
		}
	}
	return w
}

// simTail returns the last lines of a trace, or all.
func simTail(w *simWorld, all bool) string {
	lines := strings.SplitAfter(simTrace(w.lines), "\n")
	if !all {
		lines = lines[max(0, len(lines)-60):]
	}
	return strings.Join(lines, "")
}
