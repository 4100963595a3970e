package spec

import (
	"fmt"
	"strings"

	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
)

// whyRead returns which read the last call was made for.
func (t *trial) whyRead(id string) string {
	calls := t.world.Calls()
	for i := len(calls) - 1; i >= 0; i-- {
		c := &calls[i]
		if c.Call.Chat == id && c.Call.Kind == chat.Read && c.Fault == nil {
			a := &c.Call.Actions[0]
			return fmt.Sprintf("it was read at %s, requested by %q at %s%s", t.stamp(c.At), a.Rule, a.Place, because(a.Reason))
		}
	}
	return ""
}

// whyUnread returns what keeps a chat unread: a read that waits, one that was dropped,
// or a rule that failed or did not run.
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
		hint := fmt.Sprintf("the read requested by %q waits until %s", a.Rule, t.stamp(due))
		if postponed {
			hint = fmt.Sprintf("the read requested by %q is %s", a.Rule, t.postponed(&p))
		}
		if a.Attempts > 0 {
			hint = fmt.Sprintf("the call failed (%s) and is made again at %s", a.Error, t.stamp(due))
		}
		if left := due.Sub(t.world.Now()); left > 0 {
			hint += fmt.Sprintf(": advance(%q) gets there", diag.Duration(left))
		}
		return hint
	}
	ended, failed := t.sinceNewest(id)
	switch {
	case ended != nil:
		return fmt.Sprintf("the read requested by %q at %s is %s: %s", ended.Rule, t.stamp(ended.Requested), ended.Status, explained(ended))
	case failed != "":
		return failed
	}
	return t.whyNotRequested(id)
}

// sinceNewest returns the last read of the chat that ended without a successful call,
// at its newest message or after it, and what failed there.
func (t *trial) sinceNewest(id string) (ended *chat.Action, failed string) {
	for i := range t.world.log {
		h := &t.world.log[i]
		if h.Event != nil && h.Event.ChatID() == id && h.Seq == t.world.newest(id) {
			ended = nil // the results of earlier messages do not matter
		}
		for n := range h.Actions {
			if a := &h.Actions[n]; a.Chat == id && a.Kind == chat.Read && a.Status != chat.Waiting && a.Status != chat.Done {
				ended = a
			}
		}
		if h.Event == nil || h.Event.ChatID() != id || h.Seq < t.world.newest(id) {
			continue
		}
		for _, rule := range h.Rules {
			if rule.Failure != nil {
				failed = fmt.Sprintf("the rule %q failed: %s", rule.Rule, placed(rule.Failure.Diagnostic))
			}
		}
	}
	return ended, failed
}

// whyNotRequested returns why no rule requested a read at the chat's newest message.
func (t *trial) whyNotRequested(id string) string {
	for i := len(t.world.log) - 1; i >= 0; i-- {
		h := &t.world.log[i]
		if h.Event == nil || h.Event.ChatID() != id || h.Seq != t.world.newest(id) {
			continue
		}
		var whys []string
		for _, rule := range h.Rules {
			if rule.Skipped != "" {
				whys = append(whys, fmt.Sprintf("%q did not run: %s", rule.Rule, rule.Skipped))
			}
		}
		for _, x := range t.set.Explain(rules.Input{Event: h.Event, Seq: h.Seq, Now: h.At, Lists: t.world.Lists()}) {
			if len(x.Refused) > 0 {
				whys = append(whys, fmt.Sprintf("%q did not run: %s", x.Rule, strings.Join(x.Refused, ", ")))
			}
		}
		if len(whys) > 3 {
			whys = append(whys[:3], fmt.Sprintf("%d more", len(whys)-3))
		}
		switch {
		case len(whys) > 0:
			return "no rule requested a read: " + strings.Join(whys, "; ")
		case len(h.Rules) == 0:
			return fmt.Sprintf("no rule subscribes to %s", h.Event.Type)
		}
		return "the rules ran, and none requested a read"
	}
	return "no inbound message came in this chat"
}

// explained returns an action's Why in more words than records have.
func explained(a *chat.Action) string {
	switch a.Why {
	case chat.WhyVetoed:
		return "vetoed, a rule requested keep_unread"
	case chat.WhyHeld:
		return "held, it came due while the chat was held"
	case chat.WhySuperseded:
		return "superseded, a newer message came and no rule requested a read for it"
	case chat.WhyAlreadyRead:
		return "already_read, no message came since the last read"
	case chat.WhyLimit:
		return "limit_reached, the pack has made all the read calls that its limits.reads allows"
	case chat.WhyReplaced:
		return "replaced, the same rule requested it again"
	case chat.WhyCancelled:
		return "cancelled by cancel_read"
	case chat.WhyNotAnswered:
		return `not_answered, only_if is "answered" and the newest message is inbound: operator.reply(chat, text) answers it`
	case chat.WhyAnswered:
		return `answered, only_if is "unanswered" and the newest message is outbound`
	case chat.WhyAnswerUnknown:
		return "answer_unknown, " + a.Error
	case chat.WhyBlocked:
		return "blocked, a rule that could have vetoed it failed"
	case chat.WhyRefused, chat.WhyExhausted:
		return a.Error
	case chat.WhyDepth:
		return "too deep, events caused by events"
	}
	return a.Why
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}
