package sqlite

import (
	"reflect"
	"testing"
	"time"

	"chertd/rules/chat"
)

// beforeSchema24 undoes what schema 24 and later ones have added.
const beforeSchema24 = `
DROP TABLE selection_holds;
DROP INDEX chats_waiting;
CREATE INDEX chats_waiting ON chats (id) WHERE waiting IS NOT NULL;
`

// TestWhatWaitsInSchema23IsListed: chats of an older store whose actions wait are listed by their
// line, and no selection is held.
func TestWhatWaitsInSchema23IsListed(t *testing.T) {
	t.Parallel()
	s, _ := filled(t)
	if err := s.DropSelectionHold(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, beforeSchema24+"PRAGMA user_version = 23", Options{tick: make(chan time.Time)})
	if lines, err := s.WaitingLines(t.Context(), "", 9); err != nil || !reflect.DeepEqual(lines, []string{"L"}) {
		t.Errorf("lines %q, %v", lines, err)
	}
	if chats, err := s.WaitingChats(t.Context(), "L", "", 9); err != nil || !reflect.DeepEqual(chats, []string{"c1"}) {
		t.Errorf("chats %q, %v", chats, err)
	}
	if holds, err := s.SelectionHolds(t.Context()); err != nil || len(holds) != 0 {
		t.Errorf("holds %+v, %v", holds, err)
	}
	if err := s.SetSelectionHold(t.Context(), chat.SelectionHold{ID: 1, By: "alice", Began: someTime, Until: someTime}); err != nil {
		t.Error(err)
	}
	intact(t, s)
}
