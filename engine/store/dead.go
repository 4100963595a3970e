package store

import (
	"context"

	"chertd/rules/chat"
)

// DeadLetters are the actions that are dead, which stay until an operator retries or drops them,
// and the attempts of all actions that failed. Commit writes both with the answer of a call.
type DeadLetters interface {
	// Dead returns the dead actions that a filter chooses, in the descending order of their
	// ids: at most limit.
	Dead(ctx context.Context, f DeadFilter, limit int) ([]chat.Action, error)
	// DeadAfter returns the ids of dead actions that a filter chooses and that come after a
	// given one, in ascending order: at most limit. Each has its chat.
	DeadAfter(ctx context.Context, f DeadFilter, after chat.ActionID, limit int) ([]DeadID, error)
	// DeadGroups counts the dead actions that a filter chooses by their last answers, the
	// most frequent first.
	DeadGroups(ctx context.Context, f DeadFilter) ([]DeadGroup, error)
	// ActionsByID returns actions by their ids, in that order, without those that are not
	// there.
	ActionsByID(ctx context.Context, ids []chat.ActionID) ([]chat.Action, error)
	// Attempts returns the failed attempts of actions, ordered by action and number. Of an
	// action with more than AttemptsFirst + AttemptsLast, those in the middle are not kept.
	Attempts(ctx context.Context, ids []chat.ActionID) ([]chat.Attempt, error)
}

// Which attempts of an action are kept: the first and the last ones. A call that is retried
// for a day, every five minutes in the end, has 300.
const (
	AttemptsFirst = 20
	AttemptsLast  = 300
)

// DeadFilter chooses dead actions. A zero field excludes none.
type DeadFilter struct {
	Chat string
	Pack string
	// Code is Chert's error code or the HTTP status of the last attempt; a pointer to 0: it
	// had no answer.
	Code *int
}

// DeadID is a dead action and its chat.
type DeadID struct {
	ID   chat.ActionID
	Chat string
}

// DeadGroup counts the dead actions whose last attempts had the same answer.
type DeadGroup struct {
	HTTP  int // 0: no answer
	Code  int // Chert's error code; 0: none
	Count int64
}
