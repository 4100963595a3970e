package spec

import (
	"fmt"
	"strings"

	"chertd/luabind"
	"chertd/rules"
	"chertd/rules/chat"
)

func checkRead(t *trial, u *luabind.HostCall) verdict {
	id, message := t.assertedChat(u, "is_read")
	v := t.readVerdict(id)
	v.message = message
	return v
}

func checkUnread(t *trial, u *luabind.HostCall) verdict {
	id, message := t.assertedChat(u, "is_unread")
	v := t.readVerdict(id)
	return verdict{holds: !v.holds, failure: v.opposed, hint: v.hintNot, opposed: v.failure, hintNot: v.hint, message: message}
}

func (t *trial) readVerdict(id string) verdict {
	v := verdict{
		holds:   t.world.Read(id),
		failure: fmt.Sprintf("expected chat %s to be read, it is unread", id),
		opposed: fmt.Sprintf("expected chat %s to be unread, it is read", id),
	}
	if v.holds {
		v.hintNot = t.whyRead(id)
	} else {
		v.hint = t.whyUnread(id)
	}
	return v
}

func checkHeld(t *trial, u *luabind.HostCall) verdict {
	id, message := t.assertedChat(u, "is_held")
	c, _ := t.world.Chat(id)
	v := verdict{
		holds:   c.Hold.Active(t.world.Now()),
		failure: fmt.Sprintf("expected chat %s to be held, it is not", id),
		opposed: fmt.Sprintf("expected chat %s not to be held, it is until %s", id, t.stamp(c.Hold.Until)),
		hintNot: fmt.Sprintf("by %s%s", c.Hold.By, because(c.Hold.Reason)),
		message: message,
	}
	if !c.Hold.Until.IsZero() {
		v.hint = fmt.Sprintf("the hold by %s ended at %s", c.Hold.By, t.stamp(c.Hold.Until))
	}
	return v
}

// checkPostponed is postponed([chat]): reads of the chat wait, whichever pack asks.
// It also holds where no rule of the pack asks for a read.
func checkPostponed(t *trial, u *luabind.HostCall) verdict {
	id, message := t.assertedChat(u, "is_postponed")
	c, _ := t.world.Chat(id)
	p, ok := c.Postponement(t.world.Now())
	return verdict{
		holds:   ok,
		failure: fmt.Sprintf("expected reads of chat %s to be postponed, they are not", id),
		hint:    t.lastPostponed(id),
		opposed: fmt.Sprintf("expected reads of chat %s not to be postponed, they are until %s", id, t.stamp(p.Until)),
		hintNot: fmt.Sprintf("by %s%s", p.By(), because(p.Reason)),
		message: message,
	}
}

// lastPostponed says until when the rules last postponed reads of a chat; "" if
// they never did.
func (t *trial) lastPostponed(id string) string {
	for i := len(t.world.log) - 1; i >= 0; i-- {
		for _, said := range t.world.log[i].Rules {
			for _, w := range said.Requests {
				if w.Kind == chat.RequestPostpone && w.Chat == id && !w.Shadow {
					return fmt.Sprintf("%q postponed them until %s", said.Rule, t.stamp(w.Due))
				}
			}
		}
	}
	return ""
}

// whyRead says which read the last call was made for.
func (t *trial) whyRead(id string) string {
	calls := t.world.Calls()
	for i := len(calls) - 1; i >= 0; i-- {
		c := &calls[i]
		if c.Call.Chat == id && c.Call.Kind == chat.Read && c.Fault == nil {
			a := &c.Call.Actions[0]
			return fmt.Sprintf("it was read at %s, asked by %q at %s%s", t.stamp(c.At), a.Rule, a.Place, because(a.Reason))
		}
	}
	return ""
}

// whyUnread looks for what keeps a chat unread: a read that waits, one that was
// dropped, a rule that failed or did not run.
func (t *trial) whyUnread(id string) string {
	c, _ := t.world.Chat(id)
	for i := range c.Waiting {
		a := &c.Waiting[i]
		if a.Kind != chat.Read {
			continue
		}
		due := a.Due
		if c.Retry.NotBefore.After(due) {
			due = c.Retry.NotBefore
		}
		if t.world.resume.After(due) {
			due = t.world.resume
		}
		p, postponed := c.Postponement(t.world.Now())
		if postponed = postponed && p.Until.After(due); postponed {
			due = p.Until
		}
		hint := fmt.Sprintf("the read asked by %q waits until %s", a.Rule, t.stamp(due))
		if postponed {
			hint = fmt.Sprintf("the read asked by %q is %s", a.Rule, t.postponed(&p))
		}
		if a.Attempts > 0 {
			hint = fmt.Sprintf("the call failed (%s) and is made again at %s", a.Error, t.stamp(due))
		}
		if left := due.Sub(t.world.Now()); left > 0 {
			hint += fmt.Sprintf(": advance(%q) gets there", left)
		}
		return hint
	}
	settled, failed := t.sinceNewest(id)
	switch {
	case settled != nil:
		return fmt.Sprintf("the read asked by %q at %s is %s: %s", settled.Rule, t.stamp(settled.Requested), settled.Status, explained(settled))
	case failed != "":
		return failed
	}
	return t.whyNotAsked(id)
}

// sinceNewest is the last read of the chat that was settled, without a call
// that succeeded, at its newest message or after it, and what failed there.
func (t *trial) sinceNewest(id string) (settled *chat.Action, failed string) {
	for i := range t.world.log {
		h := &t.world.log[i]
		if h.Event != nil && h.Event.ChatID() == id && h.Seq == t.world.newest(id) {
			settled = nil // what came of earlier messages is not what is asked
		}
		for n := range h.Actions {
			if a := &h.Actions[n]; a.Chat == id && a.Kind == chat.Read && a.Status != chat.Waiting && a.Status != chat.Done {
				settled = a
			}
		}
		if h.Event == nil || h.Event.ChatID() != id || h.Seq < t.world.newest(id) {
			continue
		}
		for _, said := range h.Rules {
			if said.Failure != nil {
				failed = fmt.Sprintf("the rule %q failed: %s", said.Rule, placed(said.Failure.Diagnostic))
			}
		}
	}
	return settled, failed
}

// whyNotAsked says why no rule asked for a read at the chat's newest message.
func (t *trial) whyNotAsked(id string) string {
	for i := len(t.world.log) - 1; i >= 0; i-- {
		h := &t.world.log[i]
		if h.Event == nil || h.Event.ChatID() != id || h.Seq != t.world.newest(id) {
			continue
		}
		var whys []string
		for _, said := range h.Rules {
			if said.Skipped != "" {
				whys = append(whys, fmt.Sprintf("%q did not run: %s", said.Rule, said.Skipped))
			}
		}
		for _, x := range t.set.Explain(rules.Input{Event: h.Event, Seq: h.Seq, Now: h.At}) {
			if len(x.Refused) > 0 {
				whys = append(whys, fmt.Sprintf("%q did not run: %s", x.Rule, strings.Join(x.Refused, ", ")))
			}
		}
		if len(whys) > 3 {
			whys = append(whys[:3], fmt.Sprintf("%d more", len(whys)-3))
		}
		switch {
		case len(whys) > 0:
			return "no rule asked for a read: " + strings.Join(whys, "; ")
		case len(h.Rules) == 0:
			return fmt.Sprintf("no rule subscribes to %s", h.Event.Type)
		}
		return "the rules ran, and none asked for a read"
	}
	return "no inbound message came in this chat"
}

// explained is an action's Why in more words than records have.
func explained(a *chat.Action) string {
	switch a.Why {
	case chat.WhyVetoed:
		return "vetoed, a rule asked to keep the chat unread"
	case chat.WhyHeld:
		return "held, it came due while the chat was held"
	case chat.WhySuperseded:
		return "superseded, a newer message came and no rule asked a read for it"
	case chat.WhyAlreadyRead:
		return "already_read, no message came since the last read"
	case chat.WhyLimit:
		return "limit_reached, the pack has made all the read calls that its limits.reads allows"
	case chat.WhyReplaced:
		return "replaced, the same rule asked again"
	case chat.WhyCancelled:
		return "cancelled by cancel_read"
	case chat.WhyBlocked:
		return "blocked, a rule that could have vetoed it failed"
	case chat.WhyRefused, chat.WhyExhausted:
		return a.Error
	case chat.WhyDepth:
		return "too deep, events caused by events"
	}
	return a.Why
}

// madeHint lists the calls that were made.
func madeHint(calls []CallMade) string {
	if len(calls) == 0 {
		return "no calls were made"
	}
	var list []string
	for i := range calls[:min(len(calls), 5)] {
		list = append(list, calls[i].Words())
	}
	if len(calls) > 5 {
		list = append(list, fmt.Sprintf("%d more", len(calls)-5))
	}
	return "the calls were: " + strings.Join(list, ", ")
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}
