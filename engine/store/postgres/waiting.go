package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
)

const (
	// A step of the index chats_waiting for each line on which something waits.
	selectWaitingLines = `WITH RECURSIVE lines (line) AS (
		(SELECT line FROM chats WHERE waiting IS NOT NULL AND line >= $1 ORDER BY line LIMIT 1)
		UNION ALL SELECT (SELECT c.line FROM chats c WHERE c.waiting IS NOT NULL AND c.line > l.line ORDER BY c.line LIMIT 1)
		FROM lines l WHERE l.line IS NOT NULL)
		SELECT line FROM lines WHERE line IS NOT NULL LIMIT $2`
	selectWaitingChats = `SELECT id FROM chats WHERE waiting IS NOT NULL AND line = $1 AND id > $2 ORDER BY id LIMIT $3`
	countWaiting       = `SELECT count(*) FROM chats WHERE waiting IS NOT NULL AND ($1::text IS NULL OR line = $1)`
	selectBlockedChats = `SELECT DISTINCT chat_id FROM open_actions WHERE status = 'blocked' AND chat_id > $1 ORDER BY chat_id LIMIT $2`
	selectChatsLike    = `SELECT id FROM chats WHERE id >= $1 AND starts_with(id, $1) ORDER BY id`
	// The state of a chat begins with what is known about is_group.
	countChosen = `SELECT count(*) FROM (SELECT 1 FROM chats WHERE ($1::text IS NULL OR line = $1)
		AND ($2::text IS NULL OR starts_with(state, $2)) LIMIT $3) chosen`

	selectSelectionHolds = `SELECT id, line, is_group, by, reason, began_at, until_at, began_seq, through_seq, ended_by, swept, settled FROM selection_holds ORDER BY id`
	upsertSelectionHold  = `INSERT INTO selection_holds (id, line, is_group, by, reason, began_at, until_at, began_seq, through_seq, ended_by, swept, settled)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO UPDATE SET line = excluded.line, is_group = excluded.is_group, by = excluded.by,
		reason = excluded.reason, began_at = excluded.began_at, until_at = excluded.until_at, began_seq = excluded.began_seq,
		through_seq = excluded.through_seq, ended_by = excluded.ended_by, swept = excluded.swept, settled = excluded.settled`
	deleteSelectionHold = `DELETE FROM selection_holds WHERE id = $1`
)

// WaitingLines implements store.Waits.
func (s *Store) WaitingLines(ctx context.Context, from string, limit int) ([]string, error) {
	return browseRows(ctx, s, "read the phone lines on which something waits", textRow, selectWaitingLines, text(from), max(limit, 0))
}

// WaitingChats implements store.Waits.
func (s *Store) WaitingChats(ctx context.Context, line, after string, limit int) ([]string, error) {
	return browseRows(ctx, s, "read which chats have something waiting", textRow, selectWaitingChats, text(line), text(after), max(limit, 0))
}

// BlockedChats implements store.Waits.
func (s *Store) BlockedChats(ctx context.Context, after string, limit int) ([]string, error) {
	return browseRows(ctx, s, "read which chats have blocked reads", textRow, selectBlockedChats, text(after), max(limit, 0))
}

// NoticeChats implements store.Waits.
func (s *Store) NoticeChats(ctx context.Context) ([]string, error) {
	return browseRows(ctx, s, "read which targets had notifications", textRow, selectChatsLike, text(chat.NotifyChat("")))
}

// CountWaiting implements store.Waits.
func (s *Store) CountWaiting(ctx context.Context, line *string) (int64, error) {
	var of *string
	if line != nil {
		encoded := text(*line)
		of = &encoded
	}
	return s.countThem(ctx, "count the chats that have something waiting", countWaiting, of)
}

// CountChats implements store.Waits.
func (s *Store) CountChats(ctx context.Context, of chat.Selection) (int64, error) {
	var state *string
	if v, known := of.IsGroup.Known(); known {
		begins := `{"is_group":false`
		if v {
			begins = `{"is_group":true`
		}
		state = &begins
	}
	return s.countThem(ctx, "count the chats of a selection", countChosen, optional(of.Line), state, store.CountedHolds)
}

func (s *Store) countThem(ctx context.Context, doing, query string, args ...any) (int64, error) {
	n, err := browseRows(ctx, s, doing, pgx.RowTo[int64], query, args...)
	if err != nil {
		return 0, err
	}
	return n[0], nil
}

// SelectionHolds implements store.Waits.
func (s *Store) SelectionHolds(ctx context.Context) ([]chat.SelectionHold, error) {
	return selectRows(ctx, s, "read the holds of selections", selectionHoldOf, selectSelectionHolds)
}

func selectionHoldOf(row pgx.CollectableRow) (h chat.SelectionHold, err error) {
	var (
		line, reason, endedBy *string
		isGroup               *bool
		began, until          time.Time
	)
	err = row.Scan(&h.ID, &line, &isGroup, &h.By, &reason, &began, &until, &h.Seq, &h.Through, &endedBy, &h.Swept, &h.Settled)
	h.Of.Line, h.By, h.Reason, h.EndedBy = stringOf(line), untext(h.By), stringOf(reason), stringOf(endedBy)
	h.Began, h.Until = began.UTC(), until.UTC()
	if isGroup != nil {
		h.Of.IsGroup = event.TruthOf(*isGroup)
	}
	return h, err
}

// SetSelectionHold implements store.Waits.
func (s *Store) SetSelectionHold(ctx context.Context, h chat.SelectionHold) error {
	var isGroup *bool
	if v, known := h.Of.IsGroup.Known(); known {
		isGroup = &v
	}
	_, err := s.change(ctx, "store the hold of a selection", upsertSelectionHold, h.ID, optional(h.Of.Line), isGroup, text(h.By), optional(h.Reason),
		h.Began, h.Until, h.Seq, h.Through, optional(h.EndedBy), h.Swept, h.Settled)
	return err
}

// DropSelectionHold implements store.Waits.
func (s *Store) DropSelectionHold(ctx context.Context, id int64) error {
	_, err := s.change(ctx, "remove the hold of a selection", deleteSelectionHold, id)
	return err
}
