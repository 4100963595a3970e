package sqlite

import (
	"context"
	"database/sql/driver"

	"chertd/engine/store"
)

var (
	upsertCallPause = declare(`INSERT INTO call_pauses (credential, asked_at, until_at, why) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET asked_at = excluded.asked_at, until_at = excluded.until_at, why = excluded.why`)
	selectCallPause = declare(`SELECT asked_at, until_at, why FROM call_pauses WHERE credential = ?`)
)

// CallPause implements store.Store.
func (s *Store) CallPause(ctx context.Context, credential string) (p store.CallPause, err error) {
	err = s.read(ctx, "read until when calls wait", func(c *conn) error {
		return c.query(ctx, selectCallPause, func(row []driver.Value) error {
			p = store.CallPause{Asked: timeOf(row[0]), Until: timeOf(row[1]), Why: stringOf(row[2])}
			return nil
		}, credential)
	})
	return p, err
}

// SetCallPause implements store.Store.
func (s *Store) SetCallPause(ctx context.Context, credential string, p store.CallPause) error {
	var st step
	st.add(upsertCallPause, credential, micros(p.Asked), micros(p.Until), optional(p.Why))
	return s.submit(ctx, newRequest("keep until when calls wait", st), true)
}
