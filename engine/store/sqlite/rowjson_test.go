package sqlite

import (
	"testing"

	"chertd/engine/event"
	"chertd/engine/store/rowjson"
	"chertd/rules/chat"
)

// SQLite reads what is written: views select from it.
func TestSQLiteReadsTheJSON(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	for i, reason := range []string{
		"\x00", "\x1f\x7f", `"\/`, "\u2028\u2029", "\xff", "a\xc3", "\xed\xa0\x80", "\U0010ffff", `\udc80`,
	} {
		text := rowjson.AppendChat(nil, &chat.Chat{IsGroup: event.True, Hold: chat.Hold{Reason: reason, Seq: int64(i + 1)}})
		valid, err := s.writer.conn.one(t.Context(), &statement{sql: `SELECT json_valid(?1) AND ?1 ->> '$.hold_seq' = ?2 AND ?1 ->> '$.is_group' = 1`}, string(text), int64(i+1))
		if err != nil || intOf(valid) != 1 {
			t.Errorf("%s is not valid for SQLite: %v", text, err)
		}
	}
}
