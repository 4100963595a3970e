package chertsim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Mischief is what happens to webhook deliveries on their way. It does not affect the
// events log. Shares are between 0 and 1.
type Mischief struct {
	Drop      float64       // share that never arrives
	Duplicate float64       // share that arrives twice
	Reorder   float64       // share that is delayed by up to Within, so that later ones arrive before
	Within    time.Duration // default 2s
	Delay     time.Duration // of every delivery
}

// SetMischief changes what happens to the deliveries of further events.
func (s *Sim) SetMischief(m Mischief) error {
	for _, share := range []struct {
		name  string
		value float64
	}{{"drop", m.Drop}, {"duplicate", m.Duplicate}, {"reorder", m.Reorder}} {
		if share.value < 0 || share.value > 1 {
			return fmt.Errorf("set mischief: %s is %v, and must be between 0 and 1", share.name, share.value)
		}
	}
	if m.Within < 0 || m.Delay < 0 {
		return fmt.Errorf("set mischief: within and delay must not be negative")
	}
	if m.Within == 0 {
		m.Within = 2 * time.Second
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mischief = m
	return nil
}

// times returns the delays of a delivery: one for each copy, none if it is lost.
func (m Mischief) times(dice *rand.Rand) []time.Duration {
	if hit(m.Drop, dice) {
		return nil
	}
	times := []time.Duration{m.Delay}
	if hit(m.Duplicate, dice) {
		times = append(times, m.Delay)
	}
	for i := range times {
		if hit(m.Reorder, dice) {
			times[i] += time.Duration(dice.Int64N(int64(m.Within))) + 1
		}
	}
	return times
}

// hit draws no random number for what is certain, so that one setting does not change
// the draws of another.
func hit(share float64, dice *rand.Rand) bool {
	return share >= 1 || share > 0 && dice.Float64() < share
}
