package rules

import (
	"math"
	"time"

	"chertd/engine/event"
	"chertd/rules/chat"
)

// Values of Outcome.Skipped.
const (
	SkippedCooldown = "cooldown"
	SkippedSample   = "sample"
	SkippedHours    = "outside its hours"
	SkippedDay      = "a day of its not_on"
	SkippedAge      = "older than its max_age"
	SkippedNoAge    = "the event does not say how old it is"
)

// Skips are all values of Outcome.Skipped but "".
var Skips = []string{SkippedCooldown, SkippedSample, SkippedHours, SkippedDay, SkippedAge, SkippedNoAge, SkippedSuspended, skippedRuleOff, SkippedPackOff}

// mine reports whether an event of the rule's types is for it: the event of a schedule
// names its rule.
func (r *Rule) mine(ev *event.Event) bool {
	return r.Every == "" || r.scheduled(ev)
}

// skip returns why a rule whose where holds does not run; "" if it runs.
func (r *Rule) skip(in *Input, role Role) string {
	switch at := r.judged(in); {
	case r.during != nil && !r.during.Contains(at), r.outside != nil && r.outside.ContainsExcept(at, r.notOn):
		return SkippedHours
	case r.during != nil && !r.during.ContainsExcept(at, r.notOn):
		return SkippedDay
	}
	if why := r.tooOld(in); why != "" {
		return why
	}
	if r.Sample > 0 && !r.sampled(in.Event) {
		return SkippedSample
	}
	if rests, later := r.rests(in, role); rests && !later {
		return SkippedCooldown
	}
	return ""
}

// rests reports whether the rule's cooldown is not over. later is set if the
// rule runs nevertheless, with nothing but its veto carried out: its pack had missed the
// event, which arrived before the cooldown began, and reads wait for the veto.
func (r *Rule) rests(in *Input, role Role) (rests, later bool) {
	if r.Cooldown == 0 || in.Chat == nil {
		return false, false
	}
	end := in.Chat.Cooldown[r.restKey(role)]
	rests = in.Now.Before(end)
	return rests, rests && r.canVeto && !in.First.IsZero() && !end.Add(-r.Cooldown).Before(in.First)
}

// judged returns the time for the rule's hours, max_age and cooldown. An event that a
// pack had missed runs later. A rule that may veto is judged by when the event arrived,
// because reads wait for its veto; another rule by the current time.
func (r *Rule) judged(in *Input) time.Time {
	if r.canVeto && !in.First.IsZero() {
		return in.First
	}
	return in.Now
}

// tooOld returns why max_age keeps the rule from running; "" if it does not. An event
// without a time may be of any age: only a rule that can do nothing but veto runs on it.
func (r *Rule) tooOld(in *Input) string {
	if r.MaxAge == 0 {
		return ""
	}
	age, known := in.Event.Age(r.judged(in))
	switch {
	case !known && r.onlyVetoes:
		return ""
	case !known:
		return SkippedNoAge
	case age > r.MaxAge:
		return SkippedAge
	}
	return ""
}

// restKey returns the key of the rule's cooldowns in a role.
func (r *Rule) restKey(role Role) string { return chat.Key(role.Key(r.Pack), r.Name) }

// sampled reports whether the event's chat is in the rule's sample.
func (r *Rule) sampled(ev *event.Event) bool { return r.sampleOf(ev) < r.Sample }

// sampleOf returns the number from 0 to 1 that decides whether the event's chat is in the
// rule's sample. It is the same on every machine, and another for each rule. For an event
// without a chat, its id counts.
func (r *Rule) sampleOf(ev *event.Event) float64 {
	id := ev.ChatID()
	if id == "" {
		id = ev.ID
	}
	return float64(spread(hash(id, r.Name))) / math.MaxUint64
}

// seed returns the seed of a handler's random numbers: the same for the same event.
func seed(ev *event.Event, r *Rule) uint64 { return hash(ev.ID, r.Key) }

// hash returns the FNV-1a hash of both strings with a zero byte between them.
func hash(a, b string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(a) {
		h = (h ^ uint64(a[i])) * prime
	}
	h *= prime
	for i := range len(b) {
		h = (h ^ uint64(b[i])) * prime
	}
	return h
}

// spread makes all bits of a hash depend on one another with the steps of splitmix64:
// FNV gives similar short strings similar upper bits.
func spread(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
