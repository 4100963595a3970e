package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// chosenDead is the condition of a store.DeadFilter: its chat, pack and code, each NULL if it
// excludes none.
const chosenDead = `status = 'dead' AND (?1 IS NULL OR chat_id = ?1) AND (?2 IS NULL OR pack = ?2)
	AND (?3 IS NULL OR iif(?3 = 0, code = 0 AND http = 0, code = ?3 OR http = ?3))`

var (
	selectDead = declareCostly("looks at dead actions from the newest on until there are enough, for people",
		`SELECT event_seq, n FROM open_actions INDEXED BY open_actions_dead WHERE `+chosenDead+` ORDER BY event_seq DESC, n DESC LIMIT ?4`)
	selectDeadAfter = declare(`SELECT event_seq, n, chat_id FROM open_actions INDEXED BY open_actions_dead
		WHERE (event_seq, n) > (?4, ?5) AND ` + chosenDead + ` ORDER BY event_seq, n LIMIT ?6`)
	countDead = declareCostly("counts all dead actions, for people",
		`SELECT http, code, count(*) FROM open_actions INDEXED BY open_actions_dead WHERE `+chosenDead+` GROUP BY http, code ORDER BY 3 DESC, 2, 1`)

	upsertAttempt = declare(`INSERT INTO attempts (event_seq, n, attempt, at, call_seq, call_n, http, code, trace_id, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET at = excluded.at, call_seq = excluded.call_seq, call_n = excluded.call_n, http = excluded.http,
		code = excluded.code, trace_id = excluded.trace_id, error = excluded.error`)
	deleteAttempt  = declare(`DELETE FROM attempts WHERE event_seq = ? AND n = ? AND attempt = ?`)
	selectAttempts = declare(`SELECT event_seq, n, attempt, at, call_seq, call_n, http, code, trace_id, error FROM attempts
		WHERE event_seq = ? AND n = ? ORDER BY attempt`)
)

// encodeAttempts adds the attempts that failed, and removes those that are more than what is
// kept of an action.
func (s *step) encodeAttempts(t *turn.Transition) {
	for i := range t.Attempts {
		x := &t.Attempts[i]
		var callSeq, callN driver.Value
		if x.CallOf != x.Action {
			callSeq, callN = x.CallOf.Seq, int64(x.CallOf.N)
		}
		s.add(upsertAttempt, x.Action.Seq, int64(x.Action.N), int64(x.N), micros(x.At), callSeq, callN,
			int64(x.HTTP), int64(x.Code), optional(x.TraceID), optional(x.Error))
		if old := x.N - store.AttemptsLast; old > store.AttemptsFirst {
			s.add(deleteAttempt, x.Action.Seq, int64(x.Action.N), int64(old))
		}
	}
}

func attemptOf(row []driver.Value) (chat.Attempt, error) {
	x := chat.Attempt{
		Action: chat.ActionID{Seq: intOf(row[0]), N: int(intOf(row[1]))}, N: int(intOf(row[2])), At: timeOf(row[3]),
		HTTP: int(intOf(row[6])), Code: int(intOf(row[7])), TraceID: stringOf(row[8]), Error: stringOf(row[9]),
	}
	if x.CallOf = x.Action; row[4] != nil {
		x.CallOf = chat.ActionID{Seq: intOf(row[4]), N: int(intOf(row[5]))}
	}
	return x, nil
}

// argsOf returns the arguments of chosenDead, and others after them.
func argsOf(f store.DeadFilter, others ...driver.Value) []driver.Value {
	var code driver.Value
	if f.Code != nil {
		code = int64(*f.Code)
	}
	return append([]driver.Value{optional(f.Chat), optional(f.Pack), code}, others...)
}

// Dead implements store.DeadLetters.
func (s *Store) Dead(ctx context.Context, f store.DeadFilter, limit int) ([]chat.Action, error) {
	return browse(ctx, s, "read dead actions", func(c *conn) ([]chat.Action, error) {
		ids, err := list(ctx, c, selectDead, actionIDOf, argsOf(f, int64(max(limit, 0)))...)
		if err != nil {
			return nil, err
		}
		return actionsBy(ctx, c, ids)
	})
}

// DeadAfter implements store.DeadLetters.
func (s *Store) DeadAfter(ctx context.Context, f store.DeadFilter, after chat.ActionID, limit int) ([]store.DeadID, error) {
	return browse(ctx, s, "read dead actions", func(c *conn) ([]store.DeadID, error) {
		return list(ctx, c, selectDeadAfter, func(row []driver.Value) (store.DeadID, error) {
			id, err := actionIDOf(row)
			return store.DeadID{ID: id, Chat: stringOf(row[2])}, err
		}, argsOf(f, after.Seq, int64(after.N), int64(max(limit, 0)))...)
	})
}

// DeadGroups implements store.DeadLetters.
func (s *Store) DeadGroups(ctx context.Context, f store.DeadFilter) ([]store.DeadGroup, error) {
	return browse(ctx, s, "count dead actions", func(c *conn) ([]store.DeadGroup, error) {
		return list(ctx, c, countDead, func(row []driver.Value) (store.DeadGroup, error) {
			return store.DeadGroup{HTTP: int(intOf(row[0])), Code: int(intOf(row[1])), Count: intOf(row[2])}, nil
		}, argsOf(f)...)
	})
}

// ActionsByID implements store.DeadLetters.
func (s *Store) ActionsByID(ctx context.Context, ids []chat.ActionID) (all []chat.Action, err error) {
	err = s.snapshot(ctx, "read actions", func(c *conn) (err error) {
		all, err = actionsBy(ctx, c, ids)
		return err
	})
	return all, err
}

// Attempts implements store.DeadLetters.
func (s *Store) Attempts(ctx context.Context, ids []chat.ActionID) ([]chat.Attempt, error) {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, chat.ActionID.Compare)
	return browse(ctx, s, "read attempts", func(c *conn) (all []chat.Attempt, err error) {
		for _, id := range slices.Compact(ids) {
			of, err := list(ctx, c, selectAttempts, attemptOf, id.Seq, int64(id.N))
			if err != nil {
				return nil, err
			}
			all = append(all, of...)
		}
		return all, nil
	})
}
