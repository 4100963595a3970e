package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"chertd/engine/chertsim"
)

// faults are what happens one after another, by name. Each lasts until calm.
var faults = map[string]func(*world, *rand.Rand) error{
	"deliveries": func(w *world, random *rand.Rand) error {
		return w.sim.SetMischief(chertsim.Mischief{Drop: 0.2, Duplicate: 0.2, Reorder: 0.2, Within: 2 * time.Second})
	},
	"no deliveries": func(w *world, _ *rand.Rand) error { return w.sim.SetMischief(chertsim.Mischief{Drop: 1}) },
	"502":           rule(chertsim.FailRule{Route: "mark-read", Mode: chertsim.FailHTML, Probability: 0.5}),
	"outage":        rule(chertsim.FailRule{Mode: chertsim.FailReset}),
	"unavailable":   rule(chertsim.FailRule{Code: 3002}),
	"hanging":       rule(chertsim.FailRule{Route: "mark-read", Mode: chertsim.FailHang, Probability: 0.1}),
	"lost answers":  rule(chertsim.FailRule{Route: "mark-read", Mode: chertsim.FailTruncated, Probability: 0.3}),
	"slow":          rule(chertsim.FailRule{Route: "mark-read", Mode: chertsim.FailSlow, Delay: time.Second, Probability: 0.3}),
	"log fails":     rule(chertsim.FailRule{Route: "events", Code: 3001}),
	"account":       rule(chertsim.FailRule{Code: 2004}),
	"line down": func(w *world, random *rand.Rand) error {
		return w.sim.Fail(chertsim.FailRule{Route: "mark-read", Code: 4001, Line: fmt.Sprintf("+1415555010%d", random.IntN(lines))})
	},
	"rate limit": func(w *world, random *rand.Rand) error {
		w.sim.SetLimit(100, 200)
		return nil
	},
	"clock": func(w *world, random *rand.Rand) error {
		w.sim.SetSkew(time.Duration(random.IntN(1200)-600) * time.Second)
		return nil
	},
	"edit": func(w *world, random *rand.Rand) error { return w.edit(int(random.Int32())) },
	"restart": func(w *world, random *rand.Rand) error {
		return w.restart(syscall.SIGTERM, time.Duration(random.IntN(20))*time.Second)
	},
	"kill": func(w *world, random *rand.Rand) error {
		return w.restart(syscall.SIGKILL, time.Duration(random.IntN(20))*time.Second)
	},
}

// names has the faults in order, so that a seed chooses the same ones again.
var names = func() (all []string) {
	for name := range faults {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}()

func rule(r chertsim.FailRule) func(*world, *rand.Rand) error {
	return func(w *world, _ *rand.Rand) error { return w.sim.Fail(r) }
}

// fail makes one fault after another until ctx ends: each for up to 20 s, with up to 20 s
// in between.
func (w *world) fail(ctx context.Context, random *rand.Rand) error {
	rest := func() bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Duration(random.IntN(20_000)) * time.Millisecond):
			return true
		}
	}
	for rest() {
		name := names[random.IntN(len(names))]
		if err := faults[name](w, random); err != nil {
			return fmt.Errorf("fault %s: %w", name, err)
		}
		w.mu.Lock()
		w.count[name]++
		w.mu.Unlock()
		rest()
		w.calm()
	}
	return nil
}

// calm ends all faults.
func (w *world) calm() {
	w.sim.ClearFaults()
	w.sim.SetMischief(chertsim.Mischief{})
	w.sim.SetLimit(0, 0)
	w.sim.SetSkew(0)
}

// restart ends the process with a signal, and starts it again after a while.
func (w *world) restart(with syscall.Signal, after time.Duration) error {
	if err := w.end(with); err != nil {
		return err
	}
	time.Sleep(after)
	return w.start()
}

// stopOnce stops the process in the middle of the load, and prints how long it takes to
// catch up.
func (w *world) stopOnce(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After((w.length - d) / 4):
	}
	before := w.sent.Load()
	if err := w.restart(syscall.SIGTERM, d); err != nil {
		return err
	}
	missed, began := w.sent.Load()-before, time.Now()
	fmt.Printf("started again after %s, in which %d messages arrived\n", d, missed)
	if err := w.settleSoon(ctx); err != nil {
		return err
	}
	fmt.Printf("caught up after %s\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}
