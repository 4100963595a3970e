package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// someTime is a moment like any other.
var someTime = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// readings are all that a store is asked. Of a filled one each finds something.
var readings = map[string]func(s *Store, ctx context.Context) (any, error){
	"Pending":   func(s *Store, ctx context.Context) (any, error) { return s.Pending(ctx, store.Shard{Of: 1}, 0, 10) },
	"Unhandled": func(s *Store, ctx context.Context) (any, error) { return s.Unhandled(ctx, "c1") },
	"Chat":      func(s *Store, ctx context.Context) (any, error) { return OneChat(s.Chats(ctx, []string{"c1"})) },
	"State":     func(s *Store, ctx context.Context) (any, error) { return s.State(ctx, "p", "c1") },
	"KV":        func(s *Store, ctx context.Context) (any, error) { return s.KV(ctx, "p", "k", someTime) },
	"KVList": func(s *Store, ctx context.Context) (any, error) {
		return first(s.KVList(ctx, "p", "", "", someTime, 9, 99))
	},
	"KVUsage": func(s *Store, ctx context.Context) (any, error) {
		return s.KVUsage(ctx, "p", someTime, []string{"nothing"})
	},
	"CallLines":        func(s *Store, ctx context.Context) (any, error) { return s.CallLines(ctx, "", 9) },
	"CallsDue":         func(s *Store, ctx context.Context) (any, error) { return s.CallsDue(ctx, "L", store.Due{}, 9) },
	"TimersDue":        func(s *Store, ctx context.Context) (any, error) { return s.TimersDue(ctx, store.Due{}, 9) },
	"Stats":            func(s *Store, ctx context.Context) (any, error) { return withoutSize(s.Stats(ctx)) },
	"Event":            func(s *Store, ctx context.Context) (any, error) { return first(s.Event(ctx, "e1")) },
	"Events":           func(s *Store, ctx context.Context) (any, error) { return s.Events(ctx, "", 0, 9) },
	"Actions":          func(s *Store, ctx context.Context) (any, error) { return s.Actions(ctx, store.ActionFilter{}) },
	"Quarantined":      func(s *Store, ctx context.Context) (any, error) { return s.Quarantined(ctx, 9) },
	"QuarantinedAfter": func(s *Store, ctx context.Context) (any, error) { return s.QuarantinedAfter(ctx, 0, 9) },
	"Version":          func(s *Store, ctx context.Context) (any, error) { return first(s.Version(ctx, "p", filledVersion)) },
	"Comparison":       func(s *Store, ctx context.Context) (any, error) { return s.Comparison(ctx, "p", "v", "", 9) },
	"Versions":         func(s *Store, ctx context.Context) (any, error) { return s.Versions(ctx, "p", 9) },
	"PackStates":       func(s *Store, ctx context.Context) (any, error) { return s.PackStates(ctx) },
	"Concerned":        func(s *Store, ctx context.Context) (any, error) { return s.Concerned(ctx, "p", "") },
	"Paused":           func(s *Store, ctx context.Context) (any, error) { return s.Paused(ctx) },
	"IgnoreFile":       func(s *Store, ctx context.Context) (any, error) { return s.IgnoreFile(ctx) },
	"ReadCount":        func(s *Store, ctx context.Context) (any, error) { return s.ReadCount(ctx, "p") },
	"ScheduleDone": func(s *Store, ctx context.Context) (any, error) {
		return s.ScheduleDone(ctx, rules.ScheduleID{Pack: "p", Rule: "r", Every: "1h"}, someTime)
	},
	"ClockOffset": func(s *Store, ctx context.Context) (any, error) { return s.ClockOffset(ctx) },
	"LogCursor":   func(s *Store, ctx context.Context) (any, error) { return s.LogCursor(ctx, "log") },
	"Early":       func(s *Store, ctx context.Context) (any, error) { return s.Early(ctx, 0, 9) },
	"LineStops":   func(s *Store, ctx context.Context) (any, error) { return s.LineStops(ctx, "acme") },
	"CallPause":   func(s *Store, ctx context.Context) (any, error) { return s.CallPause(ctx, "acme") },
	"LearnedRate": func(s *Store, ctx context.Context) (any, error) { return s.LearnedRate(ctx, "acme") },
	"MissedPacks": func(s *Store, ctx context.Context) (any, error) { return s.MissedPacks(ctx) },
	"Missed": func(s *Store, ctx context.Context) (any, error) {
		return s.Missed(ctx, store.Shard{Of: 1}, []string{"q"}, 0, time.Unix(0, 0), 9)
	},
	"Vetoes":       func(s *Store, ctx context.Context) (any, error) { return s.Vetoes(ctx, "c1") },
	"BlockedReads": func(s *Store, ctx context.Context) (any, error) { return s.BlockedReads(ctx, "c1") },
	"Backlog": func(s *Store, ctx context.Context) (any, error) {
		recent, _, err := s.Backlog(ctx, "q", someTime)
		return recent, err
	},
	"Holds": func(s *Store, ctx context.Context) (any, error) {
		held, _, err := s.Holds(ctx, someTime, 20)
		return held, err
	},
	"Dead": func(s *Store, ctx context.Context) (any, error) { return s.Dead(ctx, store.DeadFilter{Chat: "c1"}, 9) },
	"DeadAfter": func(s *Store, ctx context.Context) (any, error) {
		return s.DeadAfter(ctx, store.DeadFilter{Pack: "p"}, chat.ActionID{}, 9)
	},
	"DeadGroups": func(s *Store, ctx context.Context) (any, error) { return s.DeadGroups(ctx, store.DeadFilter{}) },
	"ActionsByID": func(s *Store, ctx context.Context) (any, error) {
		return s.ActionsByID(ctx, []chat.ActionID{{Seq: 1, N: 2}})
	},
	"Attempts": func(s *Store, ctx context.Context) (any, error) {
		return s.Attempts(ctx, []chat.ActionID{{Seq: 1, N: 2}})
	},
	"Records":          func(s *Store, ctx context.Context) (any, error) { return s.Records(ctx, []int64{1, 2}) },
	"StatePacks":       func(s *Store, ctx context.Context) (any, error) { return s.StatePacks(ctx, "c1") },
	"UnsupportedLines": func(s *Store, ctx context.Context) (any, error) { return s.UnsupportedLines(ctx) },
	"WaitingLines":     func(s *Store, ctx context.Context) (any, error) { return s.WaitingLines(ctx, "", 9) },
	"WaitingChats":     func(s *Store, ctx context.Context) (any, error) { return s.WaitingChats(ctx, "L", "", 9) },
	"NoticeChats":      func(s *Store, ctx context.Context) (any, error) { return s.NoticeChats(ctx) },
	"BlockedChats":     func(s *Store, ctx context.Context) (any, error) { return s.BlockedChats(ctx, "", 9) },
	"CountWaiting":     func(s *Store, ctx context.Context) (any, error) { return s.CountWaiting(ctx, nil) },
	"CountChats":       func(s *Store, ctx context.Context) (any, error) { return s.CountChats(ctx, chat.Selection{Line: "L"}) },
	"SelectionHolds":   func(s *Store, ctx context.Context) (any, error) { return s.SelectionHolds(ctx) },
	"KVPacks":          func(s *Store, ctx context.Context) (any, error) { return s.KVPacks(ctx) },
}

func first[T, U any](v T, _ U, err error) (any, error) { return v, err }

func withoutSize(st store.Stats, err error) (any, error) {
	st.Bytes = 0 // the WAL grows when it likes
	return st, err
}

// filled is a store with something of everything, whose reading connections share
// a saboteur.
func filled(t *testing.T) (s *Store, sab *saboteur) {
	t.Helper()
	s = openWith(t, Options{tick: make(chan time.Time), readers: 2})
	ctx := t.Context()
	blocked := chat.Action{ID: chat.ActionID{Seq: 1, N: 1}, Kind: chat.Read, Chat: "c1", Pack: "p", Status: chat.Blocked, Requested: someTime}
	tr := half(1, "p", "c1")
	tr.Chat.Hold = chat.Hold{Until: someTime.Add(time.Hour), By: "operator"}
	tr.Chat.Line, tr.Chat.Waiting[0].Due, tr.Chat.Timers[0].Due = "L", someTime, someTime
	tr.Chat.SeenBy, tr.Chat.Recent, tr.Chat.Cooldown = chat.SeenOf(map[string]int64{"p": 1}), chat.Messages{IDs: []string{"m1"}}, map[string]time.Time{"p r": someTime}
	dead := blocked
	dead.ID.N, dead.Status = 2, chat.Dead
	tr.Actions, tr.Timers[0].Timer = append(slices.Clone(tr.Chat.Waiting), blocked, dead), tr.Chat.Timers[0]
	tr.Attempts = []chat.Attempt{{Action: dead.ID, CallOf: dead.ID, N: 1, At: someTime, HTTP: 404, Code: 2002, Error: "not found"}}
	tr.Compared = []turn.Compared{{Pack: "p", Version: "v", Result: turn.VetoDiffers}}
	tr.Missed = []turn.Missed{{Pack: "q", Seq: 1, Key: "c1", At: someTime, Why: rules.MissedFailed, CanVeto: true, Chats: []string{"c2"}}}
	tr.Schedules = []rules.ScheduleRun{{ScheduleID: rules.ScheduleID{Pack: "p", Rule: "r", Every: "1h"}, Done: someTime}}
	tr.ReadCounts = []rules.ReadCount{{Pack: "p", Count: 1, Limit: rules.Rate{N: 3, Per: time.Minute}}}
	tr.ReadCalls = []rules.ReadCall{{Pack: "p", Count: 1, At: someTime}}
	_, err := s.Append(ctx, []turn.Arrival{inChat("e1", "c1"), inChat("e2", "c1"), simple("alone")})
	for _, err := range []error{
		err,
		s.Commit(ctx, []turn.Transition{tr, {Chat: &chat.Chat{ID: chat.NotifyChat("desk")}}}),
		s.Quarantine(ctx, store.Quarantined{Source: "webhook", Header: map[string]string{"A": "b"}, Body: []byte("?")}),
		s.SaveVersion(ctx, store.Version{Pack: "p", Version: filledVersion, Files: filledFiles}),
		s.SetPackState(ctx, store.PackState{Pack: "p", Live: filledVersion}),
		s.SetPaused(ctx, true),
		s.ChangeList(ctx, store.ListChange{List: "vips", Version: 1, At: someTime, By: "ana", Set: []store.MemberSet{{Member: "c1"}}}),
		s.SetIgnoreFile(ctx, []byte("*.tmp")),
		s.SetClockOffset(ctx, time.Second),
		s.SetLogCursor(ctx, "log", someTime),
		early(s.AppendEarly(ctx, []turn.Arrival{simple("early")})),
		s.SetLineStop(ctx, "acme", store.LineStop{Line: "+14155550100", Since: someTime, Code: 4001, HTTP: 502, Error: "x", TraceID: "t"}),
		s.SetUnsupportedLine(t.Context(), store.UnsupportedLine{Line: "L", Since: someTime, Until: someTime}),
		s.SetSelectionHold(ctx, chat.SelectionHold{ID: 1, Of: chat.Selection{Line: "L"}, By: "alice", Began: someTime, Until: someTime}),
		s.SetCallPause(ctx, "acme", store.CallPause{Asked: someTime, Until: someTime, Why: "x"}),
		s.SetLearnedRate(ctx, "acme", store.LearnedRate{Rate: 4.8, Unsure: 0.01, At: someTime}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	sab = &saboteur{with: errInjected}
	for range s.size {
		c := <-s.readers
		c.faults = sab
		s.readers <- c
	}
	return s, sab
}

// The pack of filled.
var (
	filledFiles   = []store.VersionFile{{Name: "a.lua", Kind: rules.RuleFile, Bytes: []byte("x")}, {Name: "a_spec.lua", Kind: rules.SpecFile, Bytes: []byte("y")}}
	filledVersion = rules.VersionOf(filledFiles)
)

func early(_ []store.Receipt, err error) error { return err }

var errInjected = errors.New("injected")

// TestEveryReadFailsWithItsStatements: a read fails if one of its statements does: "there is none" would be
// acted on. Its connection serves the next read.
func TestEveryReadFailsWithItsStatements(t *testing.T) {
	t.Parallel()
	s, sab := filled(t)
	for name, read := range readings {
		sab.aim(-1)
		want, err := read(s, t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v := reflect.ValueOf(want); v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
			t.Errorf("%s finds nothing", name)
		}
		for nth, what := range slices.Clone(sab.ran) {
			if what == rollback {
				continue // it would leave its transaction open
			}
			sab.aim(nth + 1)
			if got, err := read(s, t.Context()); !errors.Is(err, errInjected) {
				t.Errorf("%s: %s failed, and it returns %s, %v", name, what.sql, show(got), err)
			}
			sab.aim(-1)
			for range s.size { // whichever connection it was
				if got, err := read(s, t.Context()); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s: after %s had failed it returns %s, %v; want %s", name, what.sql, show(got), err, show(want))
				}
			}
		}
	}
}

// TestReadsEndWithTheirContext: a read whose context ended returns the cause, and its connection is not
// lost.
func TestReadsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	s, _ := filled(t)
	why := errors.New("the operator has left")
	for name, read := range readings {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		for range 2 * s.size {
			if _, err := read(s, ctx); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v, want %v", name, err, why)
			}
		}
		if _, err := read(s, t.Context()); err != nil {
			t.Errorf("%s: then %v", name, err)
		}
	}
	if n := len(s.readers); n != s.size {
		t.Errorf("%d of %d connections are left", n, s.size)
	}
}

func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%+v", v)
	}
	return string(b)
}

// TestActionsRefusesMoreStatusesThanThereAre: more statuses than exist are an error.
func TestActionsRefusesMoreStatusesThanThereAre(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	for n, fails := range map[int]bool{len(statuses): false, len(statuses) + 1: true} {
		if _, err := s.Actions(t.Context(), store.ActionFilter{Status: make([]chat.Status, n)}); (err != nil) != fails {
			t.Errorf("%d len(statuses): %v", n, err)
		}
	}
}

// TestUnreadableQuotaIsAnError: it is not a conflict, which would run the handlers again and again.
func TestUnreadableQuotaIsAnError(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	over := turn.Transition{
		Reads:  []turn.KV{{Pack: "p", Key: "k"}},
		Writes: []turn.KV{{Pack: "p", Key: "k", Value: []byte(`"long"`)}},
		Quotas: []turn.Quota{{Pack: "p", Bytes: 3, At: someTime}},
	}
	commitOver := func() error { return s.Commit(t.Context(), []turn.Transition{over}) }
	sab := &saboteur{with: errInjected}
	sab.aim(-1)
	s.writer.conn.faults = sab
	if err := commitOver(); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("over its quota: %v", err)
	}
	for nth, what := range slices.Clone(sab.ran) {
		sab.aim(nth + 1)
		if err := commitOver(); !errors.Is(err, errInjected) {
			t.Errorf("%s failed, and the commit ended with %v", what.sql, err)
		}
	}
	sab.aim(-1)
	over.Quotas[0].Bytes = 100
	if err := commitOver(); err != nil {
		t.Errorf("within its quota: %v", err)
	}
}
