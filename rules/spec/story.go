package spec

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// storyMost is how many log entries a failure shows, the newest.
const storyMost = 40

// story returns what happened, in lines: the events with their times, what each rule
// requested and logged, the calls, and what still waits.
func (t *trial) story() []string {
	var lines []string
	log := t.world.log
	if skipped := len(log) - storyMost; skipped > 0 {
		lines = append(lines, fmt.Sprintf("… %d earlier events and calls are left out", skipped))
		log = log[skipped:]
	}
	for i := range log {
		lines = append(lines, t.lines(&log[i])...)
	}
	lines = append(lines, fmt.Sprintf("%s  now", t.stamp(t.world.Now())))
	return append(lines, t.waiting()...)
}

// lines returns the lines of one log entry.
func (t *trial) lines(h *Happening) []string {
	var lines []string
	switch {
	case h.Call != nil:
		lines = append(lines, fmt.Sprintf("%s  %s", t.stamp(h.At), h.Call.Words()))
	case h.Event != nil:
		lines = append(lines, fmt.Sprintf("%s  %s", t.stamp(h.At), eventLine(h.Event)))
	case h.Chat == "":
		lines = append(lines, fmt.Sprintf("%s  %s", t.stamp(h.At), h.Note))
	default:
		lines = append(lines, fmt.Sprintf("%s  %s for chat %s", t.stamp(h.At), h.Note, h.Chat))
	}
	add := func(format string, args ...any) { lines = append(lines, "            "+fmt.Sprintf(format, args...)) }
	switch {
	case h.Event == nil || h.Note == "":
	case h.Note == turn.NoRule:
		t.refusalLines(h, add)
	default:
		add("%s", h.Note)
	}
	for i := range h.Rules {
		t.ruleLines(&h.Rules[i], add)
	}
	if h.Blocked {
		add("reads are blocked: a rule that could have vetoed failed")
	}
	for i := range h.Rules {
		for _, refused := range h.Rules[i].Decision.Refused {
			add("refused: %s", refused)
		}
	}
	for i := range h.Actions {
		if a := &h.Actions[i]; a.Status != chat.Waiting {
			add("%s", t.actionLine(a))
		}
	}
	return lines
}

func (t *trial) ruleLines(rule *Said, add func(string, ...any)) {
	switch {
	case rule.Skipped != "":
		add("%q did not run: %s", rule.Rule, rule.Skipped)
	case rule.Failure != nil:
		add("%q failed, nothing it requested was kept: %s", rule.Rule, placed(rule.Failure.Diagnostic))
	case len(rule.Decision.Asked) == 0:
		add("%q ran and requested nothing", rule.Rule)
	default:
		add("%q requested: %s", rule.Rule, strings.Join(rule.Decision.Asked, "; "))
	}
	for _, l := range rule.Logs {
		line := fmt.Sprintf("%q logged %s: %s", rule.Rule, l.Level, l.Msg)
		if len(l.Fields) > 0 {
			if b, err := json.Marshal(l.Fields); err == nil {
				line += " " + string(b)
			}
		}
		add("%s", line)
	}
}

// refusalLines adds why no rule ran on an event.
func (t *trial) refusalLines(h *Happening, add func(string, ...any)) {
	found := false
	for _, x := range t.set.Explain(rules.Input{Event: h.Event, Seq: h.Seq, Now: h.At, Lists: t.world.Lists()}) {
		if len(x.Refused) > 0 {
			add("%q did not run: %s", x.Rule, strings.Join(x.Refused, ", "))
			found = true
		}
	}
	if !found {
		add("no rule subscribes to it")
	}
}

// waiting returns what would still happen, in lines.
func (t *trial) waiting() []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, "            "+fmt.Sprintf(format, args...)) }
	for _, id := range t.world.Chats() {
		c, _ := t.world.Chat(id)
		for i := range c.Waiting {
			a := &c.Waiting[i]
			line := fmt.Sprintf("waiting: %s of chat %s, requested by %q, due %s", a.Kind, id, a.Rule, t.stamp(a.Due))
			if a.Attempts > 0 {
				line += fmt.Sprintf("; %s failed (%s)", plural(a.Attempts, "call"), a.Error)
			}
			add("%s", line)
		}
		for _, timer := range c.Timers {
			add("waiting: timer %q of chat %s, due %s", timer.Name, id, t.stamp(timer.Due))
		}
		if c.Hold.Active(t.world.Now()) {
			add("chat %s is held until %s by %s%s", id, t.stamp(c.Hold.Until), c.Hold.By, because(c.Hold.Reason))
		}
		if p, ok := c.Postponement(t.world.Now()); ok {
			add("reads of chat %s are %s", id, t.postponed(&p))
		}
	}
	return lines
}

// postponed returns until when reads wait, and why.
func (t *trial) postponed(p *chat.Postponement) string {
	return fmt.Sprintf("postponed until %s by %s%s", t.stamp(p.Until), p.By(), because(p.Reason))
}

func (t *trial) actionLine(a *chat.Action) string {
	return fmt.Sprintf("%s requested by %q at %s: %s, %s", a.Kind, a.Rule, t.stamp(a.Requested), a.Status, explained(a))
}

// stamp formats a virtual time in the zone of the rules, with the day if it is not the
// first one, and with the zone unless that is UTC.
func (t *trial) stamp(at time.Time) string {
	zone := t.pack.Zone()
	at = at.In(zone)
	form := "15:04:05"
	if at.Nanosecond() != 0 {
		form += ".000"
	}
	if begun := t.start.In(zone); at.YearDay() != begun.YearDay() || at.Year() != begun.Year() {
		form = "Mon 2 Jan " + form
	}
	if zone.String() != time.UTC.String() {
		form += " MST"
	}
	return at.Format(form)
}

// eventLine formats an event on one line.
func eventLine(ev *event.Event) string {
	var b strings.Builder
	b.WriteString(ev.Type)
	if id := ev.ChatID(); id != "" {
		fmt.Fprintf(&b, " in chat %s", id)
	}
	if ev.Message != nil && ev.Message.Direction == "outbound" {
		b.WriteString(", outbound")
	}
	if ev.Chat != nil && ev.Chat.IsGroup == event.True {
		b.WriteString(", a group")
	}
	if ev.HasMedia() == event.True {
		b.WriteString(", with media")
	}
	if ev.Text != "" {
		text := ev.Text
		if len(text) > 80 {
			text = strings.ToValidUTF8(text[:80], "") + "…"
		}
		fmt.Fprintf(&b, ": %q", text)
	}
	if ev.Source == event.SourceEngine && len(ev.Payload) > 0 {
		fmt.Fprintf(&b, " %s", ev.Payload)
	}
	if len(ev.Data) > 0 {
		data := string(ev.Data)
		if len(data) > 80 {
			data = strings.ToValidUTF8(data[:80], "") + "…"
		}
		fmt.Fprintf(&b, " %s", data)
	}
	return b.String()
}

// Words returns a call on one line, and how it ended.
func (c *CallMade) Words() string {
	words := fmt.Sprintf("call %s chat %s", c.Call.Kind, c.Call.Chat)
	if target, ok := chat.NotifyTarget(c.Call.Chat); ok {
		words = fmt.Sprintf("call %s %s", c.Call.Kind, target)
	}
	if text := c.Text(); text != "" {
		words += fmt.Sprintf(" %q", text)
	}
	switch {
	case c.Pending:
		return words + ": in flight"
	case c.Fault == nil && c.Call.Kind == chat.Question:
		return fmt.Sprintf("%s: the newest message is %s", words, c.Newest)
	case c.Fault == nil:
		return words + ": done"
	case c.RetryIn > 0:
		return fmt.Sprintf("%s: failed, %s; again in %s", words, c.Fault.Words(), diag.Duration(c.RetryIn))
	}
	return fmt.Sprintf("%s: failed, not repeated, %s", words, c.Fault.Words())
}
