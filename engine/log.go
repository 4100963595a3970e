package engine

import (
	"context"
	"log/slog"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Keys of log records. They are the same everywhere, so that people can search by them.
const (
	keyChat    = "chat"
	keyEvent   = "event"
	keySeq     = "seq"
	keyType    = "type"
	keyPack    = "pack"
	keyRule    = "rule"
	keyVersion = "version"
	keyPlace   = "place"
	keyAction  = "action"
	keyStatus  = "status"
	keyWhy     = "why"
	keyReason  = "reason"
	keyTrace   = "trace_id"
	keyError   = "err"
)

// logHandled logs what rules logged, which of them failed, and which actions ended. It
// is called once per event, when the outcome is durable.
func (e *Engine) logHandled(entry *turn.Entry, d *turn.Decision, actions []chat.Action) {
	ctx := context.Background()
	for i := range d.Rules {
		r := &d.Rules[i]
		if len(r.Logs)+len(r.Refused) == 0 && r.Error == "" {
			continue
		}
		log := e.c.Log.With(keyPack, r.Pack, keyRule, r.Rule, keyEvent, entry.Event.ID, keyChat, entry.Event.ChatID())
		for _, l := range r.Logs {
			args := make([]any, 0, 2*len(l.Fields))
			for k, v := range l.Fields {
				if text, ok := v.(string); ok {
					v = ruleText(text)
				}
				args = append(args, k, v)
			}
			log.Log(ctx, levelOf(l.Level), l.Msg, args...)
		}
		for _, refused := range r.Refused {
			log.Warn("action refused", "action", refused)
		}
		// A pack without a live version fails at every event. The manager logs that once.
		if r.Error != "" && r.Rule != "" {
			log.Error("rule failed; its actions for this event were discarded", keyVersion, short(r.Version), keyPlace, r.Place, keyError, r.Error)
		}
	}
	if e.c.Log.Enabled(ctx, slog.LevelDebug) {
		e.c.Log.Debug("event handled", keySeq, entry.Seq, keyEvent, entry.Event.ID, keyType, entry.Event.Type,
			keyChat, entry.Event.ChatID(), "rules", len(d.Rules), "note", d.Note)
	}
	for i := range actions {
		if a := &actions[i]; !a.Ended.IsZero() {
			e.logEnded(a)
		}
	}
}

// ruleText is a string that a rule logs. A log handler that prints errors of chertd on
// several lines prints this on one, whatever its key.
type ruleText string

// logCaughtUp logs the results of the events that a pack had missed.
func (e *Engine) logCaughtUp(pack string, done planned, n tally, left int64) {
	args := []any{keyPack, pack}
	what := "missed events of a pack dropped: the pack is off, in shadow or removed"
	if !done.out {
		what = "missed events of a pack rerun"
		args = append(args, keyVersion, short(done.version), "events", n.ran, "failed", n.failed)
	} else {
		args = append(args, "events", n.skipped)
	}
	args = append(args, "reads_released", n.released, "reads_vetoed", n.vetoed, "reads_dropped", n.dropped, "still_missed", left)
	e.c.Log.Info(what, args...)
}

// stepsHint is a command that shows which rule takes too many steps.
const stepsHint = "chertd eval EVENT.json --format json shows how many steps each rule takes"

// logSuspensions logs what is suspended after a rule ran on an event of a chat.
func (e *Engine) logSuspensions(o *rules.Outcome, chatID string) {
	if !o.Suspended.IsZero() {
		e.logSuspended(o, chatID)
	}
	if o.Overdrawn != nil {
		e.logOverdrawn(o)
	}
}

// logOverdrawn logs what is suspended because a pack took more than its share.
func (e *Engine) logOverdrawn(o *rules.Outcome) {
	over := o.Overdrawn
	args := []any{keyPack, o.Pack, keyVersion, short(o.Version), "until", over.Until.UTC().Format(time.RFC3339)}
	what, where := "pack suspended", " for all chats"
	if over.Rule != "" {
		what = "rule suspended"
		args = append(args, keyRule, over.Rule, keyPlace, over.Place)
	}
	switch over.Scope {
	case rules.OneChat:
		where = " for one chat"
		args = append(args, keyChat, over.Chat)
	case rules.NoChat:
		where = " for events without a chat"
	}
	args = append(args, "share", rules.ShareWords(), "hint", stepsHint)
	e.c.Log.Error(what+where+": "+rules.WhyShare+"; its events are recorded as failed, and those of the last hour run when the suspension ends", args...)
}

// logSuspended logs that a rule is suspended. id is the chat of the event.
func (e *Engine) logSuspended(o *rules.Outcome, id string) {
	args := []any{
		keyPack, o.Pack, keyRule, o.Rule, keyVersion, short(o.Version), keyPlace, o.Place, "until", o.Suspended.UTC().Format(time.RFC3339),
	}
	where := "for one chat: it failed there repeatedly"
	switch {
	case o.AllChats:
		where = "for all chats: it failed in many, one after another"
	case id == "":
		where = "for events without a chat: it failed on them repeatedly"
	default:
		args = append(args, keyChat, id)
	}
	e.c.Log.Error("rule suspended "+where+"; its events are recorded as failed, and those of the last hour run once it works", args...)
}

// logEnded logs how an action ended.
func (e *Engine) logEnded(a *chat.Action) {
	level := slog.LevelInfo
	if a.Status == chat.Dead || a.Status == chat.Blocked {
		level = slog.LevelError
	}
	if !e.c.Log.Enabled(context.Background(), level) {
		return
	}
	args := []any{
		keyChat, a.Chat, keyAction, a.ID.String(), "kind", a.Kind, keyStatus, a.Status, keyWhy, a.Why,
		keyPack, a.Pack, keyRule, a.Rule, keyVersion, short(a.Version), keyPlace, a.Place,
	}
	if a.Reason != "" {
		args = append(args, keyReason, a.Reason)
	}
	if a.TraceID != "" {
		args = append(args, keyTrace, a.TraceID, "attempts", a.Attempts)
	}
	if a.Error != "" {
		args = append(args, keyError, a.Error)
	}
	e.c.Log.Log(context.Background(), level, "action finished", args...)
}

// short returns a version as people see it; see rules.Pack.ShortVersion.
func short(version string) string { return version[:min(len(version), 8)] }

func levelOf(name string) slog.Level {
	switch name {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}
