package postgres

import (
	"errors"
	"strings"
	"testing"
	"time"

	"chertd/rules/turn"
)

func hintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// A store that can't reach its database is unhealthy until it can.
func TestHealthyFollowsTheDatabase(t *testing.T) {
	t.Parallel()
	p, proxy := newPlace(t), newProxy(t)
	s := open(t, &place{url: proxy.url, schema: p.schema})
	if err := s.Healthy(); err != nil {
		t.Fatal(err)
	}
	proxy.cut(true)
	if _, err := s.Append(t.Context(), []turn.Arrival{arrivalOf("e1", "c1")}); err == nil {
		t.Error("an append without a database returns no error")
	}
	if err := s.Healthy(); err == nil || !strings.Contains(hintOf(err), "can be reached") {
		t.Errorf("without a database: %v, hint %q", err, hintOf(err))
	}
	proxy.cut(false)
	if err := s.measured(s.tryIntake); err != nil {
		t.Errorf("the database is back: %v", err)
	}
	if err := s.Healthy(); err != nil {
		t.Errorf("the database is back: %v", err)
	}
	if last := s.LastSeq(); last != 0 {
		t.Errorf("the trial is event %d of the journal", last)
	}
	if receipts, err := s.Append(t.Context(), []turn.Arrival{arrivalOf("e1", "c1")}); err != nil || receipts[0].Seq != 1 {
		t.Errorf("append later: %+v, %v", receipts, err)
	}
}

// A store that can't write is unhealthy until it can.
func TestUnhealthyWithoutATable(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	if _, err := s.pool.Exec(t.Context(), `ALTER TABLE pending RENAME TO elsewhere`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{arrivalOf("e1", "c1")}); err == nil {
		t.Error("an append without a table returns no error")
	}
	if err := s.Healthy(); err == nil || hintOf(err) == "" {
		t.Errorf("without a table: %v", err)
	}
	if _, err := s.pool.Exec(t.Context(), `ALTER TABLE elsewhere RENAME TO pending`); err != nil {
		t.Fatal(err)
	}
	if err := s.measured(s.tryIntake); err != nil || s.Healthy() != nil {
		t.Errorf("with the table again: %v, %v", err, s.Healthy())
	}
}

// While an append hangs, the store says for how long, and takes no more.
func TestAppendsAreRefusedWhileOneHangs(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var now time.Time
	s, err := Open(t.Context(), Options{URL: p.url, Schema: p.schema, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now = time.Unix(1000, 0)
	s.journal.lock()
	now = now.Add(stallAfter - 1)
	if err := s.Healthy(); err != nil {
		t.Errorf("just before: %v", err)
	}
	now = now.Add(1)
	var stalled *StalledError
	if err := s.Healthy(); !errors.As(err, &stalled) || stalled.For != stallAfter {
		t.Errorf("after %s: %v", stallAfter, err)
	}
	if _, err := s.Append(t.Context(), []turn.Arrival{arrivalOf("e1", "c1")}); !errors.As(err, &stalled) {
		t.Errorf("append: %v", err)
	}
	s.journal.unlock()
	if _, err := s.Append(t.Context(), []turn.Arrival{arrivalOf("e1", "c1")}); err != nil {
		t.Errorf("append later: %v", err)
	}
}
