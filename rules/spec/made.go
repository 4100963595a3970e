package spec

import (
	"time"

	"chertd/rules"
	"chertd/rules/chat"
)

// The events that chertd makes itself, as the daemon makes them.

// timerEntry is the event of a timer that came due.
func timerEntry(chatID string, t *chat.Timer, now time.Time) entry {
	timer := chat.TimerID{Pack: t.Pack, Name: t.Name, Seq: t.Seq, N: t.N}
	return entry{cause: t.Seq, timer: &timer, event: chat.TimerEvent(chatID, t, now)}
}

// scheduleEntry is the event of a run of chert.every.
func scheduleEntry(r *rules.Rule, now time.Time) entry {
	return entry{event: r.ScheduleEvent(now)}
}

// answerEntry is the event that tells a pack what became of its action.
func answerEntry(a *chat.Action, now time.Time) entry {
	return entry{cause: a.ID.Seq, event: chat.AnswerEvent(a, now)}
}
