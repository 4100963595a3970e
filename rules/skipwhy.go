package rules

import (
	"fmt"
	"strconv"
	"time"

	"chertd/engine/event"
	"chertd/luabind/diag"
)

// Skip is why a rule whose where holds did not run on an event.
type Skip struct {
	// Why has the value that decided, for people; "": it is not known.
	Why string
	// Cooldown is the rule's, and CooldownKey its key in chat.Chat.Cooldown.
	Cooldown    time.Duration
	CooldownKey string
}

// SkipOf returns why a rule of the pack did not run on an event. skipped is the recorded
// Outcome.Skipped, and role that of the rule. ok is false if the pack has no
// such rule. It runs no Lua and changes nothing.
func (p *Pack) SkipOf(rule string, in Input, skipped string, role Role) (s Skip, ok bool) {
	r := p.rule(rule)
	if r == nil {
		return Skip{}, false
	}
	return Skip{r.skippedWhy(&in, skipped, role), r.Cooldown, r.restKey(role)}, true
}

// skippedWhy returns, for people, the value by which skip decided; "": it is not known.
func (r *Rule) skippedWhy(in *Input, skipped string, role Role) string {
	at := r.judged(in)
	switch skipped {
	case SkippedHours:
		there := fmt.Sprintf("it was %s in %s", at.In(r.zone).Format("Mon 15:04"), r.zone)
		switch {
		case r.during != nil && !r.during.Contains(at):
			return fmt.Sprintf("outside %s: %s", r.during, there)
		case r.outside != nil && r.outside.ContainsExcept(at, r.notOn):
			return fmt.Sprintf("within %s, and it runs outside: %s", r.outside, there)
		}
	case SkippedDay:
		if !r.notOn.Empty() {
			return fmt.Sprintf("it was %s in %s, and not_on has that day, or the one on which these hours began", at.In(r.zone).Format("Mon 2006-01-02 15:04"), r.zone)
		}
	case SkippedAge:
		if age, known := in.Event.Age(at); known && r.MaxAge > 0 {
			return fmt.Sprintf("%s old, at most %s", diag.Duration(age.Round(time.Second)), diag.Duration(r.MaxAge))
		}
	case SkippedNoAge:
		return fmt.Sprintf("at most %s, and a rule that may request more than a veto needs to know", diag.Duration(r.MaxAge))
	case SkippedSample:
		if r.Sample > 0 {
			return fmt.Sprintf("%s has %.4f, and the sample is all below %s", sampledBy(in.Event), r.sampleOf(in.Event), strconv.FormatFloat(r.Sample, 'g', -1, 64))
		}
	case SkippedCooldown:
		if in.Chat == nil {
			return ""
		}
		if end := in.Chat.Cooldown[r.restKey(role)]; !end.IsZero() {
			return "until " + end.UTC().Format(stampForm)
		}
	}
	return ""
}

// stampForm is the form of a time in a sentence.
const stampForm = "2006-01-02 15:04:05Z"

// sampledBy names what decides whether an event is in a sample.
func sampledBy(ev *event.Event) string {
	if ev.ChatID() == "" {
		return "the event"
	}
	return "the chat"
}
