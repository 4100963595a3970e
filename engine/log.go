package engine

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/luabind/diag"
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
	keyLine    = "line"
	keyList    = "list"
	keyTrace   = "trace_id"
	keyError   = "err"
	keyTarget  = "target"
)

// logHandled logs what rules logged, which of them failed, and which actions ended. It
// is called once per event, when the outcome is durable.
func (e *Engine) logHandled(entry *turn.Entry, d *turn.Decision, actions []chat.Action) {
	for i := range d.Rules {
		r := &d.Rules[i]
		if len(r.Logs)+len(r.Refused) == 0 && r.Error == "" {
			continue
		}
		about := sync.OnceValue(func() context.Context { return e.aboutRule(entry, r) })
		log := e.c.Log.With(keyPack, r.Pack, keyRule, r.Rule, keyEvent, entry.Event.ID, keyChat, entry.Event.ChatID())
		for _, l := range r.Logs {
			level := levelOf(l.Level)
			if !log.Enabled(context.Background(), level) {
				continue // what a record may quote takes time to find
			}
			args := make([]any, 0, 2*len(l.Fields))
			for k, v := range l.Fields {
				if text, ok := v.(string); ok {
					v = ruleText(text)
				}
				args = append(args, k, v)
			}
			log.Log(about(), level, l.Msg, args...)
		}
		for _, refused := range r.Refused {
			log.WarnContext(about(), "action refused", "action", refused)
		}
		// A pack without a live version fails at every event. The manager logs that once.
		if r.Error != "" && r.Rule != "" {
			log.ErrorContext(about(), "rule failed; its actions for this event were discarded", keyVersion, short(r.Version), keyPlace, r.Place, keyError, r.Error,
				"mode", modeOf(r), "hint", failedHint(r))
		}
	}
	if e.c.Log.Enabled(context.Background(), slog.LevelDebug) {
		about := event.WithPersonal(context.Background(), entry.Event.Personal())
		e.c.Log.DebugContext(about, "event handled", keySeq, entry.Seq, keyEvent, entry.Event.ID, keyType, entry.Event.Type,
			keyChat, entry.Event.ChatID(), "rules", len(d.Rules), "note", d.Note, keyTrace, entry.Event.TraceID())
	}
	for i := range actions {
		if a := &actions[i]; !a.Ended.IsZero() {
			e.logEnded(a)
		}
	}
}

// modeOf returns how a rule ran, as metrics and chertd rules name it.
func modeOf(r *turn.RuleDecision) string {
	switch r.Role() {
	case rules.RoleCandidate:
		return control.RuleCandidate
	case rules.RoleShadow:
		return string(rules.Shadow)
	}
	return string(rules.Live)
}

// failedHint returns what to do about a rule that failed on an event. Only live packs run events
// again: nothing is lost with what was recorded only.
func failedHint(r *turn.RuleDecision) string {
	switch r.Role() {
	case rules.RoleCandidate:
		return "the candidate runs in shadow, and no chat is affected: correct it and send it again, or end it: " + diag.PackCommand("shadow", r.Pack, "--end")
	case rules.RoleShadow:
		return "it runs in shadow, and no chat is affected: correct it before it becomes live"
	}
	return diag.PackCommand("retry-errors", r.Pack) + " runs it again, once the rule is corrected"
}

// ruleText is a string that a rule logs. A log handler that prints errors of chertd on
// several lines prints this on one, whatever its key.
type ruleText string

// logCaughtUp logs the results of the events that a pack had missed.
func (e *Engine) logCaughtUp(pack string, done planned, n tally, left int64) {
	if done.out {
		e.c.Log.Info("missed events of a pack dropped: the pack is off, in shadow or removed", keyPack, pack, "events", n.skipped,
			"reads_released", n.released, "reads_vetoed", n.vetoed, "reads_dropped", n.dropped, "still_missed", left)
		return
	}
	e.c.Log.Info("missed events of a pack rerun", keyPack, pack, keyVersion, short(done.version), "events", n.ran, "failed", n.failed,
		"reads_released", n.released, "reads_vetoed", n.vetoed, "reads_dropped", n.dropped, "still_missed", left)
}

// stepsHint is a command that shows which rule takes too many steps.
const stepsHint = "chertd eval EVENT.json --format json shows how many steps each rule takes"

// logBegun logs suspensions that begin.
func (e *Engine) logBegun(begun []rules.Begun) {
	for i := range begun {
		s := &begun[i]
		args := []any{keyPack, s.Pack, keyVersion, short(s.Version), "until", s.Until.UTC().Format(time.RFC3339)}
		what := "pack suspended"
		if s.Rule != "" {
			what = "rule suspended"
			args = append(args, keyRule, s.Rule, keyPlace, s.Place)
		}
		if s.Scope == rules.OneChat {
			args = append(args, keyChat, s.Chat)
		}
		if s.Why == rules.WhyShare {
			args = append(args, "share", rules.ShareWords(), "hint", stepsHint)
		} else {
			args = append(args, "hint", diag.PackCommand("packs", s.Pack)+" shows the error; an edit that corrects it ends the suspension")
		}
		e.c.Log.Error(what+begunWords(s), args...)
	}
}

// begunWords says for which events a suspension is, why, and what becomes of them.
func begunWords(s *rules.Begun) string {
	where, why := " for all chats", "it failed in many, one after another"
	switch s.Scope {
	case rules.OneChat:
		where, why = " for one chat", "it failed there repeatedly"
	case rules.NoChat:
		where, why = " for events without a chat", "it failed on them repeatedly"
	}
	if s.Why == rules.WhyFails {
		return where + ": " + why + "; its events are recorded as failed, and those of the last hour run once it works"
	}
	return where + ": " + s.Why + "; its events are recorded as failed, and those of the last hour run when the suspension ends"
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
		args = append(args, keyReason, e.reasonOf(a))
	}
	if a.TraceID != "" {
		args = append(args, keyTrace, a.TraceID, "attempts", a.Attempts)
	}
	ctx := context.Background()
	if a.Error != "" {
		args = append(args, keyError, a.Error)
		ctx = aboutActions(*a)
	}
	switch a.Status {
	case chat.Dead:
		args = append(args, "hint", "chertd dead --attempts shows each attempt; correct the cause, then run: chertd dead retry "+a.ID.String())
	case chat.Blocked:
		args = append(args, "hint", "chertd packs shows which pack blocks reads, and the fix")
	}
	e.c.Log.Log(ctx, level, "action finished", args...)
}

// reasonOf returns the reason of an action for the log. What the code of its pack spells out, or an
// operator gave, is logged; another reason may quote a message.
func (e *Engine) reasonOf(a *chat.Action) any {
	if a.Pack == "" {
		return a.Reason
	}
	if p := e.packOf(a.Pack, a.Version); p != nil && p.Spells(a.Reason) {
		return a.Reason
	}
	return event.Written(a.Reason)
}

// aboutRule returns the context of a record with what a rule said about an event, which may quote
// the event. Texts that the code of the pack has as well are its own.
func (e *Engine) aboutRule(entry *turn.Entry, r *turn.RuleDecision) context.Context {
	personal := entry.Event.Personal()
	if p := e.packOf(r.Pack, r.Version); p != nil {
		personal.Texts = slices.DeleteFunc(personal.Texts, p.Spells)
	}
	return event.WithPersonal(context.Background(), personal)
}

// packOf returns a version of a pack that is live or a candidate; nil: it is neither.
func (e *Engine) packOf(name, version string) *rules.Pack {
	set := e.Rules()
	for _, p := range []*rules.Pack{set.Pack(name), set.Candidate(name)} {
		if p != nil && p.Version == version {
			return p
		}
	}
	return nil
}

// aboutActions returns the context of a record with an answer to a call, which may quote what the call
// has sent.
func aboutActions(actions ...chat.Action) context.Context {
	var p event.Personal
	for i := range actions {
		p.Texts = append(p.Texts, event.TextsOf(actions[i].Body)...)
	}
	p.Handles = p.Texts // a field may be a number
	return event.WithPersonal(context.Background(), p)
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
