package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// isOpen is the condition of the index actions_open. A query must repeat it literally
// to use the index.
const isOpen = `(status = 'waiting' OR status = 'sent' OR status = 'blocked' OR status = 'dead')`

var (
	// actionLife are the columns that change in an action's life; the others are set
	// when it is requested and never change.
	actionLife    = []string{"status", "why", "depth", "asked_at", "due_at", "settled_at", "attempts", "code", "http", "trace_id", "error"}
	actionColumns = append(slices.Clip(actionLife), "event_seq", "n", "chat_id", "kind", "pack", "version", "rule", "place",
		"reason", "even_if_newer", "body", "target", "covers_seq", "follows")

	// The statements that write take arguments in this order; updateAction and
	// updateWaiting take the first updateActionArgs.
	insertAction = declare(insertInto("actions", actionColumns) + ` ON CONFLICT DO NOTHING`)
	updateAction = declare(actionUpdate)
	// Nearly every action that changes was waiting: with this statement the counts
	// need not read what it was.
	updateWaiting      = declare(actionUpdate + ` AND status = 'waiting'`)
	selectActionStatus = declare(`SELECT status FROM actions WHERE event_seq = ? AND n = ?`)

	// Each reads rows for actionOf.
	selectOpen = declareCostly("sorts what waits in one chat", `SELECT `+ofAction+` FROM actions WHERE `+isOpen+`
		AND chat_id = ? AND status IN ('waiting', 'sent') ORDER BY asked_at, event_seq, n`)
	selectBlocked = declare(`SELECT ` + ofAction + ` FROM actions INDEXED BY actions_blocked
		WHERE status = 'blocked' AND chat_id = ? AND kind = 'read' ORDER BY event_seq, n`)
	selectEventActions = declare(`SELECT ` + ofAction + ` FROM actions WHERE event_seq = ? ORDER BY n`)
	selectChatActions  = declare(`SELECT ` + ofAction + ` FROM actions WHERE chat_id = ?3 AND ` + actionsChosen)
	selectOpenActions  = declareCostly("looks at all that is open, and sorts it: operators request it now and then, on connections of their own",
		`SELECT `+ofAction+` FROM actions INDEXED BY actions_open WHERE ?3 IS NULL AND `+isOpen+` AND `+actionsChosen)
	selectActions = declareCostly("looks at the newest first, until there are enough", `SELECT `+ofAction+` FROM actions WHERE ?3 IS NULL AND `+actionsChosen)

	ofAction     = strings.Join(actionColumns, ", ")
	actionUpdate = `UPDATE actions SET ` + assigned(actionLife) + ` WHERE event_seq = ? AND n = ?`
)

// updateActionArgs is how many of insertAction's arguments updateAction takes.
var updateActionArgs = len(actionLife) + 2

// actionsChosen takes a pack, a limit and, from its fourth argument on, as many
// statuses as there are; NULL is any.
const actionsChosen = `(?4 IS NULL OR status IN (?4, ?5, ?6, ?7, ?8, ?9, ?10)) AND (?1 IS NULL OR pack = ?1)
	ORDER BY event_seq DESC, n DESC LIMIT ?2`

// actionRow is an action to write, made ready for the writer.
type actionRow struct {
	args   []driver.Value // of insertAction
	counts count          // by its status
	seq, n int64
	isNew  bool // it usually has no row yet
}

// Actions implements store.Reader.
func (s *Store) Actions(ctx context.Context, f store.ActionFilter) ([]chat.Action, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	if len(f.Status) > len(statuses) {
		return nil, fmt.Errorf("read actions: %d statuses where there are %d", len(f.Status), len(statuses))
	}
	what := selectActions
	args := []driver.Value{optional(f.Pack), int64(f.Limit), nil}
	switch {
	case f.Chat != "":
		what, args[2] = selectChatActions, f.Chat
	case len(f.Status) > 0 && !slices.ContainsFunc(f.Status, func(st chat.Status) bool { return !isOpenStatus(st) }):
		what = selectOpenActions
	}
	for i := range statuses {
		switch {
		case i < len(f.Status):
			args = append(args, string(f.Status[i]))
		case i == 0:
			args = append(args, nil)
		default: // SQL has no list of any length
			args = append(args, args[3])
		}
	}
	return browse(ctx, s, "read actions", func(c *conn) ([]chat.Action, error) {
		return list(ctx, c, what, actionOf, args...)
	})
}

// isOpenStatus reports whether the index actions_open contains actions with a status.
func isOpenStatus(s chat.Status) bool {
	return s == chat.Waiting || s == chat.Sent || s == chat.Blocked || s == chat.Dead
}

// BlockedReads implements store.Misses.
func (s *Store) BlockedReads(ctx context.Context, id string) ([]chat.Action, error) {
	return readList(ctx, s, "read blocked reads", selectBlocked, actionOf, id)
}

// encodeAction writes an action of the decision's event as new. One of an earlier
// event usually has a row already.
func (s *step) encodeAction(a *chat.Action, d *turn.Decision) error {
	counts, err := countOf(a.Status)
	if err != nil {
		return err
	}
	args := []driver.Value{
		string(a.Status), optional(a.Why), int64(a.Depth), micros(a.Requested), micros(a.Due), micros(a.Ended),
		int64(a.Attempts), int64(a.Code), int64(a.HTTP), optional(a.TraceID), optional(a.Error), a.ID.Seq, int64(a.ID.N),
		a.Chat, string(a.Kind), a.Pack, a.Version, a.Rule, a.Place, optional(a.Reason), flag(a.EvenIfNewer),
		optionalJSON(a.Body), optional(a.Target), a.Covers, flag(a.WithoutMessage),
	}
	s.actions = append(s.actions, actionRow{
		args: args, counts: counts, seq: a.ID.Seq, n: int64(a.ID.N), isNew: d != nil && d.Seq == a.ID.Seq,
	})
	return nil
}

func actionOf(row []driver.Value) (chat.Action, error) {
	return chat.Action{
		Status: chat.Status(stringOf(row[0])), Why: stringOf(row[1]), Depth: int(intOf(row[2])),
		Requested: timeOf(row[3]), Due: timeOf(row[4]), Ended: timeOf(row[5]),
		Attempts: int(intOf(row[6])), Code: int(intOf(row[7])), HTTP: int(intOf(row[8])), TraceID: stringOf(row[9]), Error: stringOf(row[10]),
		ID: chat.ActionID{Seq: intOf(row[11]), N: int(intOf(row[12]))}, Chat: stringOf(row[13]), Kind: chat.Kind(stringOf(row[14])),
		Pack: stringOf(row[15]), Version: stringOf(row[16]), Rule: stringOf(row[17]), Place: stringOf(row[18]), Reason: stringOf(row[19]),
		EvenIfNewer: intOf(row[20]) != 0, Body: bytesOf(row[21]), Target: stringOf(row[22]), Covers: intOf(row[23]), WithoutMessage: intOf(row[24]) != 0,
	}, nil
}

// writeAction adds or changes an action's row, and counts it by its status.
func (w *writer) writeAction(a *actionRow) error {
	insert := func() (bool, error) {
		n, err := w.conn.exec(insertAction, a.args...)
		w.rows[a.counts] += n
		return n > 0, err
	}
	if a.isNew {
		if added, err := insert(); added || err != nil {
			return err
		}
	}
	update := a.args[:updateActionArgs]
	n, err := w.conn.exec(updateWaiting, update...)
	if err != nil {
		return err
	}
	if n > 0 {
		w.rows[countActions]-- // waiting is the first status
		w.rows[a.counts]++
		return nil
	}
	was, err := w.conn.one(context.Background(), selectActionStatus, a.seq, a.n)
	if err != nil {
		return err
	}
	if was == nil {
		_, err := insert()
		return err
	}
	before, err := countOf(chat.Status(stringOf(was)))
	if err != nil {
		return err
	}
	w.rows[before]--
	w.rows[a.counts]++
	_, err = w.conn.exec(updateAction, update...)
	return err
}
