package diag

import "testing"

func TestSuggest(t *testing.T) {
	t.Parallel()
	known := []string{"mark_read", "cancel_read", "keep_unread", "hold", "id", "is_group", "handles", "line"}
	for name, want := range map[string]string{
		"mark_reed": "mark_read", "markRead": "mark_read", "MARK-READ": "mark_read", "ID": "id", "isGroup": "is_group",
		"handels": "handles", "hodl": "hold", "lines": "line", "kep_unraed": "keep_unread",
		"x": "", "send": "", "": "", "mark_read": "", "ix": "",
	} {
		if got := Suggest(name, known); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", name, got, want)
		}
	}
}
