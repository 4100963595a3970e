package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// journaled appends n events, every other one of chat c1.
func journaled(t *testing.T, s *Store, n int) {
	t.Helper()
	var list []turn.Arrival
	for i := 1; i <= n; i++ {
		list = append(list, arrivalOf(fmt.Sprint("e", i), []string{"c1", "c2"}[i%2]))
	}
	receipts, err := s.Append(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	if last := receipts[n-1].Seq; last != int64(n) {
		t.Fatalf("the last of %d events has sequence %d", n, last)
	}
}

func execute(t *testing.T, s *Store, sql string, args ...any) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// The events of a chat are listed the newest first, across the pages in which they are looked up:
// those that wait, those that lead to one another, and what stays behind those that were removed.
func TestEventsOfAChatAreListedAcrossPages(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	const all, handled, removed = 2000, 1900, 300 // through handled they are decided, and through removed they went
	journaled(t, s, all)
	execute(t, s, `INSERT INTO decisions (seq, failed, next_n, prev_seq, actions)
		SELECT seq, false, 1, nullif(seq - 2, 0), '[{"n":0,"kind":"read","status":"done","pack":"p"}]' FROM events WHERE chat_id = 'c1' AND seq <= $1`, handled)
	execute(t, s, `DELETE FROM pending WHERE seq <= $1`, handled)
	execute(t, s, `INSERT INTO chats (id, line, last_seq, waiting, retries, state) VALUES ('c1', '', $1, '[[20,0],[10,0]]', 0, '{}')`, handled)
	execute(t, s, `INSERT INTO open_actions (event_seq, n, status, kind, chat_id, pack, version, covers_seq, code, http) VALUES (30, 0, 'dead', 'read', 'c1', 'p', 'v', 0, 0, 0)`)
	kept := []int64{30, 20, 10}
	for _, table := range []string{"events", "decisions"} {
		execute(t, s, `DELETE FROM `+table+` WHERE seq <= $1 AND seq <> ALL($2)`, removed, kept)
	}
	var want []int64
	for seq := int64(all); seq > removed; seq -= 2 {
		want = append(want, seq)
	}
	want = append(want, kept...)
	for _, before := range []int64{0, all, handled + 10, handled, 1000, removed + 2, removed, 20, 10, 1} {
		for _, limit := range []int{0, 1, 16, 17, 100, len(want), all} {
			var expect []int64
			for _, seq := range want {
				if (before == 0 || seq < before) && len(expect) < limit {
					expect = append(expect, seq)
				}
			}
			records, err := s.Events(t.Context(), "c1", before, limit)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, r := range records {
				got = append(got, r.Seq)
				if (r.Decision != nil) != (r.Seq <= handled) {
					t.Fatalf("event %d has the decision %v", r.Seq, r.Decision)
				}
			}
			if !slices.Equal(got, expect) {
				t.Fatalf("before %d, at most %d:\n got %v\nwant %v", before, limit, got, expect)
			}
		}
	}
	// Only those that are handled have actions.
	decided := slices.DeleteFunc(slices.Clone(want), func(seq int64) bool { return seq > handled })
	for _, f := range []store.ActionFilter{{Chat: "c1", Limit: 1}, {Chat: "c1", Limit: 500}, {Limit: 63}, {Limit: 64}, {Limit: 65}, {Limit: all}, {Limit: all, Pack: "p"}} {
		actions, err := s.Actions(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, a := range actions {
			got = append(got, a.ID.Seq)
		}
		if expect := decided[:min(f.Limit, len(decided))]; !slices.Equal(got, expect) {
			t.Errorf("actions %+v:\n got %v\nwant %v", f, got, expect)
		}
	}
}

// Envelopes come from outside: what PostgreSQL refuses in text and in JSON is searched as well.
func TestAnyEnvelopeIsSearched(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	raws := []string{
		`{"trace_id":"t-1","from":"Ann@Example.COM"}`,
		"{\"trace_id\":\"t-1\",\"from\":\"ann@example.com\",\"text\":\"\xff\xc3(\"}", // invalid UTF-8
		`{"trace_id":"t-1","text":"\u0000 \ud800","from":"ÄÖ@x.de"}`,                 // no text, and no jsonb
		"\x00{\"trace_id\":\"t-1\"} ann@example.com",                                 // no JSON
		`{"text":"\"trace_id\":\"t-1\""}`,
		`{"trace_id":"ü-t"}`,
	}
	journaled(t, s, len(raws)+3)
	for i, raw := range raws {
		execute(t, s, `UPDATE events SET decoded = NULL, raw = $2, chat_id = $3 WHERE seq = $1`, i+1, []byte(raw), fmt.Sprint("c", i))
	}
	n := int64(len(raws))
	execute(t, s, `UPDATE events SET decoded = $2 WHERE seq = $1`, n+1, `{"from":"B@x.de","text":"ß \\u0000"}`)
	execute(t, s, `INSERT INTO decisions (seq, failed, next_n, actions) VALUES ($1, false, 2, $2), ($3, false, 2, $4)`,
		n+2, `[{"n":0,"body":"\"trace_id\":\"t-1\""},{"n":1,"trace_id":"t-1"}]`,
		n+3, `[{"n":0,"body":"\"trace_id\":\"t-1\""},{"n":1,"trace_id":"t-12"}]`)
	execute(t, s, `INSERT INTO attempts (event_seq, n, attempt, http, code, trace_id) VALUES (2, 0, 1, 0, 0, 't-1'), (2, 0, 2, 0, 0, 't-1'), (1, 0, 1, 0, 0, $1)`, text("\x00t"))
	for trace, want := range map[string][]int64{"t-1": {n + 2, 3, 2, 1}, "ü-t": {6}, "\x00t": {1}, "t-12": {n + 3}, "\xff": nil} {
		got, err := s.TracedEvents(t.Context(), trace, 9)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("events of trace %q: %v, %v; want %v", trace, got, err, want)
		}
	}
	for part, want := range map[string][]int64{"ann@example.com": {2, 1}, "b@x.de": {n + 1}, "Ö@x.de": {3}, "ß": {n + 1}, "\xff": {2}, "\xc3(": {2}, "\x00": nil, "%": nil} {
		got, err := s.EventsNaming(t.Context(), part, 9)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("events that name %q: %v, %v; want %v", part, got, err, want)
		}
	}
}

// Requests of people that take long leave connections to the engine, and those that wait for
// them end with their context, and with the store.
func TestPeopleLeaveConnections(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	journaled(t, s, 3)
	begun, end := make(chan struct{}), make(chan struct{})
	results := make(chan error, cap(s.people))
	for range cap(s.people) {
		go func() {
			_, err := browse(t.Context(), s, "wait", func(tx pgx.Tx) (int, error) {
				begun <- struct{}{}
				<-end
				return 0, nil
			})
			results <- err
		}()
	}
	for range cap(s.people) {
		<-begun
	}
	if records, err := s.Records(t.Context(), []int64{1, 3, 9}); err != nil || len(records) != 2 {
		t.Errorf("%d records, %v", len(records), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Stats(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "read the counts") {
		t.Errorf("a request that waited: %v", err)
	}
	close(end)
	for range cap(s.people) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Stats(t.Context()); err != nil {
		t.Error(err)
	}
}

// Strings that PostgreSQL can't keep name chats, lines and packs as any others.
func TestStrangeNamesAreFound(t *testing.T) {
	t.Parallel()
	s := open(t, newPlace(t))
	const name = "nul\x00\xff\U0010ffff"
	journaled(t, s, 1)
	execute(t, s, `INSERT INTO chats (id, line, last_seq, waiting, retries, hold_until, state) VALUES ($1, $1, 0, '[[1,0]]', 0, now() + interval '1h', '{"is_group":true}')`, text(name))
	execute(t, s, `INSERT INTO open_actions (event_seq, n, status, kind, chat_id, pack, version, covers_seq, code, http) VALUES
		(1, 0, 'dead', 'read', $1, $1, 'v', 0, 0, 0), (1, 1, 'blocked', 'read', $1, $1, 'v', 0, 0, 0)`, text(name))
	execute(t, s, `INSERT INTO missed (pack, seq, key, slot, at, version, why, can_veto, can_hold) VALUES ($1, 1, $1, 0, now(), $1, 'failed', true, true)`, text(name))
	ctx := t.Context()
	is := func(what string, n int, err error) {
		t.Helper()
		if n != 1 || err != nil {
			t.Errorf("%s: %d, %v; want 1", what, n, err)
		}
	}
	lines, err := s.WaitingLines(ctx, name, 9)
	is("lines", slices.Index(lines, name)+1, err)
	chats, err := s.WaitingChats(ctx, name, "", 9)
	is("chats", slices.Index(chats, name)+1, err)
	blocked, err := s.BlockedChats(ctx, "", 9)
	is("blocked chats", slices.Index(blocked, name)+1, err)
	line := name
	n, err := s.CountWaiting(ctx, &line)
	is("waiting", int(n), err)
	n, err = s.CountChats(ctx, chat.Selection{Line: name, IsGroup: event.True})
	is("chosen", int(n), err)
	dead, err := s.DeadAfter(ctx, store.DeadFilter{Chat: name, Pack: name}, chat.ActionID{}, 9)
	is("dead", slices.Index(dead, store.DeadID{ID: chat.ActionID{Seq: 1}, Chat: name})+1, err)
	holds, total, err := s.Holds(ctx, time.Now(), 9)
	is("holds", slices.IndexFunc(holds, func(h store.Hold) bool { return h.Chat == name })+int(total), err)
	vetoes, err := s.Vetoes(ctx, name)
	is("vetoes", slices.IndexFunc(vetoes, func(m turn.Missed) bool { return m.Pack == name && m.Key == name && m.Version == name })+1, err)
	missed, err := s.Missed(ctx, store.Shard{Of: 1}, []string{"other", name}, 0, time.Time{}, 9)
	is("missed", slices.IndexFunc(missed, func(m turn.Missed) bool { return m.Pack == name })+1, err)
	recent, _, err := s.Backlog(ctx, name, time.Time{})
	is("backlog", int(recent.Events), err)
	is("blocked reads", int(recent.Reads), nil)
}
