package sqlite

import (
	"context"
	"time"
)

var (
	upsertClockOffset = declare(`INSERT INTO meta (key, value) VALUES ('clock_offset', ?)
		ON CONFLICT DO UPDATE SET value = excluded.value`)
	selectClockOffset = declare(`SELECT value FROM meta WHERE key = 'clock_offset'`)
)

// ClockOffset implements store.Store.
func (s *Store) ClockOffset(ctx context.Context) (offset time.Duration, err error) {
	err = s.read(ctx, "read the clock's offset", func(c *conn) error {
		v, err := c.one(ctx, selectClockOffset)
		offset = time.Duration(intOf(v)) * time.Microsecond
		return err
	})
	return offset, err
}

// SetClockOffset implements store.Store.
func (s *Store) SetClockOffset(ctx context.Context, offset time.Duration) error {
	var st step
	st.add(upsertClockOffset, offset.Microseconds())
	return s.submit(ctx, newRequest("keep the clock's offset", st), true)
}
