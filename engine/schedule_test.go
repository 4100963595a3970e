package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// A machine whose clock was years ahead, and was then set right, runs its
// schedules by the right time, with and without a restart.
func TestSchedulesBearAClockSetBack(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	r := &rig{t: t, dir: t.TempDir(), now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
	r.changed.L = &r.mu
	r.write("p.lua", `
chert.every("15m", { name = "often" }, function(ev) end)
chert.every("0 * * * *", { name = "hourly" }, function(ev) end)`)
	ahead.Store(int64(4 * 365 * 24 * time.Hour))
	r.start()
	running := schedules{e: r.eng}
	if _, err := running.turn(context.Background()); err != nil {
		t.Fatal(err)
	}
	ahead.Store(0)
	for name, s := range map[string]*schedules{"as it runs": &running, "after a restart": {e: r.eng}} {
		wait, err := s.turn(context.Background())
		if err != nil || wait < 0 || wait > 15*time.Minute {
			t.Errorf("%s: the next run is in %v (%v), want one within 15m", name, wait, err)
		}
		for key, next := range s.next {
			if in := time.Until(next); in > time.Hour {
				t.Errorf("%s: %s runs in %v", name, key, in)
			}
		}
	}
}
