package sqlite

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"chertd/engine/store"
)

// What was in quarantine before schema 19 is recognized by its body, and a delivery that was
// too long is known to be truncated.
func TestQuarantineOfSchema17(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	long := bytes.Repeat([]byte("x"), 1<<20+1)
	for _, q := range []store.Quarantined{
		{Source: "stream", Reason: "longer than 1048576 bytes", Body: long},
		{Source: "catchup", Reason: "longer than 1048576 bytes", Body: append([]byte("y"), long[1:]...)},
		{Source: "webhook", Reason: "not JSON", Body: []byte("x")},
	} {
		if err := s.Quarantine(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	s = reopen(t, s, beforeSchema19+"PRAGMA user_version = 18", Options{tick: make(chan time.Time)})
	list, err := s.QuarantinedAfter(t.Context(), 0, 9)
	for i := 0; err == nil && len(list) < 3 && i < 9; i++ { // large bodies come one by one
		var more []store.Quarantined
		more, err = s.QuarantinedAfter(t.Context(), list[len(list)-1].ID, 9)
		list = append(list, more...)
	}
	if err != nil || len(list) != 3 || !list[0].Truncated || list[1].Truncated || list[2].Truncated {
		t.Errorf("%d deliveries, %v", len(list), err)
	}
	if err := s.Quarantine(t.Context(), store.Quarantined{Source: "catchup", Body: []byte("x"), Event: "e1"}); !errors.Is(err, store.ErrInQuarantine) {
		t.Errorf("a body that is there: %v", err)
	}
}
