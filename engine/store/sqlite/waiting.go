package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
)

var (
	selectWaitingLines = declareCostly("a step of the index for each line on which something waits", `WITH RECURSIVE lines (line) AS (
		SELECT min(`+lineOf+`) FROM chats INDEXED BY chats_waiting WHERE waiting IS NOT NULL AND `+lineOf+` >= ?1
		UNION ALL SELECT (SELECT min(`+lineOf+`) FROM chats INDEXED BY chats_waiting WHERE waiting IS NOT NULL AND `+lineOf+` > lines.line)
		FROM lines WHERE lines.line IS NOT NULL LIMIT ?2)
		SELECT line FROM lines WHERE line IS NOT NULL`)
	selectWaitingChats = declare(`SELECT id FROM chats INDEXED BY chats_waiting
		WHERE waiting IS NOT NULL AND ` + lineOf + ` = ? AND id > ? ORDER BY id LIMIT ?`)
	countWaiting = declareCostly("counts the entries of an index, for people",
		`SELECT count(*) FROM chats INDEXED BY chats_waiting WHERE waiting IS NOT NULL AND (?1 IS NULL OR `+lineOf+` = ?1)`)
	selectBlockedChats = declare(`SELECT DISTINCT chat_id FROM open_actions INDEXED BY open_actions_blocked
		WHERE status = 'blocked' AND chat_id > ? ORDER BY chat_id LIMIT ?`)
	selectChatsLike = declare(`SELECT id FROM chats WHERE id >= ?1 AND id < ?2 ORDER BY id`)
	countChosen     = declareCostly("looks at chats until it has counted a bounded number, for people", `SELECT count(*) FROM (SELECT 1 FROM chats
		WHERE (?1 IS NULL OR line = ?1) AND (?2 IS NULL OR state ->> 'is_group' = ?2) LIMIT ?3)`)

	selectSelectionHolds = declareCostly("lists what operators have held in a month, at each start", `SELECT id, line, is_group, by, reason, began_at, until_at,
		began_seq, through_seq, ended_by, swept, settled FROM selection_holds ORDER BY id`)
	upsertSelectionHold = declare(`INSERT INTO selection_holds (id, line, is_group, by, reason, began_at, until_at, began_seq, through_seq, ended_by, swept, settled)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET line = excluded.line, is_group = excluded.is_group, by = excluded.by,
		reason = excluded.reason, began_at = excluded.began_at, until_at = excluded.until_at, began_seq = excluded.began_seq,
		through_seq = excluded.through_seq, ended_by = excluded.ended_by, swept = excluded.swept, settled = excluded.settled`)
	deleteSelectionHold = declare(`DELETE FROM selection_holds WHERE id = ?`)
)

// WaitingLines implements store.Waits.
func (s *Store) WaitingLines(ctx context.Context, from string, limit int) ([]string, error) {
	return waitingStrings(ctx, s, "read the phone lines on which something waits", selectWaitingLines, from, int64(max(limit, 0)))
}

// WaitingChats implements store.Waits.
func (s *Store) WaitingChats(ctx context.Context, line, after string, limit int) ([]string, error) {
	return waitingStrings(ctx, s, "read which chats have something waiting", selectWaitingChats, line, after, int64(max(limit, 0)))
}

// BlockedChats implements store.Waits.
func (s *Store) BlockedChats(ctx context.Context, after string, limit int) ([]string, error) {
	return waitingStrings(ctx, s, "read which chats have blocked reads", selectBlockedChats, after, int64(max(limit, 0)))
}

// NoticeChats implements store.Waits.
func (s *Store) NoticeChats(ctx context.Context) ([]string, error) {
	prefix := chat.NotifyChat("")
	return waitingStrings(ctx, s, "read which targets had notifications", selectChatsLike, prefix, behind(prefix))
}

// waitingStrings reads strings from the tables, after what is late is written.
func waitingStrings(ctx context.Context, s *Store, doing string, what *statement, args ...driver.Value) (all []string, err error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return browse(ctx, s, doing, func(c *conn) ([]string, error) { return list(ctx, c, what, firstString, args...) })
}

// CountWaiting implements store.Waits.
func (s *Store) CountWaiting(ctx context.Context, line *string) (int64, error) {
	var of driver.Value
	if line != nil {
		of = *line
	}
	return s.countThem(ctx, "count the chats that have something waiting", countWaiting, of)
}

// CountChats implements store.Waits.
func (s *Store) CountChats(ctx context.Context, of chat.Selection) (int64, error) {
	return s.countThem(ctx, "count the chats of a selection", countChosen, optional(of.Line), truthValue(of.IsGroup), int64(store.CountedHolds))
}

func (s *Store) countThem(ctx context.Context, doing string, what *statement, args ...driver.Value) (int64, error) {
	if err := s.catchUp(ctx); err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	return browse(ctx, s, doing, func(c *conn) (int64, error) {
		n, err := c.one(ctx, what, args...)
		return intOf(n), err
	})
}

// SelectionHolds implements store.Waits.
func (s *Store) SelectionHolds(ctx context.Context) ([]chat.SelectionHold, error) {
	return readList(ctx, s, "read the holds of selections", selectSelectionHolds, selectionHoldOf)
}

func selectionHoldOf(row []driver.Value) (chat.SelectionHold, error) {
	h := chat.SelectionHold{
		ID: intOf(row[0]), Of: chat.Selection{Line: stringOf(row[1])}, By: stringOf(row[3]), Reason: stringOf(row[4]),
		Began: timeOf(row[5]), Until: timeOf(row[6]), Seq: intOf(row[7]), Through: intOf(row[8]), EndedBy: stringOf(row[9]),
		Swept: intOf(row[10]) != 0, Settled: intOf(row[11]) != 0,
	}
	if row[2] != nil {
		h.Of.IsGroup = event.TruthOf(intOf(row[2]) != 0)
	}
	return h, nil
}

// SetSelectionHold implements store.Waits.
func (s *Store) SetSelectionHold(ctx context.Context, h chat.SelectionHold) error {
	return s.write(ctx, "store the hold of a selection", upsertSelectionHold, selectionHoldRow(&h)...)
}

// selectionHoldRow returns the arguments of upsertSelectionHold.
func selectionHoldRow(h *chat.SelectionHold) []driver.Value {
	return []driver.Value{
		h.ID, optional(h.Of.Line), truthValue(h.Of.IsGroup), h.By, optional(h.Reason), micros(h.Began), micros(h.Until), h.Seq, h.Through,
		optional(h.EndedBy), flag(h.Swept), flag(h.Settled),
	}
}

// DropSelectionHold implements store.Waits.
func (s *Store) DropSelectionHold(ctx context.Context, id int64) error {
	return s.write(ctx, "remove the hold of a selection", deleteSelectionHold, id)
}

// truthValue returns 0, 1 or, for Unknown, NULL.
func truthValue(t event.Truth) driver.Value {
	if v, known := t.Known(); known {
		return flag(v)
	}
	return nil
}
