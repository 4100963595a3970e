// Package turn computes what an input changes, the same way for all callers.
//
// A turn runs an entry of the journal on a rule set, a chat and the memory of packs: it
// makes the input of the rules, runs them, records the decision, forwards
// requests for other chats, moves the chat and lists what the caller has to store. An input
// other than an event (a time that is due, the result of a call, an operator's
// command) moves the chat alone. The engine, specs and eval all call the turn, so that
// the same events have the same results in all of them.
//
// The package keeps no state, does no I/O except through the interfaces that it gets,
// reads no clock and starts no goroutine.
package turn

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
)

// Turn has all that an input runs on. It is a value for one input; what it points to
// belongs to the caller, and serves one goroutine.
type Turn struct {
	Set    *rules.Set // nil: no rule runs
	Shard  int        // whose VMs run
	Now    time.Time
	Again  bool         // the entry ran before, and its result could not be stored
	Chat   *chat.Chat   // nil: the input belongs to no chat
	Memory *Memory      // gets what handlers write
	Lists  *rules.Lists // nil: all lists are empty
	// Suspensions are the rules that are suspended. The turn only reads it; nil: nothing is
	// ever suspended.
	Suspensions *rules.Suspensions
	Blocks      Blocks
	// Holds are those of selections that may have the chat.
	Holds []chat.SelectionHold
}

// Blocks looks up what blocks reads of a chat. The turn calls it only where needed.
type Blocks interface {
	// Blockade returns what blocks reads of a chat, or of an event without one, by
	// its shard key. The caller may change what it points to.
	Blockade(ctx context.Context, key string) (*Blockade, error)
}

// Done is the result of an input: what the caller has to store, and what it has to
// carry out or show.
type Done struct {
	Transition
	// Outcomes are those of the rules, in the order of Decision.Rules; of an event
	// that runs again, those of this run alone. The caller notes those of Handle in its
	// Suspensions before the next event; for those of a Rerun see Ran.
	Outcomes []rules.Outcome
	// Blocked is set when a pack that can veto missed the event: the event's reads
	// are blocked.
	Blocked bool
	Call    *chat.Call     // to be sent once the transition is durable
	Refused []chat.Refusal // requests that the chat did not carry out; the decision has them in words
}

// NoRule is the Decision.Note of an event that passed no rule's where.
const NoRule = "no rule wants it"

// Handle runs an entry of the journal: its event through the rules, or a request
// that it carries from another chat. If it fails, Done has the Outcomes alone, for
// the caller's Suspensions: the rules that ran have used steps, and may have failed.
func (t *Turn) Handle(ctx context.Context, e *Entry) (Done, error) {
	d := Done{Transition: Transition{Decision: &Decision{Seq: e.Seq, Prev: t.prev(e), At: t.Now}}}
	in := chat.OutcomesOf(e.Seq, &e.Event)
	isTimer := e.Event.Timer() != ""
	switch {
	case e.Forward != nil && e.Forward.Known != "":
		if err := t.known(ctx, e, &d); err != nil {
			return Done{}, err
		}
	case e.Forward != nil:
		t.carried(e, &in, &d)
	case isTimer && (t.Chat == nil || !t.Chat.HasTimer(timerOf(e))):
		d.Decision.Note = "the timer was replaced or cancelled"
	default:
		if isTimer {
			timer := timerOf(e)
			in.Timer = &timer
		}
		if err := t.run(ctx, e, &in, &d); err != nil {
			return Done{Outcomes: d.Outcomes}, err
		}
		if t.Set != nil && t.Set.Tries() {
			d.Compared = t.compare(e.Event.ChatID(), d.Outcomes)
		}
	}
	if err := t.decided(ctx, in, &d); err != nil {
		return Done{Outcomes: d.Outcomes}, err
	}
	if t.Set != nil && t.Set.Tries() {
		d.Compared = append(d.Compared, t.compareWithChat(e.Event.ChatID(), d.Outcomes, d.Chat)...)
	}
	return d, nil
}

// prev returns the entry of the chat that was handled before this one; 0: none.
func (t *Turn) prev(e *Entry) int64 {
	if t.Chat == nil || t.Chat.Newest >= e.Seq {
		return 0
	}
	return t.Chat.Newest
}

// decided moves the chat by the outcomes of an event.
func (t *Turn) decided(ctx context.Context, in chat.Outcomes, d *Done) error {
	if t.Chat == nil {
		return nil
	}
	effects, err := t.move(ctx, in, d)
	if err != nil {
		return err
	}
	d.Decision.Actions = effects.NextN
	d.Decision.refused(t.Chat.ID, effects.Refused, t.Now)
	return nil
}

// Move moves the chat by an input other than an event.
func (t *Turn) Move(ctx context.Context, in chat.Input) (Done, error) {
	var d Done
	_, err := t.move(ctx, in, &d)
	return d, err
}

// move moves the chat, and adds the results to d.
func (t *Turn) move(ctx context.Context, in chat.Input, d *Done) (chat.Effects, error) {
	if t.Chat.NeedsBlocked(in) {
		b, err := t.Blocks.Blockade(ctx, t.Chat.ID)
		if err != nil {
			return chat.Effects{}, err
		}
		in = chat.WithBlocked(in, b.Reads)
	}
	next, effects := chat.Step(*t.Chat, in, t.Now, t.Holds...)
	t.moved(&next, &effects, d)
	return effects, nil
}

// moved adds to d how the chat has moved, and the events that follow.
func (t *Turn) moved(next *chat.Chat, effects *chat.Effects, d *Done) {
	d.Chat, d.Actions, d.Attempts, d.Timers = next, effects.Actions, effects.Attempts, effects.Timers
	d.Call, d.Refused = effects.Call, effects.Refused
	for i := range effects.Fired {
		d.Append = append(d.Append, TimerFired(next.ID, &effects.Fired[i], t.Now))
	}
	d.Append = append(d.Append, answers(t.Set, effects.Actions, t.Now)...)
}

// carried turns a request that an entry carries here into the chat's input.
func (t *Turn) carried(e *Entry, in *chat.Outcomes, d *Done) {
	f := e.Forward
	for _, pack := range f.MissedBy {
		d.Missed = append(d.Missed, Missed{
			Pack: pack, Seq: e.Seq, Key: e.ShardKey(), At: t.Now, Why: MissedElsewhere, CanVeto: true, Cause: e.Cause,
		})
	}
	in.Depth, in.Block, in.Requests = f.Depth, f.Block, []chat.Request{f.Request}
	switch {
	case f.Request.Pack == "":
		d.Decision.Note = operatedNote(&e.Event)
	case t.withdrawn(&f.Request):
		in.Requests = nil
		d.Decision.Note = fmt.Sprintf("drops a request of event %d: pack %q, or that version or rule of it, is no longer live", e.Cause, f.Request.Pack)
	default:
		d.Decision.Note = fmt.Sprintf("carries a request of event %d here", e.Cause)
	}
	d.Blocked = in.Block
}

// withdrawn reports whether a request that was made for another chat must not be carried
// out any more: an action, once its version or rule is withdrawn; a postponement, only once
// its pack or rule is.
func (t *Turn) withdrawn(w *chat.Request) bool {
	switch {
	case t.Set == nil:
		return false
	case w.Shadow:
		return false // it is only recorded
	case w.IsAction() && t.Set.RuleWithdrawn(w.Pack, w.Rule), w.Kind == chat.RequestPostpone && t.Set.RuleWithdrawn(w.Pack, w.Rule):
		return true
	case w.IsAction() && t.Set.Withdrawn(w.Pack, w.Version, t.Chat.ID),
		w.Kind == chat.RequestPostpone && t.Set.Withdrawn(w.Pack, "", t.Chat.ID):
		return true
	}
	return w.Kind == chat.RequestRead && !t.Set.HasRule(w.Pack, w.Rule)
}

// run runs the rules on an event, and turns their outcomes into the chat's input and the
// decision.
func (t *Turn) run(ctx context.Context, e *Entry, in *chat.Outcomes, d *Done) error {
	var result rules.Result
	if t.Set != nil {
		result = t.Set.Run(t.Shard, t.input(ctx, e))
		d.Outcomes = result.Outcomes
		if t.Memory.err != nil {
			return t.Memory.err
		}
	}
	in.Block, d.Blocked = result.Block, result.Block
	in.MayHold = slices.ContainsFunc(result.Missed, func(m rules.Missed) bool { return m.CanHold })
	if len(result.Outcomes) == 0 {
		d.Decision.Note = NoRule
	}
	chats := t.collect(e, &result, vetoers(result.Missed), in, d)
	for i := range result.Missed {
		m := &result.Missed[i]
		row := Missed{
			Pack: m.Pack, Seq: e.Seq, Key: e.ShardKey(), At: t.Now, Version: m.Version, Why: m.Why, CanVeto: m.CanVeto, CanHold: m.CanHold,
		}
		if m.CanVeto {
			row.Chats = chats
		}
		d.Missed = append(d.Missed, row)
	}
	d.Decision.settle()
	return nil
}

// input returns the input of the rules.
func (t *Turn) input(ctx context.Context, e *Entry) rules.Input {
	return rules.Input{
		Event: t.Chat.Complete(&e.Event), Seq: e.Seq, Now: t.Now, Chat: t.Chat, Memory: t.Memory.At(ctx, t.Now), Lists: t.Lists, Suspensions: t.Suspensions, Again: t.Again,
	}
}

// collect turns the outcomes of the rules into the chat's input, the decision and the
// transition. It returns the other chats that requests went to, if there are packs in
// missedBy, which might have vetoed them.
func (t *Turn) collect(e *Entry, result *rules.Result, missedBy []string, in *chat.Outcomes, d *Done) (chats []string) {
	own, again := e.Event.ChatID(), !in.First.IsZero()
	d.Decision.looked(result.Lists)
	keySends(&e.Event, result.Outcomes)
	for i := range result.Outcomes {
		o := &result.Outcomes[i]
		r := ruleDecisionOf(o, own, t.Now)
		if again {
			r.Rerun = t.Now
		}
		d.Decision.Rules = append(d.Decision.Rules, r)
		if o.Saw() {
			in.RanPacks = append(in.RanPacks, o.Pack)
		}
		if own != "" {
			for n := range o.Requests {
				if w := &o.Requests[n]; w.Chat == own {
					in.Requests = append(in.Requests, w.Request)
				}
			}
		}
		if o.Rest != nil {
			in.Cooldowns = append(in.Cooldowns, *o.Rest)
		}
		t.Memory.keep(o, own, t.Now, &d.Transition)
	}
	for _, f := range result.Forwarded(own) {
		d.Append = append(d.Append, forwarded(e, &f, missedBy, again, t.Now))
		if len(missedBy) > 0 && !slices.Contains(chats, f.Request.Chat) {
			chats = append(chats, f.Request.Chat)
		}
	}
	return chats
}

// vetoers lists the packs that might have vetoed the reads of an event.
func vetoers(missed []rules.Missed) (packs []string) {
	for i := range missed {
		if missed[i].CanVeto {
			packs = append(packs, missed[i].Pack)
		}
	}
	return packs
}
