package main

import (
	"strings"
	"testing"

	"chertd/engine/control"
)

// A limit that is advised lets more through.
func TestOlderChangesAdvisesALargerLimit(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]string{
		1: "--limit 10 ", 100: "--limit 1000 ", 5000: "--limit 10000 ", control.MaxListShown - 1: "--limit 10000 ",
		control.MaxListShown: "at most 10,000 are printed, and the table list_changes of the store has all",
	} {
		if got := olderChanges(limit); !strings.Contains(got, want) || strings.Contains(got, "--limit") != (limit < control.MaxListShown) {
			t.Errorf("with a limit of %d: %q, want %q", limit, got, want)
		}
	}
}

// What was not on a list is not counted as unchanged, however many there are.
func TestChangedWordsOfARemoval(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		l    control.ListChanged
		want string
	}{
		{control.ListChanged{Removed: 1, Unchanged: 1, NotThere: []string{"a"}}, "list : 1 removed; it has 0 members now, version 0|not on it: a"},
		{control.ListChanged{Unchanged: 130, NotThere: []string{"a", "b"}}, "list : nothing changed; it has 0 members now, version 0|not on it: a, b and 128 more"},
		{control.ListChanged{Added: 1, Unchanged: 2}, "list : 1 added, 2 unchanged; it has 0 members now, version 0"},
	} {
		if got := strings.Join(changedWords(tt.l), "|"); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
