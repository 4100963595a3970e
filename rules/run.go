package rules

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// runner is one call of Run. Each shard has one, which it uses for event after
// event.
type runner struct {
	probe    probe
	look     listReader // of the event
	set      *Set
	shard    int
	in       Input
	memories []*packMemory // of the packs that have run, in the order they did
	spent    int64         // steps of the rule that runs: all its tries, and VMs made for them
}

// handling is one call of a handler. It is never reused: a rule may keep its ev,
// and luabind tells by the Call that it is of an earlier event.
type handling struct {
	call     luabind.Call
	requests requests
	draft    draft
}

// Run runs an event through the rules it concerns, in load order, on the VMs of
// the shard. Calls of one shard must come from one goroutine at a time. It
// never panics and always ends, whatever the rules do: a handler that fails has
// a Failure in its outcome and nothing else, and the others continue. But for the
// VMs it keeps no state, and changes nothing that the input points to: the same
// input has the same result. The owner of the Suspensions notes the outcomes in them.
func (s *Set) Run(shard int, in Input) Result {
	r := s.runners[shard]
	r.set, r.shard, r.in = s, shard, in
	r.probe.reset(in.Event)
	r.look = listReader{probe: &r.probe, lists: in.Lists, now: in.Now, first: in.First, set: s, seen: r.look.seen[:0]}
	r.probe.lists = &r.look
	var result Result
	var view packView // of the pack at hand
	left := 0         // suspended rules of it that are still to be recorded
	for _, i := range s.index.candidates(&r.probe) {
		rule := s.rules[i]
		if !rule.mine(in.Event) || !rule.where.holds(&r.probe) {
			continue
		}
		pack := s.packOf[i]
		if in.Pack != "" && (pack.Name != in.Pack || slices.Contains(in.Ran, rule.Name)) {
			continue
		}
		mode := s.modes[pack.Name]
		if s.rollouts != nil {
			mode = s.modeOf(pack, in.Event.ChatID())
			if mode == Off || in.Pack != "" && mode != Live {
				continue
			}
		}
		beside := mode == Shadow && s.candidates[pack.Name] == pack
		off := false
		var note string
		if s.restricted != nil {
			if m := s.restricted[i]; m.restricts() {
				if in.Pack != "" && m.Mode == Shadow {
					continue // what a pack has missed runs through live rules alone
				}
				if off = m.Mode == Off; !off {
					mode = Shadow
				}
				note = m.note()
			}
		}
		if note == "" && s.commands != nil {
			note = s.commandNote(pack, in.Event.ChatID())
		}
		shadow := mode == Shadow
		o := Outcome{Pack: pack.Name, Version: pack.Version, Rule: rule.Name, Place: rule.place, Shadow: shadow, Candidate: beside, Note: note}
		o.CandidateLive = mode == Live && s.candidates[pack.Name] == pack
		if o.Skipped = skippedRuleOff; !off {
			o.Skipped = rule.skip(&r.in, o.Role())
		}
		if o.Skipped == "" {
			if view.pack != pack {
				view, left = in.Suspensions.view(pack), recordedSuspended
			}
			id := in.Event.ChatID()
			a := view.admit(rule, id, in.Now)
			if n := len(result.Outcomes); a == packSuspended && n > 0 && result.Outcomes[n-1].Pack == pack.Name && result.Outcomes[n-1].Skipped == SkippedSuspended {
				continue // one record an event says that the pack is suspended as a whole
			}
			o.by = runBy{pack: pack, rule: rule, probe: a == probes}
			if a == runs || a == probes {
				r.handle(rule, pack, &o)
				o.by.steps = r.spent
				o.by.excused = o.Failure != nil && (in.Again || r.memory(&o, pack).broken)
				view.ran(rule, id, r.spent, in.Now)
			} else {
				o.Skipped = SkippedSuspended
			}
		}
		if mode == Live {
			switch {
			case o.Failure != nil && pack.CanVeto:
				result.miss(pack, MissedFailed)
			case o.Skipped == SkippedSuspended:
				result.miss(pack, MissedSuspended)
			}
		}
		if o.Skipped == SkippedSuspended {
			if left--; left < 0 {
				continue
			}
			o.SkippedWhy = view.suspendedWhy(rule, in.Event.ChatID(), in.Now) // only for those that are recorded
		}
		result.Outcomes = append(result.Outcomes, o)
	}
	if in.Event.Source != event.SourceEngine && in.Pack == "" {
		for i := range s.unloaded {
			u := &s.unloaded[i]
			if s.rollouts != nil && s.ModeIn(u.Pack, in.Event.ChatID()) != Live {
				continue
			}
			result.Outcomes = append(result.Outcomes, u.outcome())
			result.Block = result.Block || u.CanVeto
			result.Missed = append(result.Missed, Missed{Pack: u.Pack, Version: u.Version, Why: MissedNotLoaded, CanVeto: u.CanVeto})
		}
	}
	result.Lists = r.look.versions()
	if s.silent != nil && in.Pack == "" {
		r.notRun(&result) // after the lists: what does not run looks at none
	}
	clear(r.memories)
	*r = runner{probe: r.probe, memories: r.memories[:0], look: listReader{seen: r.look.seen[:0]}}
	r.probe.reset(nil)
	return result
}

// handle runs the rule's handler and fills in the outcome. Running out of wall
// time says something about the machine rather than the rule, whose budget is
// its steps: the handler runs once more.
func (r *runner) handle(rule *Rule, pack *Pack, o *Outcome) {
	r.spent = 0
	h, failure := r.try(rule, pack, o)
	if failure != nil && failure.Kind == luabind.TimedOut {
		h, failure = r.try(rule, pack, o)
	}
	o.Logs = h.requests.logs
	if failure != nil {
		o.Failure = failure
		return
	}
	o.Requests = h.requests.asked
	h.draft.keep(o)
	switch rests, later := rule.rests(&r.in, o.Role()); {
	case rests && later: // and it continues to rest
		o.Requests = slices.DeleteFunc(o.Requests, func(w Request) bool { return !w.KeepsUnread() })
	case rule.Cooldown > 0 && len(o.Requests) > 0:
		o.Rest = &chat.Cooldown{Rule: rule.restKey(o.Role()), Until: rule.judged(&r.in).Add(rule.Cooldown)}
	}
}

// try runs the handler once. What it asked for and wrote counts only if it did
// not fail.
func (r *runner) try(rule *Rule, pack *Pack, o *Outcome) (*handling, *luabind.Failure) {
	ev := r.in.Event
	h := &handling{}
	h.requests = requests{set: r.set, pack: pack, rule: rule, event: ev, chat: ev.ChatID(), role: o.Role()}
	h.draft = draft{memory: r.memory(o, pack), chat: ev.ChatID(), now: r.in.Now}
	h.call = luabind.Call{Event: ev, Now: r.in.Now, Seed: seed(ev, rule), Effects: &h.requests, Memory: &h.draft, Lists: &r.look}
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
		if vm = nil; failure.Kind == luabind.OutOfMemory {
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
		f = &luabind.Failure{Kind: luabind.LuaError, Diagnostic: diag.Diagnostic{Message: err.Error()}}
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
