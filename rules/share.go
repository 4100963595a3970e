package rules

import (
	"fmt"
	"sync"
	"time"
)

// A handler within its budget may still be too slow for the events that come,
// and then every other pack's events wait for it. So a pack has a share of the
// machine as well: what its handlers take beyond shareFree steps each (about a
// millisecond, dozens of times what an ordinary rule takes), VMs that are made
// anew for them included, may come to shareRate steps a second, about a tenth
// of a core, and to shareBurst of them at once. A pack that goes beyond is suspended.
//
// Measured with packs of handlers just within their budget, under 300 events a
// second: without a share the others' events waited until the pack was gone.
const (
	shareFree  = 50_000
	shareRate  = 5_000_000
	shareBurst = 2_000_000
	// dropSteps is what it takes to throw a VM away, in steps: up to its limit of
	// memory is to be collected and allocated again.
	dropSteps = 250_000
)

// share is what a pack version has left of its share. The shards have it in
// common; a nil share is without end.
type share struct {
	mu    sync.Mutex
	left  int64
	at    time.Time // when left was that much
	until time.Time // suspended until then
}

// allows reports whether the pack may run now.
func (s *share) allows(now time.Time) bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.until) {
		return false
	}
	s.until = time.Time{}
	return true
}

// aside is until when the pack is suspended, as it was when it last might run.
func (s *share) aside() time.Time {
	if s == nil {
		return time.Time{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.until
}

// spend takes the steps of one handler off. If the pack is suspended because of
// them it returns until when, and why.
func (s *share) spend(steps int64, coolOff time.Duration, now time.Time) (until time.Time, why string) {
	beyond := steps - shareFree
	if s == nil || beyond <= 0 {
		return time.Time{}, ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() {
		s.left, s.at = shareBurst, now
	}
	if passed := now.Sub(s.at); passed > 0 {
		s.left = min(shareBurst, s.left+int64(passed.Seconds()*shareRate))
		s.at = now
	}
	if s.left -= beyond; s.left > 0 || now.Before(s.until) {
		return time.Time{}, ""
	}
	s.left = shareBurst // for when it may run again
	s.until = now.Add(coolOff)
	s.at = s.until
	return s.until, fmt.Sprintf("the pack takes more than its share of the machine: its handlers took more than %d VM steps beyond %d each within a second", shareBurst, shareFree)
}
