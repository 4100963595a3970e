package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/chat"
)

const (
	// chosenDead is the condition of a store.DeadFilter: its chat, pack and code, each NULL if it
	// excludes none.
	chosenDead = `status = 'dead' AND ($1::text IS NULL OR chat_id = $1) AND ($2::text IS NULL OR pack = $2)
		AND ($3::bigint IS NULL OR CASE WHEN $3 = 0 THEN code = 0 AND http = 0 ELSE code = $3 OR http = $3 END)`

	selectDead      = `SELECT event_seq, n FROM open_actions WHERE ` + chosenDead + ` ORDER BY event_seq DESC, n DESC LIMIT $4`
	selectDeadAfter = `SELECT event_seq, n, chat_id FROM open_actions WHERE (event_seq, n) > ($4::bigint, $5::bigint) AND ` + chosenDead + ` ORDER BY event_seq, n LIMIT $6`
	countDead       = `SELECT http, code, count(*) FROM open_actions WHERE ` + chosenDead + ` GROUP BY http, code ORDER BY 3 DESC, 2, 1`

	selectAttempts = `SELECT event_seq, n, attempt, at, call_seq, call_n, http, code, trace_id, error FROM attempts
		WHERE (event_seq, n) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[])) ORDER BY event_seq, n, attempt`
)

// deadArgs returns the arguments of chosenDead, and others after them.
func deadArgs(f store.DeadFilter, others ...any) []any {
	return append([]any{optional(f.Chat), optional(f.Pack), f.Code}, others...)
}

// Dead implements store.DeadLetters.
func (s *Store) Dead(ctx context.Context, f store.DeadFilter, limit int) ([]chat.Action, error) {
	return browse(ctx, s, "read dead actions", func(tx pgx.Tx) ([]chat.Action, error) {
		ids, err := collect(ctx, tx, actionIDOf, selectDead, deadArgs(f, max(limit, 0))...)
		if err != nil {
			return nil, err
		}
		return actionsBy(ctx, tx, ids)
	})
}

// DeadAfter implements store.DeadLetters.
func (s *Store) DeadAfter(ctx context.Context, f store.DeadFilter, after chat.ActionID, limit int) ([]store.DeadID, error) {
	return browseRows(ctx, s, "read dead actions", func(row pgx.CollectableRow) (d store.DeadID, err error) {
		err = row.Scan(&d.ID.Seq, &d.ID.N, &d.Chat)
		d.Chat = untext(d.Chat)
		return d, err
	}, selectDeadAfter, deadArgs(f, after.Seq, after.N, max(limit, 0))...)
}

// DeadGroups implements store.DeadLetters.
func (s *Store) DeadGroups(ctx context.Context, f store.DeadFilter) ([]store.DeadGroup, error) {
	return browseRows(ctx, s, "count dead actions", func(row pgx.CollectableRow) (g store.DeadGroup, err error) {
		err = row.Scan(&g.HTTP, &g.Code, &g.Count)
		return g, err
	}, countDead, deadArgs(f)...)
}

// ActionsByID implements store.DeadLetters.
func (s *Store) ActionsByID(ctx context.Context, ids []chat.ActionID) (all []chat.Action, err error) {
	err = s.read(ctx, "read actions", func(tx pgx.Tx) (err error) {
		all, err = actionsBy(ctx, tx, ids)
		return err
	})
	return all, err
}

// Attempts implements store.DeadLetters.
func (s *Store) Attempts(ctx context.Context, ids []chat.ActionID) ([]chat.Attempt, error) {
	seqs, ns := make([]int64, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		seqs[i], ns[i] = id.Seq, int64(id.N)
	}
	return browseRows(ctx, s, "read attempts", attemptOf, selectAttempts, seqs, ns)
}

func attemptOf(row pgx.CollectableRow) (x chat.Attempt, err error) {
	var (
		at             *time.Time
		callSeq, callN *int64
		trace, why     *string
	)
	err = row.Scan(&x.Action.Seq, &x.Action.N, &x.N, &at, &callSeq, &callN, &x.HTTP, &x.Code, &trace, &why)
	x.At, x.TraceID, x.Error = timeOf(at), stringOf(trace), stringOf(why)
	if x.CallOf = x.Action; callSeq != nil && callN != nil {
		x.CallOf = chat.ActionID{Seq: *callSeq, N: int(*callN)}
	}
	return x, err
}
