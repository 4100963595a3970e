package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const (
	// These read all chats with actions that wait, or with postponements, and have the server leave
	// out JSON that does not contain the pack's name. An index by pack would slow
	// down every action of every event, for what operators do now and then.
	selectWaiting     = `SELECT id, waiting FROM chats WHERE waiting IS NOT NULL`
	selectRequestedBy = `SELECT seq, rules, actions FROM decisions WHERE seq = ANY ($1) AND actions IS NOT NULL
		AND ($2 = '' OR strpos(rules, $2) > 0 OR strpos(actions, $2) > 0)`
	selectPostponedBy = `SELECT id, line, last_seq, state FROM chats WHERE postponed_until IS NOT NULL AND ($1 = '' OR strpos(state, $1) > 0)`
	selectOpenOf      = `SELECT chat_id FROM open_actions WHERE status = 'blocked' AND pack = $1 AND ($2 = '' OR version = $2)
		UNION SELECT chat_id FROM timers WHERE pack = $1 AND ($2 = '' OR version = $2)`
)

// Concerned implements store.Packs.
func (s *Store) Concerned(ctx context.Context, pack, version string) (chats []string, err error) {
	hint := pack
	if !plain(pack) {
		hint = "" // its JSON may be any of several
	}
	err = s.read(ctx, "find the pending work of pack "+pack, func(tx pgx.Tx) error {
		found := map[string]bool{}
		rows, _ := tx.Query(ctx, selectOpenOf, text(pack), text(version))
		var id string
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
			found[untext(id)] = true
			return nil
		})
		if err == nil {
			err = addWaiting(ctx, tx, found, pack, version, hint)
		}
		if err == nil && version == "" {
			err = addPostponed(ctx, tx, found, pack, hint)
		}
		chats = slices.Sorted(maps.Keys(found))
		return err
	})
	if err != nil {
		return nil, err
	}
	return chats, nil
}

// plain reports whether a string stands in any JSON as it is.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	})
}

// addWaiting adds the chats in which actions of a version wait.
func addWaiting(ctx context.Context, tx pgx.Tx, found map[string]bool, pack, version, hint string) error {
	type wait struct {
		chat string
		n    int
	}
	waits := map[int64][]wait{} // by event
	rows, _ := tx.Query(ctx, selectWaiting)
	var id string
	var waiting []byte
	_, err := pgx.ForEachRow(rows, []any{&id, &waiting}, func() error {
		var list [][2]int64
		if err := json.Unmarshal(waiting, &list); err != nil {
			return fmt.Errorf("read what waits in chat %q: %w", untext(id), err)
		}
		for _, a := range list {
			waits[a[0]] = append(waits[a[0]], wait{id, int(a[1])})
		}
		return nil
	})
	if err != nil {
		return err
	}

	rows, _ = tx.Query(ctx, selectRequestedBy, slices.Collect(maps.Keys(waits)), hint)
	var o rowjson.Origin
	var rules, actions []byte
	_, err = pgx.ForEachRow(rows, []any{&o.Seq, &rules, &actions}, func() error {
		all, err := rowjson.ParseActions(actions, o, func() (list []turn.RuleDecision, err error) {
			err = parse(rules, &list, fmt.Sprintf("rules of event %d", o.Seq))
			return list, err
		})
		for _, a := range all {
			if a.Pack != pack || version != "" && a.Version != version {
				continue
			}
			for _, w := range waits[o.Seq] {
				if w.n == a.ID.N {
					found[untext(w.chat)] = true
				}
			}
		}
		return err
	})
	return err
}

// addPostponed adds the chats in which a pack has postponed reads.
func addPostponed(ctx context.Context, tx pgx.Tx, found map[string]bool, pack, hint string) error {
	rows, _ := tx.Query(ctx, selectPostponedBy, hint)
	var id, line string
	var last int64
	var state []byte
	_, err := pgx.ForEachRow(rows, []any{&id, &line, &last, &state}, func() error {
		c, _, err := rowjson.ParseChat(untext(id), untext(line), last, state)
		if err == nil && slices.ContainsFunc(c.Postponed, func(p chat.Postponement) bool { return p.Pack == pack }) {
			found[c.ID] = true
		}
		return err
	})
	return err
}
