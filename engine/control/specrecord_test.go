package control

import "testing"

// TestRecordRequestsReachTheDaemon: ids of chats may hold what has a meaning in a path.
func TestRecordRequestsReachTheDaemon(t *testing.T) {
	t.Parallel()
	f := &fake{}
	c := dialed(t, f)
	for want, q := range map[string]RecordQuery{
		`record "c1" since "" files of "" ""`:                  {Chat: "c1"},
		`record "a/b c?d" since "24h" files of "" ""`:          {Chat: "a/b c?d", Since: "24h"},
		`record "c1" since "" files of "codes" "3f786850aa77"`: {Chat: "c1", Pack: "codes", Version: "3f786850aa77"},
	} {
		if r, err := c.RecordChat(t.Context(), q); err != nil || f.last() != want || r.Chat != q.Chat {
			t.Errorf("the daemon got %q, %v; want %q", f.last(), err, want)
		}
	}
}
