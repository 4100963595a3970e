package main

import (
	"strings"
	"testing"

	"chertd/engine/control"
)

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
