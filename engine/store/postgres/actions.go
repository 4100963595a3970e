package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store"
	"chertd/rules/chat"
)

const (
	// actionColumns are the columns that actionsOf reads.
	actionColumns = `SELECT d.seq, d.actions, d.at, d.rules, e.chat_id FROM decisions d LEFT JOIN events e ON e.seq = d.seq`

	selectActionsDown = actionColumns + ` WHERE d.actions IS NOT NULL AND d.seq = ANY($1) ORDER BY d.seq DESC`
	selectRequested   = actionColumns + ` WHERE d.actions IS NOT NULL ORDER BY d.seq DESC`
	// Of open actions with a status of $1, of the pack $3 or of any, and if $2, of all that wait. Each event
	// is looked up separately: the caller takes the first ones.
	selectUnended = `SELECT a.* FROM (SELECT event_seq AS seq FROM open_actions WHERE status = ANY($1) AND ($3::text IS NULL OR pack = $3)
		UNION SELECT (w.value ->> 0)::bigint FROM chats c, json_array_elements(c.waiting::json) w WHERE $2 AND c.waiting IS NOT NULL ORDER BY seq DESC) u,
		LATERAL (` + actionColumns + ` WHERE d.actions IS NOT NULL AND d.seq = u.seq OFFSET 0) a ORDER BY u.seq DESC`

	selectBlocked = `SELECT event_seq, n FROM open_actions WHERE status = 'blocked' AND chat_id = $1 AND kind = 'read' ORDER BY event_seq, n`
)

// actionIDOf returns the id of a row of event_seq and n.
func actionIDOf(row pgx.CollectableRow) (id chat.ActionID, err error) {
	err = row.Scan(&id.Seq, &id.N)
	return id, err
}

// actionsBy returns actions by their ids, in their order, without those that are not there.
func actionsBy(ctx context.Context, tx pgx.Tx, ids []chat.ActionID) (all []chat.Action, err error) {
	by, err := actionsByID(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if a, ok := by[id]; ok {
			all = append(all, a)
		}
	}
	return all, nil
}

// Actions implements store.Reader.
func (s *Store) Actions(ctx context.Context, f store.ActionFilter) ([]chat.Action, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	if len(f.Status) > len(statuses) {
		return nil, fmt.Errorf("read actions: %d statuses where there are %d", len(f.Status), len(statuses))
	}
	return browse(ctx, s, "read actions", func(tx pgx.Tx) (all []chat.Action, err error) {
		choose := func(list []chat.Action) error {
			for _, a := range slices.Backward(list) {
				if (f.Pack == "" || a.Pack == f.Pack) && (len(f.Status) == 0 || slices.Contains(f.Status, a.Status)) {
					all = append(all, a)
				}
				if len(all) == f.Limit {
					return errEnough
				}
			}
			return nil
		}
		each := func(row pgx.CollectableRow) error {
			list, err := actionsOf(row)
			if err != nil {
				return err
			}
			return choose(list)
		}
		var open []string // of f.Status
		waiting := false  // f.Status has one of those that wait
		for _, st := range f.Status {
			if isOpen(st) {
				open = append(open, string(st))
			}
			waiting = waiting || waits(st)
		}
		unended := func(st chat.Status) bool { return isOpen(st) || waits(st) }
		switch {
		case f.Chat != "":
			err = eachOfChat(ctx, tx, f.Chat, 1<<63-1, f.Limit, func(seqs []int64) error {
				events, err := collect(ctx, tx, actionsOf, selectActionsDown, seqs)
				for i := 0; i < len(events) && err == nil; i++ {
					err = choose(events[i])
				}
				return err
			})
		case len(f.Status) > 0 && !slices.ContainsFunc(f.Status, func(st chat.Status) bool { return !unended(st) }):
			err = walk(ctx, tx, "unended_actions", selectUnended, each, open, waiting, optional(f.Pack))
		default:
			err = walk(ctx, tx, "requested_actions", selectRequested, each)
		}
		return all, err
	})
}

// BlockedReads implements store.Misses.
func (s *Store) BlockedReads(ctx context.Context, id string) (all []chat.Action, err error) {
	err = s.read(ctx, "read blocked reads", func(tx pgx.Tx) error {
		ids, err := collect(ctx, tx, actionIDOf, selectBlocked, text(id))
		if err == nil {
			all, err = actionsBy(ctx, tx, ids)
		}
		return err
	})
	return all, err
}
