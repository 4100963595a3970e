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
	paused bool        // all calls
	holds  []chat.Chat // chats that are held: their ids, lines and holds
}

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
			r.holds = append(r.holds, chat.Chat{ID: c.ID, Line: c.Line, Hold: c.Hold})
		}
	}
	slices.SortFunc(r.holds, func(a, b chat.Chat) int { return strings.Compare(a.ID, b.ID) })
	return nil
}

// takeOver pauses calls in the copy of a backup at path, if it is to, and holds the chats
// that were held in the replaced store. It returns how many holds the backup did not have.
func takeOver(ctx context.Context, path string, pause bool, holds []chat.Chat) (added int, err error) {
	c, err := connect(ctx, path, "rw", busyTimeout, "journal_mode(MEMORY)", "synchronous(FULL)")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if len(holds) > 0 {
		// The copy of an older chertd may have no place for them.
		if err := migrate(ctx, c, path, migrations); err != nil {
			return 0, err
		}
		if added, err = keepHolds(ctx, c, holds); err != nil {
			return 0, err
		}
	}
	if pause {
		_, err = c.exec(setPaused, flag(true))
	}
	return added, err
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
