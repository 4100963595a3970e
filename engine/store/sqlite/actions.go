package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"chertd/engine/store"
	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// eventActions are the actions of a handled event, and what they have in common.
const eventActions = `d.seq, d.actions, e.chat_id, d.at, d.rules FROM decisions d LEFT JOIN events e ON e.seq = d.seq`

// byRule is the rule of a decision that an action, as json_each has it, refers to.
const byRule = `(d.rules -> ('$[' || (a.value ->> 'by') || ']'))`

var (
	selectWaiting = declareCostly("looks at all chats with actions that wait, and sorts these: operators request it now and then, on connections of their own",
		`SELECT `+eventActions+` WHERE d.seq IN (SELECT w.value ->> 0 FROM chats INDEXED BY chats_waiting, json_each(waiting) w WHERE waiting IS NOT NULL
			UNION SELECT event_seq FROM open_actions) ORDER BY d.seq DESC`)
	selectOpen      = declareCostly("looks at all actions that are blocked or dead, and sorts these", `SELECT `+eventActions+` WHERE d.seq IN (SELECT event_seq FROM open_actions) ORDER BY d.seq DESC`)
	selectRequested = declareCostly("looks at the newest first, until there are enough", `SELECT `+eventActions+` WHERE d.actions IS NOT NULL ORDER BY d.seq DESC`)
	selectActions   = declare(`SELECT ` + eventActions + ` WHERE d.seq = ?`)

	selectBlocked = declare(`SELECT event_seq, n FROM open_actions INDEXED BY open_actions_blocked
		WHERE status = 'blocked' AND chat_id = ? AND kind = 'read' ORDER BY event_seq, n`)
)

// Actions implements store.Reader.
func (s *Store) Actions(ctx context.Context, f store.ActionFilter) ([]chat.Action, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	if len(f.Status) > len(statuses) {
		return nil, fmt.Errorf("read actions: %d statuses where there are %d", len(f.Status), len(statuses))
	}
	if err := s.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("read actions: %w", err)
	}
	return browse(ctx, s, "read actions", func(c *conn) (all []chat.Action, err error) {
		enough := errors.New("enough")
		choose := func(list []chat.Action) error {
			for _, a := range slices.Backward(list) {
				if (f.Pack == "" || a.Pack == f.Pack) && (len(f.Status) == 0 || slices.Contains(f.Status, a.Status)) {
					all = append(all, a)
				}
				if len(all) == f.Limit {
					return enough
				}
			}
			return nil
		}
		if f.Chat != "" {
			err = s.eachRecord(ctx, c, f.Chat, func(r *store.Record) error { return choose(r.Actions) })
		} else {
			what := selectRequested
			only := func(is func(chat.Status) bool) bool {
				return len(f.Status) > 0 && !slices.ContainsFunc(f.Status, func(st chat.Status) bool { return !is(st) })
			}
			switch {
			case only(isOpen):
				what = selectOpen // nothing of what waits, which may be very many
			case only(func(st chat.Status) bool { return isOpen(st) || waits(st) }):
				what = selectWaiting
			}
			err = c.query(ctx, what, func(row []driver.Value) error {
				list, err := actionsIn(row)
				if err != nil {
					return err
				}
				return choose(list)
			})
		}
		if errors.Is(err, enough) {
			err = nil
		}
		return all, err
	})
}

// waits reports whether an action with a status is among those that wait in its chat.
func waits(s chat.Status) bool { return s == chat.Waiting || s == chat.Sent }

// isOpen reports whether actions with a status are in the table open_actions.
func isOpen(s chat.Status) bool { return s == chat.Blocked || s == chat.Dead }

// actionsIn returns the actions of a row of eventActions, by their numbers.
func actionsIn(row []driver.Value) ([]chat.Action, error) {
	text := bytesOf(row[1])
	if text == nil {
		return nil, nil
	}
	list, err := rowjson.ParseActions(text, originOf(row), func() ([]turn.RuleDecision, error) { return rulesOf(row) })
	if err != nil {
		return nil, fmt.Errorf("actions of event %d: %w", intOf(row[0]), err)
	}
	return list, nil
}

// originOf returns what the actions of a row of eventActions have in common, without the
// rules.
func originOf(row []driver.Value) rowjson.Origin {
	return rowjson.Origin{Seq: intOf(row[0]), ChatID: stringOf(row[2]), At: timeOf(row[3])}
}

// rulesOf returns the rules of the decision of a row of eventActions.
func rulesOf(row []driver.Value) (rules []turn.RuleDecision, err error) {
	return rules, decode(row[4], &rules, fmt.Sprintf("decision of event %d", intOf(row[0])))
}

// actionIDOf returns the id of a row that begins with event_seq and n.
func actionIDOf(row []driver.Value) (chat.ActionID, error) {
	return chat.ActionID{Seq: intOf(row[0]), N: int(intOf(row[1]))}, nil
}

// actionsBy returns actions by their ids, in their order, without those that are not
// there.
func actionsBy(ctx context.Context, c *conn, ids []chat.ActionID) (all []chat.Action, err error) {
	events := map[int64][]chat.Action{}
	for _, id := range ids {
		list, known := events[id.Seq]
		if !known {
			err := c.query(ctx, selectActions, func(row []driver.Value) (err error) {
				list, err = actionsIn(row)
				return err
			}, id.Seq)
			if err != nil {
				return nil, err
			}
			events[id.Seq] = list
		}
		if i := slices.IndexFunc(list, func(a chat.Action) bool { return a.ID == id }); i >= 0 {
			all = append(all, list[i])
		}
	}
	return all, nil
}

// BlockedReads implements store.Misses.
func (s *Store) BlockedReads(ctx context.Context, id string) (all []chat.Action, err error) {
	err = s.snapshot(ctx, "read blocked reads", func(c *conn) error {
		ids, err := list(ctx, c, selectBlocked, actionIDOf, id)
		if err == nil {
			all, err = actionsBy(ctx, c, ids)
		}
		return err
	})
	return all, err
}
