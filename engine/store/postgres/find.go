package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"chertd/engine/store/rowjson"
)

// These queries look through the whole journal, for people.
const (
	selectOfMessage = `SELECT seq FROM events WHERE message_id = $1 ORDER BY seq DESC LIMIT $2`

	// An envelope is only known to contain the text: Go reads its trace_id, as PostgreSQL refuses
	// JSON with a NUL or half of a surrogate pair. In the JSON of actions a quote that belongs to a
	// string has a backslash before it, so $2 is the trace_id of an action wherever it stands.
	selectTraced = `SELECT seq, raw FROM (
		SELECT seq, raw FROM events WHERE position($1::bytea IN raw) > 0
		UNION ALL SELECT seq, NULL FROM decisions WHERE strpos(actions, $2) > 0
		UNION ALL SELECT event_seq, NULL FROM attempts WHERE trace_id = $3) found ORDER BY seq DESC`

	// lower knows only ASCII under the collation "C". An envelope may be invalid UTF-8: as LATIN1,
	// a byte is a rune, in $2 too. JSON has no NUL, which is in no text of PostgreSQL.
	selectNaming = `SELECT seq, chat_id FROM events WHERE chat_id IS NOT NULL AND CASE
		WHEN decoded IS NOT NULL THEN strpos(lower(decoded COLLATE "C"), $1)
		WHEN position('\x00'::bytea IN raw) = 0 THEN strpos(lower(convert_from(raw, 'LATIN1') COLLATE "C"), $2)
		END > 0 ORDER BY seq DESC`
)

// MessageEvents implements store.Reader.
func (s *Store) MessageEvents(ctx context.Context, message string, limit int) ([]int64, error) {
	return browseRows(ctx, s, "look for a message", pgx.RowTo[int64], selectOfMessage, text(message), max(limit, 0))
}

// TracedEvents implements store.Reader.
func (s *Store) TracedEvents(ctx context.Context, trace string, limit int) ([]int64, error) {
	return browse(ctx, s, "look for a trace_id", func(tx pgx.Tx) (seqs []int64, err error) {
		if trace == "" || limit < 1 {
			return nil, nil
		}
		of := `"trace_id":` + string(rowjson.AppendString(nil, trace))
		err = walk(ctx, tx, "traced_events", selectTraced, func(row pgx.CollectableRow) error {
			var seq int64
			var raw []byte
			if err := row.Scan(&seq, &raw); err != nil {
				return err
			}
			if n := len(seqs); n > 0 && seqs[n-1] == seq || raw != nil && traceOf(raw) != trace {
				return nil
			}
			if seqs = append(seqs, seq); len(seqs) == limit {
				return errEnough
			}
			return nil
		}, []byte(trace), of, text(trace))
		return seqs, err
	})
}

// traceOf returns the trace_id of an envelope; "": it has none.
func traceOf(raw []byte) (id string) {
	var envelope struct {
		TraceID json.RawMessage `json:"trace_id"`
	}
	if json.Unmarshal(raw, &envelope) != nil || json.Unmarshal(envelope.TraceID, &id) != nil {
		return ""
	}
	return id
}

// EventsNaming implements store.Reader.
func (s *Store) EventsNaming(ctx context.Context, part string, limit int) ([]int64, error) {
	return browse(ctx, s, "look for a number", func(tx pgx.Tx) (seqs []int64, err error) {
		if limit < 1 {
			return nil, nil
		}
		latin1 := make([]rune, len(part))
		for i := range len(part) {
			latin1[i] = rune(part[i])
		}
		seen := map[string]bool{}
		err = walk(ctx, tx, "events_naming", selectNaming, func(row pgx.CollectableRow) error {
			var seq int64
			var id string
			if err := row.Scan(&seq, &id); err != nil || seen[id] {
				return err
			}
			seen[id] = true
			if seqs = append(seqs, seq); len(seqs) == limit {
				return errEnough
			}
			return nil
		}, text(part), text(string(latin1)))
		return seqs, err
	})
}
