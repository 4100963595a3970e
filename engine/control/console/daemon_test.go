package console_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

// secret is the token of the daemons of these tests.
const secret = "sesame-7Kq2"

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// fake is a daemon that answers what its fields have, and notes what it is to do. Its
// other methods panic.
type fake struct {
	control.Daemon
	mu         sync.Mutex
	did        []string
	refuse     error // of whatever changes something
	status     control.Status
	packs      []control.Pack
	rules      control.Rules
	dead       control.Dead
	quarantine control.Quarantine
	waiting    control.Waiting
	explained  control.Explained
	lists      []control.List
	differ     control.Differences
	tails      chan *tailed // receives each tail; nil: they are not noted
}

// newFake returns a daemon in which something of everything is to be seen.
func newFake() *fake {
	return &fake{
		status: control.Status{
			Version: "v1.2.0", Since: noon, Ready: true, Events: 1204, Chats: 31, Bytes: 5 << 20, Packs: 2, NotLive: 1,
			Calls:     control.Calls{State: control.CallsGoOut, Ceiling: 10, Learned: 6.5, LastConfirmed: noon, Lines: []control.LineStop{{Line: "+14155550100", Since: noon, HTTP: 502, Error: "bad gateway"}}},
			Actions:   map[string]int64{"waiting": 3, "done": 1180, "dead": 2},
			Holds:     &control.Holds{Total: 1, First: []control.Hold{{Chat: "chat-held", By: "vip/hold", Until: noon.Add(time.Hour), Reason: "asked for quiet"}}},
			Postponed: &control.Postponed{Total: 1, First: []control.Postponement{{Chat: "chat-late", By: "night/rest", Until: noon.Add(time.Hour)}}},
			Notes:     []string{"pack vip: an edit is not live: it does not load"}, Quarantined: 1,
			Webhook: &control.Webhook{Accepted: 1204, Lag: control.Lag{LastEvent: noon}}, Catchup: &control.Catchup{State: control.CatchupDone, Passed: noon},
		},
		packs: []control.Pack{
			{Name: "vip", Path: "rules/vip", Version: "3f786850e387550f", Since: noon, Mode: "live", ModeBy: "default", Rules: 2, Events: 900, NotLive: "it does not load",
				Diagnostics: diag.List{{File: "rules/vip/10-hold.lua", Line: 12, Col: 3, Severity: "error", Message: "unexpected symbol near 'end'", Code: "CH001", Hint: "close the call"}},
				Edit:        &control.Edit{Files: []control.FileEdit{{File: "10-hold.lua", Change: control.FileChanged, Diff: []string{"@@ -11,3 +11,3 @@", " local x = 1", "-end)", "+end"}}}},
				Comparison:  &control.Comparison{Version: "89e6c98d92887913", Against: "3f786850e387550f", Since: noon, Events: 100, Agreed: 97, Differ: 3, Veto: 3},
				Versions:    []control.PackVersion{{Version: "3f786850e387550f", Since: noon, Last: noon, Events: 900}, {Version: "a1b2c3d4e5f60718", Since: noon.Add(-time.Hour), Last: noon, Events: 12}}},
			{Name: "codes", Path: "rules/codes.lua", Version: "a977e6f312808f47", Since: noon, Mode: "shadow", ModeBy: "command", Rules: 1, Events: 304},
		},
		rules: control.Rules{At: noon, Since: noon.Add(-time.Hour), Rules: []control.Rule{
			{Pack: "codes", Rule: "read codes", Mode: "live", Place: "rules/codes.lua:2", LastMatched: noon, RuleCounts: control.RuleCounts{Matched: 1204, Ran: 1204, Requested: 1204, Reads: 1204, Read: 1180, Superseded: 24, TookUS: 24000, Steps: 9000}},
			{Pack: "vip", Rule: "late", Mode: "live", Place: "rules/vip/20-late.lua:1", LastMatched: noon, RuleCounts: control.RuleCounts{Matched: 412, Ran: 412, Requested: 412, Reads: 412, Read: 3, Vetoed: 409, TookUS: 990000},
				Vetoes: []control.RuleVetoes{{By: "vip/hold", Reads: 409}}, VetoedMostly: &control.RuleVetoes{By: "vip/hold", Place: "rules/vip/10-hold.lua:3", Reads: 409}},
			{Pack: "vip", Rule: "old plan", Mode: "live", Place: "rules/vip/30-plan.lua:1", Since: noon.Add(-time.Hour)},
			{Pack: "vip", Rule: "hold", Mode: "live", Place: "rules/vip/10-hold.lua:3", LastMatched: noon, RuleCounts: control.RuleCounts{Matched: 518, Ran: 518, Failed: 2, TookUS: 9000}, Stopped: 409, LastFailure: &control.RuleFailure{At: noon, Event: "e9", Error: "attempt to index nil"}},
		}},
		dead: control.Dead{Total: 2, Groups: []control.DeadGroup{{HTTP: 404, Code: 2002, Count: 2}}, Dead: []control.DeadAction{
			{ID: "31.0", Chat: "chat-dead", Kind: "read", Pack: "codes", Rule: "read codes", Place: "codes.lua:2", Why: "refused", HTTP: 404, Code: 2002, Error: "no such chat", TraceID: "4bf9", Attempts: 1, Died: noon, Requested: noon, FailedAttempts: []control.DeadAttempt{{N: 1, At: noon, HTTP: 404, Code: 2002}}},
			{ID: "32.0", Chat: "chat-dead-2", Kind: "read", Pack: "codes", Rule: "read codes", Why: "refused", HTTP: 404, Code: 2002, Attempts: 1, Died: noon, Requested: noon},
		}},
		quarantine: control.Quarantine{Total: 1, Quarantine: []control.QuarantinedDelivery{{ID: 17, Received: noon, Source: "webhook", Reason: "it is not JSON", Bytes: 40, Body: "nonsense"}}},
		waiting: control.Waiting{Matched: 3, Chats: 2, Total: 2, Examined: 2, For: []control.WaitingCount{{Name: "delay", Count: 3}}, Packs: []control.WaitingCount{{Name: "codes", Count: 3}}, Through: 31,
			Waiting: []control.WaitingAction{{ID: "30.0", Chat: "chat-waits", Line: "+14155550100", Kind: "read", Pack: "codes", Rule: "read codes", Place: "codes.lua:2", Requested: noon, Due: noon.Add(time.Minute), For: "delay"}}},
		explained: control.Explained{What: "chat", Chat: &control.ExplainedChat{ID: "7d1b2c9e", Line: "+14155550100"}, Events: []control.ExplainedEvent{{
			Outcome: "read", Summary: "codes/read codes (codes.lua:2) read it", Seq: 30, ID: "evt-30", Type: "message.received", Source: "webhook", At: noon, Received: noon, Chat: "7d1b2c9e", From: "+14155550123", Direction: "inbound", Text: "your code is 1", Handled: noon, TookUS: 21,
			Rules:   []control.ExplainedRule{{Pack: "codes", Rule: "read codes", Place: "codes.lua:2", Asked: []string{"mark_read (a code)"}}},
			Actions: []control.ExplainedAction{{ID: "30.0", Kind: "read", Chat: "7d1b2c9e", Pack: "codes", Rule: "read codes", Status: "done", Why: "read", Attempts: 1, Called: noon}},
		}}},
		lists:  []control.List{{Name: "vips", Declared: true, Writable: true, Version: 3, Members: 2}},
		differ: control.Differences{Pack: "vip", Events: []control.Differing{{At: noon, Event: "evt-7", Type: "message.received", Chat: "7d1b2c9e", Result: "veto", Candidate: []control.RuleRequests{{Rule: "hold", Place: "10-hold.lua:3", Asked: []string{"keep_unread"}}}}}},
	}
}

// note keeps what the daemon is to do.
func (f *fake) note(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return f.refuse
	}
	f.did = append(f.did, fmt.Sprintf(format, args...))
	return nil
}

// has reports whether the daemon was to do something.
func (f *fake) has(what string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.did, what)
}

// done returns what the daemon was to do.
func (f *fake) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.did)
}

// set changes the daemon.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func locked[T any](f *fake, v *T) (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *v, nil
}

func (f *fake) Status(context.Context) (control.Status, error) { return locked(f, &f.status) }
func (f *fake) Packs(context.Context) ([]control.Pack, error)  { return locked(f, &f.packs) }
func (f *fake) Lists(context.Context) ([]control.List, error)  { return locked(f, &f.lists) }

func (f *fake) Rules(_ context.Context, q control.RulesQuery) (control.Rules, error) {
	all, err := locked(f, &f.rules)
	all.Rules = slices.DeleteFunc(slices.Clone(all.Rules), func(r control.Rule) bool { return q.Pack != "" && r.Pack != q.Pack })
	return all, err
}

func (f *fake) Dead(context.Context, control.DeadQuery) (control.Dead, error) {
	return locked(f, &f.dead)
}

func (f *fake) Quarantined(_ context.Context, _ int, bodies bool) (control.Quarantine, error) {
	q, err := locked(f, &f.quarantine)
	if !bodies {
		q.Quarantine = slices.Clone(q.Quarantine)
		for i := range q.Quarantine {
			q.Quarantine[i].Body = ""
		}
	}
	return q, err
}

func (f *fake) Waiting(context.Context, control.WaitingQuery) (control.Waiting, error) {
	return locked(f, &f.waiting)
}

func (f *fake) Explain(_ context.Context, q control.ExplainQuery) (control.Explained, error) {
	e, err := locked(f, &f.explained)
	if n := len(e.Events) - q.Limit; n > 0 {
		e.Events, e.Older = e.Events[n:], true
	}
	return e, err
}

func (f *fake) Differences(context.Context, string, int) (control.Differences, error) {
	return locked(f, &f.differ)
}

func (f *fake) List(_ context.Context, name string, _ control.ListQuery) (control.ListShown, error) {
	return control.ListShown{List: control.List{Name: name, Members: 1}, Shown: []control.ListMember{{Member: "+14155550123", Since: noon, By: "ana"}}}, nil
}

func (f *fake) ListHistory(_ context.Context, name string, _ int) (control.ListHistory, error) {
	return control.ListHistory{List: control.List{Name: name}, Changes: []control.ListChange{{At: noon, Member: "+14155550123", Action: "added"}}}, nil
}

func (f *fake) Pause(_ context.Context, on bool) error {
	if err := f.note("pause %t", on); err != nil {
		return err
	}
	f.set(func() {
		f.status.Paused = on
		if f.status.Calls.State = control.CallsGoOut; on {
			f.status.Calls.State = control.CallsPaused
		}
	})
	return nil
}

func (f *fake) Hold(_ context.Context, in control.HoldRequest) (control.Held, error) {
	return control.Held{Hold: control.Hold{Chat: in.Chat, By: control.Operator, Until: noon}, DroppedReads: 2}, f.note("hold %s for %s: %s", in.Chat, in.For, in.Reason)
}

func (f *fake) HoldSelection(_ context.Context, in control.HoldRequest) (control.HeldSelection, error) {
	h := control.HeldSelection{SelectionHold: control.SelectionHold{Where: in.Where[0], Until: noon}, KnownChats: 14, WaitingChats: 3, DryRun: in.DryRun}
	return h, f.note("hold %v for %s by %s, dry run %t", in.Where, in.For, in.By, in.DryRun)
}

func (f *fake) Release(_ context.Context, in control.ReleaseRequest) (control.Released, error) {
	return control.Released{Chat: in.Chat, Held: true}, f.note("release %s", in.Chat)
}

func (f *fake) RetryDead(_ context.Context, in control.DeadRequest) (control.DeadRetried, error) {
	if err := f.note("retry dead %v all=%t", in.IDs, in.All); err != nil {
		return control.DeadRetried{}, err
	}
	f.set(func() { f.dead = control.Dead{Total: 1, Dead: f.dead.Dead[1:], Groups: f.dead.Groups} })
	return control.DeadRetried{Waiting: 1}, nil
}

func (f *fake) RetryQuarantined(_ context.Context, in control.QuarantineRequest) (control.QuarantineRetried, error) {
	if err := f.note("retry quarantine %v all=%t", in.IDs, in.All); err != nil {
		return control.QuarantineRetried{}, err
	}
	f.set(func() { f.quarantine = control.Quarantine{Quarantine: []control.QuarantinedDelivery{}} })
	return control.QuarantineRetried{Events: 1}, nil
}

func (f *fake) CancelWaiting(_ context.Context, in control.WaitingRequest) (control.WaitingChanged, error) {
	return control.WaitingChanged{Matched: 1, Done: 1}, f.note("cancel %v where=%v", in.IDs, in.Where)
}

func (f *fake) SetMode(_ context.Context, pack string, in control.ModeRequest) (control.Changed, error) {
	return control.Changed{Pack: control.Pack{Name: pack, Mode: in.Mode}}, f.note("mode %s %s for %q", pack, in.Mode, in.For)
}

func (f *fake) Tail(_ context.Context, q control.TailQuery) (control.TailLines, error) {
	t := &tailed{q, make(chan control.Tailed, 9)}
	if f.tails != nil {
		f.tails <- t
	}
	return t, nil
}

// tailed is a tail of the lines that a channel brings.
type tailed struct {
	query control.TailQuery
	lines chan control.Tailed
}

func (l *tailed) Next(ctx context.Context) ([]control.Tailed, error) {
	select {
	case line, ok := <-l.lines:
		if !ok {
			return nil, io.EOF
		}
		return []control.Tailed{line}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *tailed) Through() int64 { return 0 }
func (l *tailed) Close()         {}

// serve serves the control endpoints of a daemon as on control.listen with a token, and
// returns the address of the console.
func serve(t *testing.T, d control.Daemon) string {
	t.Helper()
	return serveWith(t, control.Guard{Listen: "127.0.0.1:0", Token: secret, Socket: "data/chertd.sock"}, d)
}

func serveWith(t *testing.T, g control.Guard, d control.Daemon) string {
	t.Helper()
	health := func() control.Health { return control.Health{NotReady: []string{"the store is locked"}} }
	s := httptest.NewServer(g.Wrap(control.Handler(control.Config{Daemon: d, Health: health})))
	// A tail lasts until its reader ends it, and the browser may still have one.
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL + "/"
}

// serveOpen serves them as a socket does: without a guard.
func serveOpen(t *testing.T, d control.Daemon) string {
	t.Helper()
	s := httptest.NewServer(control.Handler(control.Config{Daemon: d, Health: func() control.Health { return control.Health{} }}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL + "/"
}
