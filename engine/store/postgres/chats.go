package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const (
	selectChats  = `SELECT id, line, last_seq, state FROM chats WHERE id = ANY($1)`
	selectTimers = `SELECT chat_id, pack, name, version, due_at, payload, event_seq, n, depth, fired, rule FROM timers
		WHERE chat_id = ANY($1) ORDER BY event_seq, n`
	// The bounds spare it the other partitions.
	selectActions = `SELECT d.seq, d.actions, d.at, d.rules, e.chat_id FROM decisions d LEFT JOIN events e ON e.seq = d.seq AND e.seq BETWEEN $2 AND $3
		WHERE d.seq = ANY($1) AND d.seq BETWEEN $2 AND $3 AND d.actions IS NOT NULL`
)

// Chats implements store.Store.
func (s *Store) Chats(ctx context.Context, ids []string) ([]chat.Chat, error) {
	all := make([]chat.Chat, len(ids))
	for i, id := range ids {
		all[i].ID = id
	}
	err := s.read(ctx, "read chats", func(tx pgx.Tx) error {
		found, waiting := map[string]chat.Chat{}, map[string][]chat.ActionID{}
		var actions []chat.ActionID
		b := &pgx.Batch{}
		b.Queue(selectChats, texts(ids)).Query(func(rows pgx.Rows) error {
			var id, line string
			var newest int64
			var state []byte
			_, err := pgx.ForEachRow(rows, []any{&id, &line, &newest, &state}, func() error {
				c, waits, err := rowjson.ParseChat(untext(id), untext(line), newest, state)
				found[c.ID], waiting[c.ID] = c, waits
				actions = append(actions, waits...)
				return err
			})
			return err
		})
		b.Queue(selectTimers, texts(ids)).Query(func(rows pgx.Rows) error {
			timers, err := pgx.CollectRows(rows, timerOf)
			for _, t := range timers {
				if c, ok := found[t.chat]; ok {
					c.Timers = append(c.Timers, t.Timer)
					found[t.chat] = c
				}
			}
			return err
		})
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		of, err := actionsByID(ctx, tx, actions)
		if err != nil {
			return err
		}
		for i, id := range ids {
			c, ok := found[id]
			if !ok {
				continue
			}
			for _, a := range waiting[id] {
				if action, ok := of[a]; ok {
					c.Waiting = append(c.Waiting, action)
				}
			}
			all[i] = c
		}
		return nil
	})
	return all, err
}

// chatTimer is a timer and its chat.
type chatTimer struct {
	chat string
	chat.Timer
}

// timerOf reads a row of selectTimers.
func timerOf(row pgx.CollectableRow) (t chatTimer, err error) {
	var due *time.Time
	var payload []byte
	var rule *string
	err = row.Scan(&t.chat, &t.Pack, &t.Name, &t.Version, &due, &payload, &t.Seq, &t.N, &t.Depth, &t.Fired, &rule)
	t.chat, t.Pack, t.Name, t.Version = untext(t.chat), untext(t.Pack), untext(t.Name), untext(t.Version)
	t.Due, t.Payload, t.Rule = timeOf(due), payload, stringOf(rule)
	return t, err
}

// actionsByID returns actions by their ids, without those that are not there.
func actionsByID(ctx context.Context, tx pgx.Tx, ids []chat.ActionID) (map[chat.ActionID]chat.Action, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	seqs := make([]int64, len(ids))
	for i, id := range ids {
		seqs[i] = id.Seq
	}
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	rows, err := tx.Query(ctx, selectActions, seqs, seqs[0], seqs[len(seqs)-1])
	if err != nil {
		return nil, err
	}
	all := map[chat.ActionID]chat.Action{}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		list, err := actionsOf(row)
		for _, a := range list {
			all[a.ID] = a
		}
		return struct{}{}, err
	})
	return all, err
}

// actionsOf reads a row of selectActions.
func actionsOf(row pgx.CollectableRow) ([]chat.Action, error) {
	var o rowjson.Origin
	var actions, rules []byte
	var at *time.Time
	var chatID *string
	if err := row.Scan(&o.Seq, &actions, &at, &rules, &chatID); err != nil || actions == nil {
		return nil, err
	}
	o.At, o.ChatID = timeOf(at), stringOf(chatID)
	return rowjson.ParseActions(actions, o, func() (list []turn.RuleDecision, err error) {
		if rules != nil {
			err = json.Unmarshal(rules, &list)
		}
		if err != nil {
			err = fmt.Errorf("decision of event %d: %w", o.Seq, err)
		}
		return list, err
	})
}
