package sqlite

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// beforeSchema21 undoes what schema 21 and later ones have added.
const beforeSchema21 = beforeSchema22 + `
ALTER TABLE packs DROP COLUMN mode_by;
ALTER TABLE packs DROP COLUMN mode_reason;
ALTER TABLE packs DROP COLUMN mode_at;
ALTER TABLE packs DROP COLUMN mode_until;
ALTER TABLE packs DROP COLUMN mode_under;
ALTER TABLE packs DROP COLUMN rule_modes;
ALTER TABLE timers DROP COLUMN rule;
`

// TestModesOfSchema20HaveNoEnd: modes of an older store hold until another command, no rule
// has one of its own, and of timers it is not known which rule set them.
func TestModesOfSchema20HaveNoEnd(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	state := store.PackState{Pack: "codes", Live: "aa", Mode: rules.Shadow}
	timer := chat.Timer{Pack: "codes", Name: "t", Version: "aa", Due: someTime, Seq: 1}
	for _, err := range []error{
		s.SaveVersion(t.Context(), store.Version{Pack: "codes", Version: "aa", Path: "codes.lua", Since: someTime, Last: someTime}),
		s.SetPackState(t.Context(), state),
		s.Commit(t.Context(), []turn.Transition{{Chat: &chat.Chat{ID: "c", Timers: []chat.Timer{timer}}, Timers: []chat.TimerChange{{Timer: timer}}}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s = reopen(t, s, beforeSchema21+"PRAGMA user_version = 20", Options{tick: make(chan time.Time)})
	states, err := s.PackStates(t.Context())
	if want := []store.PackState{state}; err != nil || !reflect.DeepEqual(states, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, states, want)
	}
	chats, err := s.Chats(t.Context(), []string{"c"})
	if want := []chat.Timer{timer}; err != nil || !reflect.DeepEqual(chats[0].Timers, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, chats[0].Timers, want)
	}
}

// TestDamagedModesNameThePack: what commands set of a pack is not forgotten silently.
func TestDamagedModesNameThePack(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"mode_under", "rule_modes"} {
		s := openInside(t)
		if err := s.SetPackState(t.Context(), store.PackState{Pack: "codes", Mode: rules.Off, Author: live.Author{By: "anna"}}); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, s, "UPDATE packs SET "+column+" = '{'", Options{tick: make(chan time.Time)})
		if _, err := s.PackStates(t.Context()); err == nil || !strings.Contains(err.Error(), `pack "codes": what commands set of it`) {
			t.Errorf("%s: %v", column, err)
		}
		s.Close()
	}
}
