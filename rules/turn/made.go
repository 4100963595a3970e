package turn

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// The events that chertd makes itself. Their ids name their causes, so that each is
// journaled once however often it is made.

// TimerFired returns the event of a timer of a chat that is due, or that fires
// early. The event's time is when the timer was due, so that after an outage its age is
// its delay.
func TimerFired(chatID string, t *chat.Timer, now time.Time) Arrival {
	at := now
	if t.Due.Before(now) && !t.Due.IsZero() {
		at = t.Due
	}
	return made(event.Event{
		ID:   fmt.Sprintf("timer:%s/%s/%d.%d", t.Pack, t.Name, t.Seq, t.N),
		Type: event.TimerPrefix + t.Name,
		At:   at,
		Chat: &event.Chat{ID: chatID},
		Pack: t.Pack, Payload: t.Payload, Depth: t.Depth + 1,
	}, t.Seq, now)
}

// timerOf returns which setting of a timer an entry of TimerFired is of.
func timerOf(e *Entry) chat.TimerID {
	ev := &e.Event
	n, err := strconv.Atoi(ev.ID[strings.LastIndexByte(ev.ID, '.')+1:])
	if err != nil {
		n = -1 // not an id of TimerFired: no timer has this number
	}
	return chat.TimerID{Pack: ev.Pack, Name: ev.Timer(), Seq: e.Cause, N: n}
}

// Scheduled returns the event of one run of a chert.every that was due at a time.
// It has no chat; its payload names the rule. The age of a run
// after an outage is its delay.
func Scheduled(r *rules.Rule, due, now time.Time) Arrival {
	name, err := json.Marshal(r.Name)
	if err != nil {
		panic(err) // a string always marshals
	}
	return made(event.Event{
		ID:   fmt.Sprintf("schedule:%s/%d", r.Key, due.Unix()),
		Type: event.Schedule,
		At:   due,
		Pack: r.Pack, Payload: name,
	}, 0, now)
}

// answers returns the events that report the results of actions to their packs, if a
// rule subscribes to them.
func answers(set *rules.Set, actions []chat.Action, now time.Time) (list []Arrival) {
	for i := range actions {
		a := &actions[i]
		if kind := a.AnswerType(); kind != "" && set != nil && set.Wants(kind, a.Pack) {
			list = append(list, answered(a, now))
		}
	}
	return list
}

// answered returns the event that reports the result of an action to its pack. The
// action has an AnswerType.
func answered(a *chat.Action, now time.Time) Arrival {
	kind := a.AnswerType()
	fields := map[string]any{
		"kind": a.Kind, "code": a.Code, "status": a.HTTP,
		"attempts": a.Attempts, "trace_id": a.TraceID,
	}
	ev := event.Event{
		ID:   fmt.Sprintf("%s:%s/%d", kind, a.ID, a.Attempts),
		Type: kind,
		At:   now,
		Pack: a.Pack, Depth: a.Depth + 1,
	}
	if target, ok := chat.NotifyTarget(a.Chat); ok {
		fields["target"] = target
	} else {
		fields["chat"], ev.Chat = a.Chat, &event.Chat{ID: a.Chat}
	}
	detail, err := json.Marshal(fields)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	ev.Action = detail
	return made(ev, a.ID.Seq, now)
}

// forwarded returns the entry that carries a request to a chat that another shard
// may own. The request of an event that runs again has an id of its own, because
// the rule may have changed since the first run.
func forwarded(e *Entry, f *rules.Forwarded, missedBy []string, again bool, now time.Time) Arrival {
	id := forwardID(e.Seq, f.Outcome.Pack, f.Outcome.Rule, f.N, f.Outcome.Version, again)
	a := made(event.Event{
		ID: id, Type: "request", At: now,
		Chat: &event.Chat{ID: f.Request.Chat}, Pack: f.Outcome.Pack, Depth: e.Event.Depth,
	}, e.Seq, now)
	a.Forward = &Forward{Request: f.Request.Request, Depth: e.Event.Depth, Block: len(missedBy) > 0, MissedBy: missedBy}
	return a
}

// ForwardID returns the id of the entry that carries a request of a rule to another chat. n
// is the place of the request among those of the rule.
func ForwardID(seq int64, d *RuleDecision, n int) string {
	return forwardID(seq, d.Pack, d.Rule, n, d.Version, !d.Rerun.IsZero())
}

func forwardID(seq int64, pack, rule string, n int, version string, again bool) string {
	id := fmt.Sprintf("request:%d/%s/%s/%d", seq, pack, rule, n)
	if again {
		id += "@" + version
	}
	return id
}

// madeUp returns the entry that reports to a chat that a pack has run on an event of
// another chat which it had missed. It follows the pack's requests for that chat.
func madeUp(e *Entry, pack, chatID string, now time.Time) Arrival {
	a := made(event.Event{
		ID: fmt.Sprintf("known:%d/%s/%s", e.Seq, pack, chatID), Type: "request", At: now,
		Chat: &event.Chat{ID: chatID}, Pack: pack, Depth: e.Event.Depth,
	}, e.Seq, now)
	a.Forward = &Forward{Depth: e.Event.Depth, Known: pack}
	return a
}

// made returns an event that chertd makes, on its way into the journal.
func made(ev event.Event, cause int64, now time.Time) Arrival {
	ev.Source = event.SourceEngine
	return Arrival{Event: ev, Received: now, Cause: cause}
}
