package postgres

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

// Strings that PostgreSQL does not keep in text come back from every table of the journal and of
// the daemon.
func TestStringsThatPostgresRefusesComeBack(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, newPlace(t)), t.Context()
	at := time.Date(2026, 1, 5, 12, 0, 0, 1000, time.UTC)
	for _, odd := range []string{"nul\x00", "\xff\xfe", "\U0010ff41", "a\xc3", "'; --"} {
		same := func(what string, got, want any, err error) {
			t.Helper()
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s of %q: got %+v, %v; want %+v", what, odd, got, err, want)
			}
		}
		set := func(err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%q: %v", odd, err)
			}
		}
		e := event.Event{ID: odd, Type: odd, Source: odd, Pack: odd, Chat: &event.Chat{ID: odd, Line: odd}, Message: &event.Message{ID: odd, Direction: odd}}
		receipts, err := s.Append(ctx, []turn.Arrival{{Event: e, Received: at}})
		same("receipts", len(receipts), 1, err)
		newest, err := s.Unhandled(ctx, odd)
		same("unhandled", newest, receipts[0].Seq, err)
		pending, err := s.Pending(ctx, store.Shard{Of: 1}, receipts[0].Seq-1, 9)
		same("pending", pending, []turn.Entry{{Seq: receipts[0].Seq, Arrival: turn.Arrival{Event: e, Received: at}}}, err)

		early := turn.Arrival{Event: event.Event{ID: "early " + odd, Type: odd, Source: odd, Raw: []byte(odd)}, Received: at}
		_, err = s.AppendEarly(ctx, []turn.Arrival{early, {Event: e}})
		set(err)
		list, err := s.Early(ctx, 0, 9)
		same("early", list, []store.Early{{N: list[0].N, ID: "early " + odd, Type: odd, Source: odd, Received: at, Body: []byte(odd)}}, err)
		set(s.DropEarly(ctx, list[0].N))

		q := store.Quarantined{Received: at, Source: odd, Reason: odd, Body: []byte(odd), Event: odd}
		set(s.Quarantine(ctx, q))
		kept, err := s.Quarantined(ctx, 1)
		q.ID, q.Event = kept[0].ID, ""
		same("quarantine", kept, []store.Quarantined{q}, err)
		set(s.DropQuarantined(ctx, []int64{q.ID}))
		if err := s.Quarantine(ctx, store.Quarantined{Body: []byte("other"), Event: odd}); !errors.Is(err, store.ErrInQuarantine) {
			t.Errorf("%q was dropped and came again: %v", odd, err)
		}

		set(s.SetLogCursor(ctx, odd, at))
		cursor, err := s.LogCursor(ctx, odd)
		same("cursor", cursor, at, err)
		pause := store.CallPause{Asked: at, Until: at, Why: odd}
		set(s.SetCallPause(ctx, odd, pause))
		gotPause, err := s.CallPause(ctx, odd)
		same("pause", gotPause, pause, err)
		stop := store.LineStop{Line: odd, Since: at, Code: 1 << 40, HTTP: 502, Error: odd, TraceID: odd}
		set(s.SetLineStop(ctx, odd, stop))
		stops, err := s.LineStops(ctx, odd)
		same("line stops", stops, []store.LineStop{stop}, err)
		line := store.UnsupportedLine{Line: odd, Since: at, Until: at, TraceID: odd}
		set(s.SetUnsupportedLine(ctx, line))
		lines, err := s.UnsupportedLines(ctx)
		same("lines", lines, []store.UnsupportedLine{line}, err)
		set(s.DropUnsupportedLine(ctx, odd))
		rate := store.LearnedRate{Rate: 1.0 / 3, At: at}
		set(s.SetLearnedRate(ctx, odd, rate))
		gotRate, err := s.LearnedRate(ctx, odd)
		same("rate", gotRate, rate, err)

		change := store.ListChange{List: odd, Version: 1, At: at, By: odd, Set: []store.MemberSet{{Member: odd, Reason: odd}}, Remove: []string{odd + "x"}, RemovedAs: store.MemberRemoved, Reason: odd}
		set(s.ChangeList(ctx, change))
		members, err := s.ListMembers(ctx, store.MemberQuery{List: odd, Limit: 9})
		same("members", members, []store.ListMember{{Member: odd, AddedAt: at, By: odd, Reason: odd}}, err)
		history, err := s.ListHistory(ctx, odd, 9)
		same("history", history, []store.ListChanged{
			{Version: 1, Member: odd + "x", At: at, By: odd, Action: store.MemberRemoved, Reason: odd}, {Version: 1, Member: odd, At: at, By: odd, Action: store.MemberAdded, Reason: odd},
		}, err)
		n, err := s.EraseListMember(ctx, odd, at)
		same("erased", n, 2, err)
		lists, err := s.Lists(ctx)
		found := false
		for _, l := range lists {
			found = found || reflect.DeepEqual(l, rules.NewList(odd, 2, nil))
		}
		same("list", found, true, err)
	}
}
