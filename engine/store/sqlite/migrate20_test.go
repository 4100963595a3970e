package sqlite

import (
	"reflect"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules"
)

// beforeSchema20 undoes what schema 20 and later ones have added.
const beforeSchema20 = beforeSchema21 + `
DROP TABLE pack_comparisons;
DROP TABLE pack_differences;
ALTER TABLE packs DROP COLUMN share;
ALTER TABLE packs DROP COLUMN candidate;
ALTER TABLE packs DROP COLUMN promoted;
ALTER TABLE pack_versions DROP COLUMN candidate;
`

// TestPacksOfSchema19HaveNoCandidate: packs and versions of an older store are live in all
// chats, and none of them is a candidate.
func TestPacksOfSchema19HaveNoCandidate(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	state := store.PackState{Pack: "codes", Live: "aa", Mode: rules.Live, Pinned: "aa", PinnedOver: "bb"}
	version := store.Version{Pack: "codes", Version: "aa", Path: "codes.lua", Since: someTime, Last: someTime}
	for _, err := range []error{s.SaveVersion(t.Context(), version), s.SetPackState(t.Context(), state)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s = reopen(t, s, beforeSchema20+"PRAGMA user_version = 19", Options{tick: make(chan time.Time)})
	states, err := s.PackStates(t.Context())
	if want := []store.PackState{state}; err != nil || !reflect.DeepEqual(states, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, states, want)
	}
	got, ok, err := s.Version(t.Context(), "codes", "aa")
	if err != nil || !ok || !reflect.DeepEqual(got, version) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, version)
	}
	if compared, err := s.Comparison(t.Context(), "codes", "aa", "", 9); err != nil || !reflect.DeepEqual(compared, store.Comparison{}) {
		t.Errorf("%v, compared %+v", err, compared)
	}
}
