package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"chertd/rules/chat"
)

// replaced is what a restore takes over from the store that it replaces: what keeps reads
// from going out. The backup knows no pause and no hold that was set after it.
type replaced struct {
	// unread is why the store can't be read: whether calls were paused and chats held is
	// unknown then. nil: it was read, or there is none.
	unread error
	paused bool // all calls
	held   heldThere
}

// heldThere is what a store holds.
type heldThere struct {
	chats      []chat.Chat // that are held: their ids, lines and holds
	selections []chat.SelectionHold
}

func (h *heldThere) none() bool { return len(h.chats)+len(h.selections) == 0 }

var hasSelections = onlyChecked(`SELECT count(*) FROM sqlite_schema WHERE name = 'selection_holds'`)

var selectHeld = onlyChecked(`SELECT ` + chatColumns + ` FROM chats WHERE hold_until > ? ORDER BY id`)

// readReplaced reads the store at path, which is about to be replaced. The error is that of
// ctx only.
func readReplaced(ctx context.Context, path string, now time.Time) (r replaced, _ error) {
	there := false
	for _, suffix := range []string{"", "-wal"} {
		if _, err := os.Lstat(path + suffix); !errors.Is(err, os.ErrNotExist) {
			there = true
		}
	}
	if !there {
		return replaced{}, nil
	}
	if err := r.read(ctx, path, now); err != nil {
		return replaced{unread: err}, ctx.Err()
	}
	return r, nil
}

func (r *replaced) read(ctx context.Context, path string, now time.Time) error {
	s, err := openSnapshot(ctx, path, true) // a copy that is damaged may be there
	if err != nil {
		return err
	}
	defer s.close()
	paused, err := s.one(ctx, selectPaused)
	if err != nil {
		return err
	}
	if paused == nil {
		return errors.New("its table daemon is empty")
	}
	r.paused = intOf(paused) != 0
	if err := r.readSelections(ctx, s.conn, now); err != nil {
		return err
	}
	held := map[string]chat.Chat{}
	err = s.query(ctx, selectHeld, func(row []driver.Value) error {
		c, _, err := chatOf(row)
		held[c.ID] = c
		return err
	}, now.UnixMicro())
	if err != nil {
		return err
	}
	_, err = eachLate(ctx, s.conn, func(c *chat.Chat, _ []chat.ActionID) error {
		held[c.ID] = *c
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range held {
		if c.Hold.Active(now) {
			r.held.chats = append(r.held.chats, chat.Chat{ID: c.ID, Line: c.Line, Hold: c.Hold})
		}
	}
	slices.SortFunc(r.held.chats, func(a, b chat.Chat) int { return strings.Compare(a.ID, b.ID) })
	return nil
}

// readSelections reads the holds of selections that are in force. A store of an older chertd has none.
func (r *replaced) readSelections(ctx context.Context, c *conn, now time.Time) error {
	n, err := c.one(ctx, hasSelections)
	if err != nil || intOf(n) == 0 {
		return err
	}
	all, err := list(ctx, c, selectSelectionHolds, selectionHoldOf)
	for _, h := range all {
		if h.Active(now) {
			r.held.selections = append(r.held.selections, h)
		}
	}
	return err
}

// takeOver pauses calls in the copy of a backup at path, if it is to, and holds the chats
// that were held in the replaced store. It returns how many holds the backup did not have.
func takeOver(ctx context.Context, path string, pause bool, holds heldThere) (added int, err error) {
	c, err := connect(ctx, path, "rw", busyTimeout, "journal_mode(MEMORY)", "synchronous(FULL)")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if !holds.none() {
		// The copy of an older chertd may have no place for them.
		if err := migrate(ctx, c, path, migrations); err != nil {
			return 0, err
		}
		if added, err = keepHolds(ctx, c, holds.chats); err != nil {
			return 0, err
		}
		more, err := keepSelections(ctx, c, holds.selections)
		if added += more; err != nil {
			return 0, err
		}
	}
	if pause {
		_, err = c.exec(setPaused, flag(true))
	}
	return added, err
}

// keepSelections adds holds of selections that the copy does not have, or has for a shorter time. All that
// waits in the copy waited when they began, as far as is known.
func keepSelections(ctx context.Context, c *conn, holds []chat.SelectionHold) (added int, err error) {
	there, err := list(ctx, c, selectSelectionHolds, selectionHoldOf)
	if err != nil {
		return 0, err
	}
	seq, err := lastSeq(ctx, c)
	if err != nil {
		return 0, err
	}
	for _, h := range holds {
		longer := func(x chat.SelectionHold) bool { return x.Of == h.Of && x.Through == 0 && !x.Until.Before(h.Until) }
		if slices.ContainsFunc(there, longer) {
			continue
		}
		for _, x := range there {
			if x.ID >= h.ID {
				h.ID = x.ID + 1
			}
		}
		h.Seq, h.Swept = seq, false
		if _, err := c.exec(upsertSelectionHold, selectionHoldRow(&h)...); err != nil {
			return added, err
		}
		there = append(there, h)
		added++
	}
	return added, nil
}

// keepHolds adds the holds to chats that have none, or a shorter one. They become a row of
// the table late, of which the next start makes rows of chats.
func keepHolds(ctx context.Context, c *conn, holds []chat.Chat) (added int, err error) {
	newest := map[string]lateChat{}
	last, err := eachLate(ctx, c, func(late *chat.Chat, waiting []chat.ActionID) error {
		newest[late.ID] = lateChat{*late, waiting}
		return nil
	})
	if err != nil {
		return 0, err
	}
	var rows []byte
	for _, h := range holds {
		was := chat.Chat{ID: h.ID, Line: h.Line}
		if late, ok := newest[h.ID]; ok {
			was = late.chat
			err = complete(c, &was, late.waiting)
		} else {
			err = loadChat(c, &was)
		}
		if err != nil {
			return 0, fmt.Errorf("chat %q: %w", h.ID, err)
		}
		if !h.Hold.Until.After(was.Hold.Until) {
			continue
		}
		was.Hold = h.Hold
		was.Hold.Seq = 0 // the event that set it has another sequence, or none, in this journal
		rows = appendLate(append(rows, ','), rowOf(&was))
		added++
	}
	if added == 0 {
		return 0, nil
	}
	rows[0] = '['
	_, err = c.exec(insertLate, last+1, optionalJSON(append(rows, ']')))
	return added, err
}
