package chertsim_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chertsim"
)

// day returns what 400 events of traffic leave behind.
func day(t *testing.T, seed uint64, speed float64) (log []chertsim.Row, took time.Duration, replies int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, chertsim.Config{Seed: seed, Now: time.Now})
		b.sim.Watch(func(h chertsim.Activity) {
			if h.Kind == chertsim.Operator {
				replies++
			}
		})
		began := time.Now()
		b.sim.Traffic(t.Context(), chertsim.TrafficConfig{Rate: 2, Speed: speed, Total: 400})
		took, log = time.Since(began), b.sim.Log()
	})
	return log, took, replies
}

func TestTrafficFollowsFromItsSeed(t *testing.T) {
	t.Parallel()
	one, took, _ := day(t, 7, 1)
	two, again, _ := day(t, 7, 1)
	if took != again || len(one) != len(two) {
		t.Fatalf("the same seed took %v for %d events, then %v for %d", took, len(one), again, len(two))
	}
	for i := range one {
		if string(one[i].Payload) != string(two[i].Payload) || one[i].ID != two[i].ID {
			t.Fatalf("event %d differs under one seed:\n%s\n%s", i, one[i].Payload, two[i].Payload)
		}
	}
	if other, _, _ := day(t, 8, 1); string(other[0].Payload) == string(one[0].Payload) {
		t.Errorf("another seed begins with the same event: %s", other[0].Payload)
	}
}

func TestTrafficKeepsItsRate(t *testing.T) {
	t.Parallel()
	for _, speed := range []float64{1, 10} {
		_, took, _ := day(t, 3, speed)
		want := time.Duration(200 / speed * float64(time.Second)) // 400 events at 2 a second
		if took < want*7/10 || took > want*13/10 {
			t.Errorf("at speed %v, 400 events at 2/s took %v, want about %v", speed, took, want)
		}
	}
}

func TestTrafficIsLifelike(t *testing.T) {
	t.Parallel()
	log, _, replies := day(t, 1, 1)
	if len(log) != 400 {
		t.Errorf("the log has %d rows for 400 events: operators' replies make none", len(log))
	}
	if replies == 0 {
		t.Error("no operator replied by hand")
	}
	bursts, last := 0, map[string]time.Time{}
	var all strings.Builder
	for _, row := range log {
		all.Write(row.Payload)
		if at := last[row.Chat]; !at.IsZero() && row.CreatedAt.Sub(at) <= 5*time.Second {
			bursts++
		}
		last[row.Chat] = row.CreatedAt
	}
	if bursts < 100 {
		t.Errorf("%d events of 400 come within 5s of another in their chat, want at least 100", bursts)
	}
	for _, want := range []string{`verification code is:? \d{6}`, `"is_group":true`, `image/jpeg`, `reaction\.added`, `https://example`,
		`“|’`, `[ぁ-ん]`, `\p{Cyrillic}`, `\p{Arabic}`, `[\x{1F300}-\x{1FAFF}]`, `"message_guid"`, `@example\.com`} {
		if !regexp.MustCompile(want).MatchString(all.String()) {
			t.Errorf("nothing in 400 events matches %s", want)
		}
	}
}

func TestTrafficEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, chertsim.Config{Now: time.Now})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		b.sim.Traffic(ctx, chertsim.TrafficConfig{})
		if took := time.Since(began); took != time.Minute {
			t.Errorf("traffic ended after %v, want with its context after 1m", took)
		}
	})
}

func TestLoad(t *testing.T) {
	t.Parallel()
	t.Run("at a rate", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, chertsim.Config{Now: time.Now})
			began := time.Now()
			n := b.sim.Load(t.Context(), chertsim.LoadConfig{Rate: 1000, Chats: 7, Total: 5001})
			if took := time.Since(began); n != 5001 || took != 5*time.Second {
				t.Errorf("%d events at 1000/s took %v, want 5001 in 5s", n, took)
			}
			if chats := len(b.sim.Chats()); chats != 7 {
				t.Errorf("the load went to %d chats, want 7", chats)
			}
		})
	})
	t.Run("as fast as it is taken", func(t *testing.T) {
		t.Parallel()
		h := &hook{}
		b := newBench(t, chertsim.Config{Transport: inProcess(h)})
		if _, err := b.sim.Subscribe(hookURL, ""); err != nil {
			t.Fatal(err)
		}
		most := 0
		b.sim.Watch(func(chertsim.Activity) { most = max(most, b.sim.Outstanding()) })
		n := b.sim.Load(t.Context(), chertsim.LoadConfig{Total: 2000, InFlight: 32})
		b.drain()
		if got := len(h.received()); n != 2000 || got != 2000 {
			t.Errorf("%d events, %d deliveries, want 2000 of each", n, got)
		}
		if most > 32 {
			t.Errorf("%d deliveries were outstanding together, want at most 32", most)
		}
	})
}
