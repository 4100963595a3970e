package rules

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
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

// runner is one call of Run. Each shard has one, which it uses for event after
// event.
type runner struct {
	probe    probe
	set      *Set
	shard    int
	in       Input
	memories []*packMemory // of the packs that have run, in the order they did
	spent    int64         // steps of the rule that runs: all its tries, and VMs made for them
}

// handling is one call of a handler. It is never reused: a rule may keep its ev,
// and luabind tells by the Call that it is of an earlier event.
type handling struct {
	call   luabind.Call
	wishes wishes
	draft  draft
}

// Run runs an event through the rules it concerns, in load order, on the VMs of
// the shard. Calls of one shard must come from one goroutine at a time. It
// never panics and always ends, whatever the rules do: a handler that fails has
// a Failure in its outcome and nothing else, and the others continue. But for the
// VMs it keeps no state: what it goes by is in the input.
func (s *Set) Run(shard int, in Input) Result {
	r := s.runners[shard]
	r.set, r.shard, r.in = s, shard, in
	r.probe.reset(in.Event)
	var result Result
	var suspended struct { // rules of the pack at hand that are
		pack  *Pack
		rules int
	}
	for _, i := range s.index.candidates(&r.probe) {
		rule := s.rules[i]
		if !rule.mine(in.Event) || !rule.where.holds(&r.probe) {
			continue
		}
		pack := s.packOf[i]
		if in.Pack != "" && (pack.Name != in.Pack || slices.Contains(in.Ran, rule.Name)) {
			continue
		}
		shadow := s.modes[pack.Name] == Shadow
		o := Outcome{Pack: pack.Name, Version: pack.Version, Rule: rule.Name, Place: rule.place, Shadow: shadow, Skipped: rule.skip(&r.in, shadow)}
		if o.Skipped == "" {
			conduct := in.Conduct.of(pack)
			runs, none := conduct.admit(rule, in.Event.ChatID(), in.Now)
			if n := len(result.Outcomes); none && n > 0 && result.Outcomes[n-1].Pack == pack.Name && result.Outcomes[n-1].Skipped == SkippedSuspended {
				continue // the pack is suspended as a whole: one record an event says so
			}
			if runs {
				r.handle(rule, pack, &o)
				// A memory that can't be read says nothing about the rule.
				counts := o.Failure != nil && !in.Again && !r.memory(&o, pack).broken
				conduct.ran(rule, pack, &o, counts, r.spent, in.Event.ChatID(), in.Now)
			} else {
				o.Skipped = SkippedSuspended
			}
		}
		if s.modes[pack.Name] == Live {
			switch {
			case o.Failure != nil && pack.CanVeto:
				result.miss(pack, MissedFailed)
			case o.Skipped == SkippedSuspended:
				result.miss(pack, MissedSuspended)
			}
		}
		if o.Skipped == SkippedSuspended {
			if suspended.pack != pack {
				suspended.pack, suspended.rules = pack, 0
			}
			if suspended.rules++; suspended.rules > recordedSuspended {
				continue
			}
		}
		result.Outcomes = append(result.Outcomes, o)
	}
	if in.Event.Source != event.SourceEngine && in.Pack == "" {
		for i := range s.unloaded {
			u := &s.unloaded[i]
			result.Outcomes = append(result.Outcomes, u.outcome())
			result.Block = result.Block || u.CanVeto
			result.Missed = append(result.Missed, Missed{Pack: u.Pack, Version: u.Version, Why: MissedNotLoaded, CanVeto: u.CanVeto})
		}
	}
	clear(r.memories)
	*r = runner{probe: r.probe, memories: r.memories[:0]}
	r.probe.reset(nil)
	return result
}

// handle runs the rule's handler and fills in the outcome. Running out of wall
// time says something about the machine rather than the rule, whose budget is
// its steps: the handler runs once more.
func (r *runner) handle(rule *Rule, pack *Pack, o *Outcome) {
	r.spent = 0
	h, failure := r.try(rule, pack, o)
	if failure != nil && failure.Kind == luabind.Timeout {
		h, failure = r.try(rule, pack, o)
	}
	o.Logs = h.wishes.logs
	if failure != nil {
		o.Failure = failure
		return
	}
	o.Wishes = h.wishes.asked
	h.draft.keep(o)
	switch rests, later := rule.rests(&r.in, o.Shadow); {
	case rests && later: // and it goes on resting
		o.Wishes = slices.DeleteFunc(o.Wishes, func(w Wish) bool { return !w.KeepsUnread() })
	case rule.Cooldown > 0 && len(o.Wishes) > 0:
		o.Rest = &chat.Rest{Rule: rule.restKey(o.Shadow), Until: rule.judged(&r.in).Add(rule.Cooldown)}
	}
}

// try runs the handler once. What it asked for and wrote counts only if it did
// not fail.
func (r *runner) try(rule *Rule, pack *Pack, o *Outcome) (*handling, *luabind.Failure) {
	ev := r.in.Event
	h := &handling{}
	h.wishes = wishes{pack: pack, rule: rule, chat: ev.ChatID(), shadow: o.Shadow}
	h.draft = draft{memory: r.memory(o, pack), chat: ev.ChatID(), now: r.in.Now}
	h.call = luabind.Call{Event: ev, Now: r.in.Now, Seed: seed(ev, rule), Effects: &h.wishes, Memory: &h.draft}
	vm, made, err := pack.vm(r.shard)
	r.spent += made
	if err != nil {
		return h, failureOf(fmt.Errorf("the pack could not be loaded again: %w", err), rule)
	}
	err = callHandler(vm, rule.index, &h.call)
	o.Steps = vm.Steps()
	r.spent += o.Steps
	if vm.Broken() || errors.Is(err, errPanicked) {
		pack.drop(r.shard)
		r.spent += dropSteps
	}
	if err != nil {
		failure := failureOf(err, rule)
		if vm = nil; failure.Kind == luabind.Bytes {
			// On a busy machine the collector may fall behind a handler that
			// allocates all it may at each event: the next waits until that is free.
			runtime.GC()
		}
		return h, failure
	}
	return h, nil
}

// memory is what the pack remembers, the same for all its handlers of the event.
func (r *runner) memory(o *Outcome, pack *Pack) *packMemory {
	name := o.MemoryPack()
	for _, m := range r.memories {
		if m.pack == name {
			return m
		}
	}
	m := &packMemory{pack: name, limit: pack.Manifest.KV, before: r.in.Memory}
	r.memories = append(r.memories, m)
	return m
}

// errPanicked is a fault of the sandbox, which leaves the VM in an unknown state.
var errPanicked = errors.New("the sandbox failed")

// callHandler is vm.Call, held to its promise of not panicking.
func callHandler(vm *luabind.VM, index int, c *luabind.Call) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanicked, p)
		}
	}()
	return vm.Call(index, c)
}

// failureOf is an error as a handler's failure; one without a place is the rule's.
func failureOf(err error, rule *Rule) *luabind.Failure {
	var f *luabind.Failure
	if !errors.As(err, &f) {
		f = &luabind.Failure{Kind: luabind.Raised, Diagnostic: diag.Diagnostic{Message: err.Error()}}
		var ds diag.List
		if errors.As(err, &ds) && len(ds) > 0 {
			f.Diagnostic = ds[0]
			f.Message = "the pack could not be loaded again: " + f.Message
		}
		f.Severity = diag.SeverityError
	}
	if f.File == "" {
		f.File, f.Line = rule.File, rule.Line
	}
	return f
}

// mine reports whether an event of the rule's types is for it: that of a
// schedule names the rule.
func (r *Rule) mine(ev *event.Event) bool {
	return r.Every == "" || r.scheduled(ev)
}

// skip says why a rule that passed where does not run; "" if it does.
func (r *Rule) skip(in *Input, shadow bool) string {
	switch at := r.judged(in); {
	case r.during != nil && !r.during.Contains(at), r.outside != nil && r.outside.ContainsBut(at, r.notOn):
		return SkippedHours
	case r.during != nil && !r.during.ContainsBut(at, r.notOn):
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
