package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
)

const (
	selectChatPending = `SELECT seq FROM pending WHERE chat_id = $1 AND seq < $2 ORDER BY seq DESC`
	selectChatNewest  = `SELECT last_seq FROM chats WHERE id = $1`
	// The server makes only as many rows of a recursive query as it returns. The subquery is one
	// that only an index can answer: whatever the planner expects, it must not join all decisions.
	selectChain = `WITH RECURSIVE chain (seq, prev) AS (
		SELECT seq, coalesce(prev_seq, 0) FROM decisions WHERE seq = $1
		UNION ALL SELECT d.seq, coalesce(d.prev_seq, 0) FROM chain c,
			LATERAL (SELECT seq, prev_seq FROM decisions WHERE seq = c.prev OFFSET 0) d WHERE c.prev < c.seq)
		SELECT seq, prev FROM chain LIMIT $2`
	// What stays in the journal although newer events were removed (retention).
	selectChatKept = `SELECT event_seq FROM open_actions WHERE chat_id = $1 AND event_seq < $2
		UNION SELECT w.seq FROM chats c, LATERAL (SELECT (value ->> 0)::bigint AS seq FROM json_array_elements(c.waiting::json)) w
			WHERE c.id = $1 AND w.seq < $2`
)

// link is a handled event of a chat, and the one before it in the chat; 0: there is none.
type link struct{ seq, prev int64 }

func linkOf(row pgx.CollectableRow) (l link, err error) {
	err = row.Scan(&l.seq, &l.prev)
	return l, err
}

// maxPage is how many events of a chat are looked up in one round trip.
const maxPage = 4096

// eachOfChat calls each with the sequences of a chat's events below before, in descending
// order and portions, the first ones small enough for a limit, until it returns errEnough. They are
// the events that are not handled, those that lead to one another, and where one of these was
// removed those before it that stay because of their actions.
func eachOfChat(ctx context.Context, tx pgx.Tx, chat string, before int64, limit int, each func(seqs []int64) error) error {
	err := eachSeqs(ctx, tx, chat, before, limit, func(seqs []int64) error {
		if len(seqs) == 0 {
			return nil
		}
		return each(seqs)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func eachSeqs(ctx context.Context, tx pgx.Tx, chat string, before int64, limit int, each func(seqs []int64) error) error {
	chat = text(chat)
	waiting, err := collect(ctx, tx, pgx.RowTo[int64], selectChatPending, chat, before)
	if err != nil {
		return err
	}
	newest, err := collect(ctx, tx, pgx.RowTo[int64], selectChatNewest, chat)
	if err != nil {
		return err
	}
	low := int64(0) // the next event of the chain
	if len(newest) > 0 {
		low = newest[0]
	}
	for size := min(max(limit, 16), maxPage); low > 0; size = min(4*size, maxPage) {
		page, err := collect(ctx, tx, linkOf, selectChain, low, size)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break // it was removed
		}
		last := page[len(page)-1]
		var seqs []int64
		for len(waiting) > 0 && waiting[0] >= last.seq {
			seqs, waiting = append(seqs, waiting[0]), waiting[1:]
		}
		for _, l := range page {
			if l.seq < before {
				seqs = append(seqs, l.seq)
			}
		}
		if err := each(descending(seqs)); err != nil {
			return err
		}
		if low = last.prev; low >= last.seq {
			low = last.seq
			break
		}
	}
	if low > 0 {
		kept, err := collect(ctx, tx, pgx.RowTo[int64], selectChatKept, chat, min(low, before))
		if err != nil {
			return err
		}
		waiting = append(waiting, kept...)
	}
	return each(descending(waiting))
}

// descending sorts sequences, each once.
func descending(seqs []int64) []int64 {
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	slices.Reverse(seqs)
	return seqs
}
