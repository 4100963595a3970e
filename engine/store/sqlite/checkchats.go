package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"

	"chertd/rules/chat"
	"chertd/rules/turn"
)

var (
	checkWaiting   = onlyChecked(`SELECT ` + entryColumns + ` FROM events e WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.seq = e.seq) ORDER BY e.seq`)
	checkDecisions = onlyChecked(`SELECT ` + eventActions + ` ORDER BY d.seq`)
	checkOpen      = onlyChecked(`SELECT status FROM open_actions WHERE event_seq = ? AND n = ?`)
	countOpen      = onlyChecked(`SELECT count(*) FROM open_actions`)
	checkChats     = onlyChecked(`SELECT ` + chatColumns + `, waiting, retries, call_at, timer_at, hold_until, postponed_until FROM chats ORDER BY id`)
	checkCounts    = onlyChecked(`SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM quarantine), (SELECT count(*) FROM chats),
		(SELECT count(*) FROM events e WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.seq = e.seq))`)
)

// waiting checks that the events that are not handled can be read.
func (k *checking) waiting(ctx context.Context) error {
	var unread flaws
	err := k.query(ctx, checkWaiting, func(row []driver.Value) error {
		if _, err := entryOf(row); err != nil {
			unread.add("event %d", intOf(row[0]))
		}
		return nil
	})
	k.found(&unread, "events", "events that wait to be handled can't be read", fixRestore)
	if err != nil {
		return fmt.Errorf("check the table events: %w", err)
	}
	return nil
}

// decisions checks that what is kept of handled events can be read, and that what an
// operator may still carry out is listed.
func (k *checking) decisions(ctx context.Context) error {
	var unread, unlisted flaws
	after, err := k.one(ctx, selectRulesAfter)
	if err != nil {
		return fmt.Errorf("check the table daemon: %w", err)
	}
	k.totals.rules.after = intOf(after)
	err = k.query(ctx, checkDecisions, func(row []driver.Value) error {
		list, err := actionsIn(row)
		var rules []turn.RuleDecision
		if err == nil {
			rules, err = rulesOf(row)
		}
		if err != nil {
			unread.add("event %d", intOf(row[0]))
			return nil
		}
		k.totals.rules.decide(&turn.Decision{Seq: intOf(row[0]), Rules: rules}, nil)
		for i := range list {
			k.totals.rules.action(nil, &list[i])
			k.totals.actions[string(list[i].Status)]++
			if !isOpen(list[i].Status) {
				continue
			}
			k.totals.open++
			status, err := k.one(ctx, checkOpen, list[i].ID.Seq, int64(list[i].ID.N))
			if err != nil {
				return err
			}
			if status != string(list[i].Status) {
				unlisted.add("action %s", list[i].ID)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("check the table decisions: %w", err)
	}
	open, err := k.one(ctx, countOpen)
	if err != nil {
		return err
	}
	k.found(&unread, "decisions", "what became of events can't be read", fixRestore)
	k.found(&unlisted, "open_actions", "blocked or dead actions are not listed, so that they can't be retried", fixRestore)
	if more := intOf(open) - k.totals.open + unlisted.n; more > 0 && unread.n == 0 {
		k.found(&flaws{1, []string{fmt.Sprint(more)}}, "open_actions", "actions are listed as blocked or dead, and are not", fixFollows)
	}
	return nil
}

// chats checks that the state of each chat can be read, and that the columns by which due
// calls and timers are found agree with it.
func (k *checking) chats(ctx context.Context) error {
	late, err := k.lateChats(ctx)
	if err != nil {
		return err
	}
	var unread, lost, wrong flaws
	err = k.query(ctx, checkChats, func(row []driver.Value) error {
		if late[stringOf(row[0])] {
			return nil // the row is of an earlier time, and is written at the next start
		}
		c, waiting, err := chatOf(row)
		if err != nil {
			unread.add("%q", stringOf(row[0]))
			return nil
		}
		if err := complete(k.conn, &c, waiting); err != nil {
			if sqliteFailed(err) {
				return err
			}
			unread.add("%q", c.ID)
			return nil
		}
		if missing(&c, waiting) {
			lost.add("%q", c.ID)
			return nil
		}
		if !columnsAgree(&c, row[len(row)-6:]) {
			wrong.add("%q", c.ID)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("check the table chats: %w", err)
	}
	k.found(&unread, "chats", "the state of chats can't be read, so that their events are not handled", fixRestore)
	k.found(&lost, "chats", "actions of chats that wait are not kept, so that they are not carried out", fixRestore)
	k.found(&wrong, "chats", "columns of chats (call_at, timer_at …) do not agree with their state, so that calls or timers may not come due", fixRestore)
	return nil
}

// missing reports whether an action that waits is not kept, or does not wait.
func missing(c *chat.Chat, waiting []chat.ActionID) bool {
	for i := range c.Waiting {
		if !waits(c.Waiting[i].Status) {
			return true
		}
	}
	return len(c.Waiting) != len(waiting)
}

// columnsAgree reports whether the columns waiting, retries, call_at, timer_at, hold_until and
// postponed_until are those of the chat.
func columnsAgree(c *chat.Chat, columns []driver.Value) bool {
	want := rowOf(c)
	for i, v := range []driver.Value{
		optional(want.waiting), int64(want.retries), micros(want.call), micros(want.timer), micros(want.hold), micros(want.postponed),
	} {
		if v != columns[i] {
			return false
		}
	}
	return true
}

// lateChats returns the chats of which the table late has a newer state.
func (k *checking) lateChats(ctx context.Context) (map[string]bool, error) {
	ids := map[string]bool{}
	var unread flaws
	err := k.query(ctx, selectLate, func(row []driver.Value) error {
		var list []json.RawMessage
		if err := json.Unmarshal(bytesOf(row[1]), &list); err != nil {
			unread.add("row %d", intOf(row[0]))
			return nil
		}
		for _, state := range list {
			c, _, err := parseLate(state)
			if err != nil {
				unread.add("row %d", intOf(row[0]))
				return nil
			}
			ids[c.ID] = true
		}
		return nil
	})
	k.found(&unread, "late", "the newest state of chats can't be read, so that chertd does not start", fixRestore)
	if err != nil {
		return nil, fmt.Errorf("check the table late: %w", err)
	}
	return ids, nil
}

// counts checks what the store keeps of its counts, which status shows.
func (k *checking) counts(ctx context.Context) error {
	kept := map[string]int64{}
	err := k.query(ctx, selectCounts, func(row []driver.Value) error {
		for i, column := range countColumns {
			kept[column] = intOf(row[i])
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(kept) == 0 {
		return nil // it is found already
	}
	var wrong, lost flaws
	compare := func(column string, n int64) {
		// Each row that chertd removes is uncounted: others are gone that it knew.
		fewer := n < kept[column] && (column == "events" || column == "quarantine" || column == "chats")
		switch {
		case fewer:
			lost.add("%s is %d, and there are %d", column, kept[column], n)
		case kept[column] != n:
			wrong.add("%s is %d, and there are %d", column, kept[column], n)
		}
	}
	err = k.query(ctx, checkCounts, func(row []driver.Value) error {
		for i, column := range []string{"events", "quarantine", "chats", "pending"} {
			compare(column, intOf(row[i]))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, status := range statuses {
		compare("actions_"+string(status), k.totals.actions[string(status)])
	}
	k.found(&lost, "counts", "rows of tables are gone, or were counted wrong", fixRestore)
	if lost.n > 0 {
		k.found(&wrong, "counts", "what chertd status counts is wrong", fixRestore)
		return nil
	}
	k.found(&wrong, "counts", "what chertd status counts is wrong", fixFollows)
	return nil
}
