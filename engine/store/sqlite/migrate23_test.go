package sqlite

import (
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

// beforeSchema23 undoes what schema 23 and later ones have added.
const beforeSchema23 = beforeSchema24 + `
DROP TABLE lists;
DROP TABLE list_members;
DROP TABLE list_changes;
ALTER TABLE decisions DROP COLUMN lists;
`

// TestStoreOfSchema22HasNoLists: an older store has no lists, its decisions name none, and
// both can be added.
func TestStoreOfSchema22HasNoLists(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	receipts, err := s.Append(t.Context(), []turn.Arrival{inChat("e1", "c1"), inChat("e2", "c1")})
	if err != nil {
		t.Fatal(err)
	}
	seq := receipts[0].Seq
	if err := s.Commit(t.Context(), []turn.Transition{{Decision: &turn.Decision{Seq: seq, At: someTime, Note: "old"}}}); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, beforeSchema23+"PRAGMA user_version = 22", Options{tick: make(chan time.Time)})
	lists, err := s.Lists(t.Context())
	if err != nil || len(lists) != 0 {
		t.Errorf("lists %v, %v", lists, err)
	}
	records, err := s.Records(t.Context(), []int64{seq})
	if err != nil || len(records) != 1 || records[0].Decision.Note != "old" || records[0].Decision.Lists != nil {
		t.Errorf("records %+v, %v", records, err)
	}
	if err := s.ChangeList(t.Context(), store.ListChange{List: "vips", Version: 1, At: someTime, By: "ana", Set: []store.MemberSet{{Member: "c1"}}}); err != nil {
		t.Error(err)
	}
	newer := receipts[1].Seq
	if err := s.Commit(t.Context(), []turn.Transition{{Decision: &turn.Decision{Seq: newer, At: someTime, Lists: rules.ListVersions{"vips": 1}}}}); err != nil {
		t.Error(err)
	}
	if records, err = s.Records(t.Context(), []int64{newer}); err != nil || records[0].Decision.Lists["vips"] != 1 {
		t.Errorf("records %+v, %v", records, err)
	}
}
