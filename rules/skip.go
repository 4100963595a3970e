package rules

import (
	"math"
	"time"

	"chertd/engine/event"
	"chertd/rules/chat"
)

// Words that stand in Outcome.Skipped.
const (
	SkippedCooldown = "cooldown"
	SkippedSample   = "sample"
	SkippedHours    = "outside its hours"
	SkippedDay      = "a day of its not_on"
	SkippedAge      = "older than its max_age"
	SkippedNoAge    = "the event does not say how old it is"
)

// mine reports whether an event of the rule's types is for it: that of a
// schedule names the rule.
func (r *Rule) mine(ev *event.Event) bool {
	return r.Every == "" || r.scheduled(ev)
}

// skip says why a rule that passed where does not run; "" if it does.
func (r *Rule) skip(in *Input, shadow bool) string {
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
	if rests, later := r.rests(in, shadow); rests && !later {
		return SkippedCooldown
	}
	return ""
}

// rests reports whether the rule's cooldown is not over. later says that the rule runs
// all the same: the event is one that its pack had missed, and came before the cooldown
// began. Reads wait for its veto, and nothing but that is carried out.
func (r *Rule) rests(in *Input, shadow bool) (rests, later bool) {
	if r.Cooldown == 0 || in.Chat == nil {
		return false, false
	}
	end := in.Chat.Cooldown[r.restKey(shadow)]
	rests = in.Now.Before(end)
	return rests, rests && r.canVeto && !in.First.IsZero() && !end.Add(-r.Cooldown).Before(in.First)
}

// judged is the time by which the rule's hours, max_age and cooldown go. An event that
// a pack had missed runs later. A rule that may veto runs if it would have run then:
// reads wait for its veto. Another one runs if it may read now.
func (r *Rule) judged(in *Input) time.Time {
	if r.canVeto && !in.First.IsZero() {
		return in.First
	}
	return in.Now
}

// tooOld says why max_age keeps the rule from running; "" if it does not. An
// event that does not say when it happened may be of any age: it is left alone,
// unless the rule can only veto.
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

// restKey is the key of the rule's cooldowns. One that did something in shadow
// has done nothing yet when it is live.
func (r *Rule) restKey(shadow bool) string { return chat.Key(memoryPack(r.Pack, shadow), r.Name) }

// sampled reports whether the event's chat is in the rule's sample: the same
// chats always, on every machine, and others for each rule. An event without a
// chat is drawn for itself.
func (r *Rule) sampled(ev *event.Event) bool {
	id := ev.ChatID()
	if id == "" {
		id = ev.ID
	}
	return float64(spread(hash(id, r.Name)))/math.MaxUint64 < r.Sample
}

// seed is that of a handler's random numbers: the same event draws the same.
func seed(ev *event.Event, r *Rule) uint64 { return hash(ev.ID, r.Key) }

// hash is FNV-1a of both strings, a zero byte between them.
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

// spread makes all bits of a hash depend on one another: FNV leaves the upper
// ones of similar short texts alike. These are the steps of splitmix64.
func spread(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
