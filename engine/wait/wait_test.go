package wait

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestForEndsWithTheTimeASignalOrTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signal := make(chan struct{}, 1)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for _, tc := range []struct {
			name string
			wait func() bool
			took time.Duration
			live bool
		}{
			{"the time", func() bool { return For(t.Context(), time.Minute) }, time.Minute, true},
			{"no time", func() bool { return For(t.Context(), 0, nil) }, 0, true},
			{"the first signal", func() bool { signal <- struct{}{}; return For(t.Context(), -1, signal, nil) }, 0, true},
			{"the second signal", func() bool { signal <- struct{}{}; return For(t.Context(), -1, nil, signal) }, 0, true},
			{"the context", func() bool { return For(ended, -1) }, 0, false},
			{"the context before the time", func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				return For(ctx, time.Minute, signal)
			}, time.Second, false},
		} {
			began := time.Now()
			if live := tc.wait(); live != tc.live || time.Since(began) != tc.took {
				t.Errorf("%s: live %t after %v, want %t after %v", tc.name, live, time.Since(began), tc.live, tc.took)
			}
		}
	})
}

// A clock that is set forward, or a machine that was suspended, delays what is due
// by at most LookAgain.
func TestUntilFollowsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		now := func() time.Time {
			if time.Since(began) >= time.Minute {
				return time.Now().Add(10 * time.Hour) // set forward after a minute
			}
			return time.Now()
		}
		if !Until(t.Context(), now, began.Add(2*time.Hour)) {
			t.Error("the context counts as ended")
		}
		if took := time.Since(began); took < time.Minute || took > time.Minute+LookAgain {
			t.Errorf("it took %v, want a minute and at most %v", took, LookAgain)
		}
		began = time.Now()
		if !Until(t.Context(), time.Now, began.Add(50*time.Second)) || time.Since(began) != 50*time.Second {
			t.Errorf("it took %v, want 50s", time.Since(began))
		}
		if began = time.Now(); !Until(t.Context(), time.Now, began) || time.Since(began) != 0 {
			t.Errorf("it took %v for what is due", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if Until(ctx, time.Now, time.Time{}) || time.Since(began) != time.Hour {
			t.Errorf("the zero time was reached after %v", time.Since(began))
		}
		signal := make(chan struct{}, 1)
		signal <- struct{}{}
		if began = time.Now(); !Until(t.Context(), time.Now, began.Add(time.Hour), signal) || time.Since(began) != 0 {
			t.Errorf("the signal took %v", time.Since(began))
		}
	})
}

// Of signals that have come, the runtime picks one by chance. The others must not end the
// next wait, which would make what a loop does depend on that chance.
func TestEndOfAWaitTakesAllSignals(t *testing.T) {
	waits := map[string]func(ctx context.Context, signals ...<-chan struct{}){
		"for":         func(ctx context.Context, signals ...<-chan struct{}) { For(ctx, -1, signals...) },
		"for no time": func(ctx context.Context, signals ...<-chan struct{}) { For(ctx, 0, signals...) },
		"until": func(ctx context.Context, signals ...<-chan struct{}) {
			Until(ctx, time.Now, time.Now().Add(time.Hour), signals...)
		},
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for range 50 {
					began := time.Now()
					first, second := make(chan struct{}, 1), make(chan struct{}, 1)
					first <- struct{}{}
					second <- struct{}{}
					wait(t.Context(), first, second)
					if len(first)+len(second) > 0 || time.Since(began) > 0 {
						t.Fatalf("after %v, %d signals are left", time.Since(began), len(first)+len(second))
					}
				}
			})
		})
	}
}
