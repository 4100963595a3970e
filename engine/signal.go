package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/source"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/turn"
)

// signalCounts counts signals since the start.
type signalCounts struct{ accepted, duplicates, unavailable atomic.Int64 }

// nearSignals is how many near names of signals an answer has, at most.
const nearSignals = 3

// Signal implements control.Daemon. A signal takes the way of a delivery: see Engine.Deliver.
func (m *manager) Signal(ctx context.Context, in control.SignalRequest) (control.Signaled, error) {
	now := m.eng.c.Now()
	out := control.Signaled{Name: in.Name, Chat: in.Chat, ID: in.ID}
	if out.ID == "" {
		out.ID = rand.Text()
	}
	ev, err := event.NewSignal(event.SignalSpec{Name: out.Name, Chat: out.Chat, ID: out.ID, At: now.Truncate(time.Millisecond), Data: in.Data})
	if malformed := (*event.MalformedError)(nil); errors.As(err, &malformed) {
		return out, &control.UserError{Message: malformed.Error(), Hint: signalHints[malformed.Field]}
	}
	if err != nil {
		return out, err
	}
	if err := notNotice(in.Chat); err != nil {
		return out, err
	}
	if err := m.checkChat(ctx, in.Chat, in.Force, "; --force sends a signal before its first event (API: \"force\": true)"); err != nil {
		return out, err
	}
	receipts, err := m.eng.Deliver(ctx, []turn.Arrival{{Event: ev, Received: now}})
	if err != nil {
		m.signals.unavailable.Add(1)
		again := "send it again in a minute"
		if in.ID != "" {
			again += ", with the same id"
		}
		return out, notTakenIn("the signal was not accepted", again, err)
	}
	out.Event, out.Duplicate = ev.ID, receipts[0].Duplicate
	if out.Duplicate {
		m.signals.duplicates.Add(1)
		if err := m.anotherSignal(ctx, &ev, out.ID); err != nil {
			return out, err
		}
	} else {
		m.signals.accepted.Add(1)
	}
	if set := m.eng.Rules(); set != nil {
		if out.Rules, out.Shadow = set.Subscribers(ev.Type, in.Chat); out.Rules+out.Shadow == 0 {
			out.Near = near(in.Name, signalNames(set))
		}
	}
	m.log.Debug("signal received", "name", in.Name, keyChat, in.Chat, "id", out.ID, "duplicate", out.Duplicate, "rules", out.Rules)
	return out, nil
}

// anotherSignal returns the error of a signal whose id an earlier one of another name or chat has:
// it is not that one sent again, and was not accepted. A signal of which the store does not have
// the event any more, or not yet, counts as the same.
func (m *manager) anotherSignal(ctx context.Context, ev *event.Event, id string) error {
	r, ok, err := m.store.Event(ctx, ev.ID)
	if err != nil || !ok || r.Event.Type == ev.Type && r.Event.ChatID() == ev.ChatID() {
		return err
	}
	name, _ := strings.CutPrefix(r.Event.Type, event.SignalPrefix)
	return &control.UserError{
		Status: http.StatusConflict, Message: fmt.Sprintf("the signal was not accepted: signal %q of chat %q has the id %q already", name, r.Event.ChatID(), id),
		Hint: "give each occurrence an id of its own, for example with the name of the signal in it",
	}
}

// signalHints are the fixes of malformed fields.
var signalHints = map[string]string{
	"name": `for example human_replied, to which rules subscribe as "signal:human_replied"`,
	"chat": "it is data.chat.id of its events, and chat in the log",
	"id":   "it identifies what has happened, such as the id of the reply in your helpdesk; without one, chertd makes one",
	"data": "send what rules need of it: a small JSON value",
}

// notTakenIn returns the answer to a command whose entry is not on disk, or may not be. not says what
// was not done, and again what to do.
func notTakenIn(not, again string, err error) error {
	unavailable := func(message, hint string) error {
		return &control.UserError{Status: http.StatusServiceUnavailable, Message: message, Hint: hint}
	}
	switch {
	case errors.Is(err, source.ErrDraining):
		return unavailable(not+": chertd is stopping", again)
	case errors.Is(err, source.ErrFull):
		return unavailable(not+": "+source.ErrFull.Error(), again+"; chertd status shows what slows it down")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return unavailable("it is unknown whether this was done: the store took too long", again)
	}
	return control.StoreFails(not, err)
}

// signalCount returns the counts of signals.
func (m *manager) signalCount() control.Signals {
	return control.Signals{Accepted: m.signals.accepted.Load(), Duplicates: m.signals.duplicates.Load(), Unavailable: m.signals.unavailable.Load()}
}

// signalNames returns the names of the signals to which rules of a set subscribe.
func signalNames(set *rules.Set) (names []string) {
	for _, p := range set.Packs() {
		for _, r := range p.Rules {
			for _, t := range r.Types {
				if name, ok := strings.CutPrefix(t, event.SignalPrefix); ok {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// near returns the known names nearest to a name, the nearest first.
func near(name string, known []string) (all []string) {
	known = slices.DeleteFunc(slices.Clone(known), func(k string) bool { return k == name })
	for len(all) < nearSignals {
		best := diag.Suggest(name, known)
		if best == "" {
			break
		}
		all = append(all, best)
		known = slices.DeleteFunc(known, func(k string) bool { return k == best })
	}
	return all
}
