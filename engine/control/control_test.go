package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chertd/engine/live"
	"chertd/luabind/diag"
	"chertd/rules/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a daemon that records its calls, and answers with err.
type fake struct {
	mu     sync.Mutex
	calls  []string
	packs  []Pack
	folder diag.List
	err    error
	wait   func(context.Context) error // before Status answers; nil: not
}

func (f *fake) tell(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fake) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.calls) == 0 {
		return ""
	}
	return f.calls[len(f.calls)-1]
}

func (f *fake) Status(ctx context.Context) (Status, error) {
	if f.wait != nil {
		if err := f.wait(ctx); err != nil {
			return Status{}, err
		}
	}
	return Status{Version: "v1", Since: noon, Ready: true, Events: 7, Actions: map[string]int64{"done": 3}}, f.tell("status")
}

func (f *fake) Packs(context.Context) ([]Pack, error) { return f.packs, f.tell("packs") }

func (f *fake) Reload(context.Context) (Reload, error) {
	return Reload{Packs: f.packs, Folder: f.folder}, f.tell("reload")
}

func (f *fake) ReloadSettings(context.Context) (Settings, error) {
	return Settings{File: "/etc/chertd/chertd.yaml", Applied: []string{"log.level"}}, f.tell("reload settings")
}

func (f *fake) SettingsInUse(context.Context) (SettingsInUse, error) {
	return SettingsInUse{File: "/etc/chertd/chertd.yaml", NotReloaded: []string{"chert.rate.limit"}}, f.tell("settings in use")
}

// fakeDropped is what commands of a fake say they dropped.
var fakeDropped = live.Dropped{Reads: 2, Timers: 1}

func (f *fake) Remove(_ context.Context, pack string, keepPending bool) (live.Dropped, error) {
	return fakeDropped, f.tell("remove %s %t", pack, keepPending)
}

func (f *fake) Rollback(_ context.Context, pack string, in RollbackRequest) (Changed, error) {
	return Changed{Pack: Pack{Name: pack, Version: in.Version, Pinned: true}, Dropped: fakeDropped}, f.tell("rollback %s %q pin=%t undo=%t keep=%t", pack, in.Version, in.Pin, in.Undo, in.KeepPending)
}

func (f *fake) Shadow(_ context.Context, pack string, in CandidateRequest) (Changed, error) {
	return Changed{Pack: Pack{Name: pack, Candidate: &Candidate{Version: "c1"}}, Dropped: fakeDropped}, f.tell("shadow %s %s %s %s", pack, in.Path, in.Files[0].Name, in.Files[0].Content)
}

func (f *fake) Differences(_ context.Context, pack string, limit int) (Differences, error) {
	return Differences{Pack: pack}, f.tell("differences %s %d", pack, limit)
}

func (f *fake) Rules(_ context.Context, q RulesQuery) (Rules, error) {
	return Rules{At: noon, Rules: []Rule{{Pack: "vip", Rule: "hold", RuleCounts: RuleCounts{Matched: 7}}}}, f.tell("rules %q %q %v %t", q.Pack, q.Rule, q.Stale, q.Gone)
}

func (f *fake) EndShadow(_ context.Context, pack string, keepPending bool) (Changed, error) {
	return Changed{Pack: Pack{Name: pack}, Dropped: fakeDropped}, f.tell("end shadow %s %t", pack, keepPending)
}

func (f *fake) SetMode(_ context.Context, pack string, in ModeRequest) (Changed, error) {
	return Changed{Pack: Pack{Name: pack, Mode: in.Mode, Share: in.Share}, Dropped: fakeDropped}, f.tell("mode %s %q %t%s", pack, in.Mode, in.KeepPending, in.Share)
}

func (f *fake) Read(_ context.Context, in ReadRequest) (ReadRequested, error) {
	return ReadRequested{Chat: in.Chat}, f.tell("read %+v", in)
}

func (f *fake) Apply(_ context.Context, in ApplyRequest) (ApplyResult, error) {
	return ApplyResult{Batch: in.Batch}, f.tell("apply %+v", in)
}

func (f *fake) Hold(_ context.Context, in HoldRequest) (Held, error) {
	return Held{Hold: Hold{Chat: in.Chat, By: Operator, Reason: in.Reason}}, f.tell("hold %+v", in)
}

func (f *fake) Signal(_ context.Context, in SignalRequest) (Signaled, error) {
	return Signaled{Name: in.Name, Chat: in.Chat, ID: in.ID, Event: "signal:" + in.ID, Rules: 1}, f.tell("signal %+v %s", in, in.Data)
}

func (f *fake) Lists(context.Context) ([]List, error) {
	return []List{{Name: "vips", Declared: true, Writable: true, Version: 3, Members: 2}}, f.tell("lists")
}

func (f *fake) List(_ context.Context, name string, q ListQuery) (ListShown, error) {
	return ListShown{List: List{Name: name}, Shown: []ListMember{{Member: "c1", By: "ana"}}}, f.tell("list %s %+v", name, q)
}

func (f *fake) ListHistory(_ context.Context, name string, limit int) (ListHistory, error) {
	return ListHistory{List: List{Name: name}, Changes: []ListChange{{Member: "c1"}}}, f.tell("history of %s %d", name, limit)
}

func (f *fake) ListAdd(_ context.Context, name string, in ListAddRequest) (ListChanged, error) {
	return ListChanged{List: List{Name: name}, Added: len(in.Members)}, f.tell("add to %s %+v", name, in)
}

func (f *fake) ListRemove(_ context.Context, name string, in ListRemoveRequest) (ListChanged, error) {
	return ListChanged{List: List{Name: name}, Removed: len(in.Members)}, f.tell("remove from %s %+v", name, in)
}

func (f *fake) Release(_ context.Context, in ReleaseRequest) (Released, error) {
	return Released{Chat: in.Chat}, f.tell("release %+v", in)
}

func (f *fake) HoldSelection(_ context.Context, in HoldRequest) (HeldSelection, error) {
	return HeldSelection{SelectionHold: SelectionHold{ID: 3, Where: in.Where[0], By: in.By}, KnownChats: 7}, f.tell("hold selection %+v", in)
}

func (f *fake) ReleaseSelection(_ context.Context, in ReleaseRequest) (ReleasedSelection, error) {
	return ReleasedSelection{Ended: []SelectionHold{{ID: 3, By: in.By}}}, f.tell("release selection %+v", in)
}

func (f *fake) Waiting(_ context.Context, q WaitingQuery) (Waiting, error) {
	return Waiting{Matched: 4, Through: 9}, f.tell("waiting %q %d", q.Where, q.Limit)
}

func (f *fake) CancelWaiting(_ context.Context, in WaitingRequest) (WaitingChanged, error) {
	return WaitingChanged{Matched: 4, Done: 3, TooLate: 1}, f.tell("cancel waiting %q %q %d %q", in.IDs, in.Where, in.Through, in.After)
}

func (f *fake) HurryWaiting(_ context.Context, in WaitingRequest) (WaitingChanged, error) {
	return WaitingChanged{Matched: 4, Done: 4, Next: "x"}, f.tell("hurry waiting %q %t", in.Where, in.Confirm)
}

func (f *fake) Quarantined(_ context.Context, limit int, bodies bool) (Quarantine, error) {
	return Quarantine{Total: 1, Quarantine: []QuarantinedDelivery{{ID: 7, Received: noon, Reason: "not JSON"}}}, f.tell("quarantine %d %t", limit, bodies)
}

func (f *fake) RetryQuarantined(_ context.Context, in QuarantineRequest) (QuarantineRetried, error) {
	return QuarantineRetried{Events: 1}, f.tell("retry %+v", in)
}

func (f *fake) DropQuarantined(_ context.Context, in QuarantineRequest) (QuarantineDropped, error) {
	return QuarantineDropped{len(in.IDs)}, f.tell("drop %+v", in)
}

func (f *fake) RecordChat(_ context.Context, q RecordQuery) (spec.Recording, error) {
	return spec.Recording{Chat: q.Chat}, f.tell("record %q since %q files of %q %q", q.Chat, q.Since, q.Pack, q.Version)
}

func (f *fake) Dead(_ context.Context, q DeadQuery) (Dead, error) {
	code := "any"
	if q.Code != nil {
		code = fmt.Sprint(*q.Code)
	}
	return Dead{Total: 1, Dead: []DeadAction{{ID: "7.0", Chat: "c1", Died: noon, Why: "refused"}}}, f.tell("dead %q %q code %s, %d %t", q.Chat, q.Pack, code, q.Limit, q.Attempts)
}

func (f *fake) RetryDead(_ context.Context, in DeadRequest) (DeadRetried, error) {
	return DeadRetried{DryRun: in.DryRun, Waiting: 1}, f.tell("retry dead %v %q %q all=%t dry=%t repeat=%t", in.IDs, in.Chat, in.Pack, in.All, in.DryRun, in.RepeatUnknown)
}

func (f *fake) DropDead(_ context.Context, in DeadRequest) (DeadDropped, error) {
	return DeadDropped{DryRun: in.DryRun, Dropped: 1}, f.tell("drop dead %v %q %q all=%t dry=%t", in.IDs, in.Chat, in.Pack, in.All, in.DryRun)
}

func (f *fake) Drain(context.Context) (Drain, error) {
	return Drain{Since: noon, InFlight: 3}, f.tell("drain")
}

func (f *fake) Drained(_ context.Context, wait time.Duration) (Drain, error) {
	return Drain{Since: noon, Stopped: true, Pending: 2, Waiting: 12}, f.tell("drained %v", wait)
}

func (f *fake) RetryErrors(_ context.Context, pack string, in RetryErrorsRequest) (Retried, error) {
	return Retried{Pack: pack, Events: 7}, f.tell("retry errors %s %+v", pack, in)
}

func (f *fake) ErrorsRetried(_ context.Context, pack string, wait time.Duration) (Retried, error) {
	return Retried{Pack: pack, Ended: true, Done: 7, Ran: 6}, f.tell("errors retried %s %v", pack, wait)
}

func (f *fake) Explain(_ context.Context, q ExplainQuery) (Explained, error) {
	return Explained{What: "chat"}, f.tell("explain %+v", q)
}

func (f *fake) Forget(_ context.Context, in ForgetRequest) (Forgotten, error) {
	return Forgotten{Who: in.Who, Events: 7}, f.tell("forget %+v", in)
}

func (f *fake) Pause(_ context.Context, on bool) error { return f.tell("pause %t", on) }

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

var quiet = slog.New(slog.DiscardHandler)

func fine() Health { return Health{} }

// serve serves a handler on a listener until the test ends.
func serve(t *testing.T, l net.Listener, h http.Handler) {
	t.Helper()
	s := NewServer(h, quiet)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
}

// socketPath is short: a test's own folder may be beyond what a socket's path may have.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "data", "chertd.sock")
}

// dialed returns a client of a fake daemon on a socket.
func dialed(t *testing.T, f *fake) *Client {
	t.Helper()
	path := socketPath(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, Handler(Config{Daemon: f, Health: fine}))
	return Dial(path)
}

// TestClientAsksDaemon: what each method of the client asks reaches the daemon,
// and what that answers comes back.
func TestClientAsksDaemon(t *testing.T) {
	t.Parallel()
	codes := Pack{
		Name: "codes", Version: "3f786850e387550f", Since: noon, Mode: "shadow", ModeBy: "command", Rules: 2, Events: 9, Failures: 1,
		NotLive: "it does not load", Diagnostics: diag.List{{File: "rules/codes.lua", Line: 3, Col: 1, Severity: diag.SeverityError, Message: "no"}},
		Versions: []PackVersion{{Version: "3f786850e387550f", Since: noon, Last: noon, Events: 9, Failures: 1}},
	}
	f := &fake{packs: []Pack{codes, {Name: "vip"}}}
	c := dialed(t, f)
	ctx := t.Context()
	for want, ask := range map[string]func() (string, error){
		"status": func() (string, error) {
			s, err := c.Status(ctx)
			return fmt.Sprint(s.Version, s.Since, s.Ready, s.Events, s.Actions["done"]), err
		},
		"packs": func() (string, error) {
			p, err := c.Packs(ctx)
			return fmt.Sprintf("%v", p), err
		},
		"reload": func() (string, error) {
			r, err := c.Reload(ctx)
			return fmt.Sprintf("%v", r.Packs), err
		},
		"reload settings": func() (string, error) {
			s, err := c.ReloadSettings(ctx)
			return fmt.Sprint(s), err
		},
		"settings in use": func() (string, error) {
			s, err := c.SettingsInUse(ctx)
			return fmt.Sprint(s), err
		},
		`rollback codes "" pin=false undo=false keep=false`: func() (string, error) {
			p, err := c.Rollback(ctx, "codes", RollbackRequest{})
			return fmt.Sprint(p.Name, p.Version, p.Pinned, p.Dropped), err
		},
		`rollback codes "3f78" pin=true undo=false keep=true`: func() (string, error) {
			p, err := c.Rollback(ctx, "codes", RollbackRequest{Version: "3f78", Pin: true, KeepPending: true})
			return fmt.Sprint(p.Name, p.Version, p.Pinned, p.Dropped), err
		},
		`rollback codes "" pin=false undo=true keep=false`: func() (string, error) {
			p, err := c.Rollback(ctx, "codes", RollbackRequest{Undo: true})
			return fmt.Sprint(p.Name, p.Version, p.Pinned, p.Dropped), err
		},
		`mode codes "off" true`: func() (string, error) {
			p, err := c.SetMode(ctx, "codes", ModeRequest{Mode: "off", KeepPending: true})
			return fmt.Sprint(p.Name, p.Mode, p.Dropped), err
		},
		`mode codes "live" false10%`: func() (string, error) {
			p, err := c.SetMode(ctx, "codes", ModeRequest{Mode: "live", Share: "10%"})
			return fmt.Sprint(p.Name, p.Mode, p.Share, p.Dropped), err
		},
		`shadow codes /tmp/c.lua c.lua -- x`: func() (string, error) {
			p, err := c.Shadow(ctx, "codes", CandidateRequest{Path: "/tmp/c.lua", Files: []SentFile{{Name: "c.lua", Content: []byte("-- x")}}})
			return fmt.Sprint(p.Name, p.Candidate.Version, p.Dropped), err
		},
		`differences codes 7`: func() (string, error) {
			d, err := c.Differences(ctx, "codes", 7)
			return fmt.Sprint(d.Pack, d.Events), err
		},
		`rules "vip" "a/b?" 720h0m0s true`: func() (string, error) {
			all, err := c.Rules(ctx, RulesQuery{Pack: "vip", Rule: "a/b?", Stale: 30 * 24 * time.Hour, Gone: true})
			return fmt.Sprint(all.At, all.Rules[0].Rule, all.Rules[0].Matched), err
		},
		`rules "" "" 0s false`: func() (string, error) {
			all, err := c.Rules(ctx, RulesQuery{})
			return fmt.Sprint(len(all.Rules)), err
		},
		`end shadow codes true`: func() (string, error) {
			p, err := c.EndShadow(ctx, "codes", true)
			return fmt.Sprint(p.Name, p.Dropped), err
		},
		`mode codes "" false`: func() (string, error) {
			p, err := c.SetMode(ctx, "codes", ModeRequest{Reset: true})
			return fmt.Sprint(p.Name, p.Mode, p.Dropped), err
		},
		"remove a b/c? true": func() (string, error) {
			r, err := c.Remove(ctx, "a b/c?", true)
			return fmt.Sprint(r), err
		},
		"remove ../../x false": func() (string, error) {
			r, err := c.Remove(ctx, "../../x", false)
			return fmt.Sprint(r), err
		},
		"hold selection {Chat: Where:[line=+1] For:2h Reason: Force:false By:alice DryRun:true}": func() (string, error) {
			h, err := c.HoldSelection(ctx, HoldRequest{Where: []string{"line=+1"}, For: "2h", By: "alice", DryRun: true})
			return fmt.Sprint(h.ID, h.Where, h.By, h.KnownChats), err
		},
		"release selection {Chat: Where:[] ID:3 By:bob}": func() (string, error) {
			r, err := c.ReleaseSelection(ctx, ReleaseRequest{ID: 3, By: "bob"})
			return fmt.Sprint(r.Ended[0].ID, r.Ended[0].By), err
		},
		`waiting ["line=+1" "due=<1h"] 7`: func() (string, error) {
			w, err := c.Waiting(ctx, WaitingQuery{Where: []string{"line=+1", "due=<1h"}, Limit: 7})
			return fmt.Sprint(w.Matched, w.Through), err
		},
		`cancel waiting [] ["pack=p"] 9 "x"`: func() (string, error) {
			expect := int64(4)
			w, err := c.CancelWaiting(ctx, WaitingRequest{Where: []string{"pack=p"}, Through: 9, Expect: &expect, After: "x"})
			return fmt.Sprint(w.Matched, w.Done, w.TooLate), err
		},
		`hurry waiting ["pack=p"] true`: func() (string, error) {
			w, err := c.HurryWaiting(ctx, WaitingRequest{Where: []string{"pack=p"}, Confirm: true})
			return fmt.Sprint(w.Matched, w.Done, w.Next), err
		},
		"drain": func() (string, error) {
			d, err := c.Drain(ctx)
			return fmt.Sprint(d.Since, d.InFlight, d.Stopped), err
		},
		"retry errors codes {Since:2h DryRun:true}": func() (string, error) {
			d, err := c.RetryErrors(ctx, "codes", RetryErrorsRequest{Since: "2h", DryRun: true})
			return fmt.Sprint(d.Pack, d.Events), err
		},
		"errors retried a b/c? 10s": func() (string, error) {
			d, err := c.ErrorsRetried(ctx, "a b/c?", 10*time.Second)
			return fmt.Sprint(d.Pack, d.Ended, d.Done, d.Ran), err
		},
		"forget {Who:+1 415 Line: DryRun:true Holds:false KV:true}": func() (string, error) {
			d, err := c.Forget(ctx, ForgetRequest{Who: "+1 415", DryRun: true, KV: true})
			return fmt.Sprint(d.Who, d.Events), err
		},
		"drained 10s": func() (string, error) {
			d, err := c.Drained(ctx, 10*time.Second)
			return fmt.Sprint(d.Stopped, d.Pending, d.Waiting), err
		},
		`signal {Name:n Chat:c1 ID:r1 Data:[55] Force:true} 7`: func() (string, error) {
			g, err := c.Signal(ctx, SignalRequest{Name: "n", Chat: "c1", ID: "r1", Data: json.RawMessage("7"), Force: true})
			return fmt.Sprint(g.Event, g.Rules), err
		},
		"pause true":  func() (string, error) { return "", c.Pause(ctx, true) },
		"pause false": func() (string, error) { return "", c.Pause(ctx, false) },
	} {
		answer, err := ask()
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		if got := f.last(); got != want {
			t.Errorf("the daemon was called with %q, want %q", got, want)
		}
		wantAnswer := map[string]string{
			"status": fmt.Sprint("v1", noon, true, 7, 3), "packs": fmt.Sprintf("%v", f.packs), "reload": fmt.Sprintf("%v", f.packs),
			"settings in use": fmt.Sprint(SettingsInUse{File: "/etc/chertd/chertd.yaml", NotReloaded: []string{"chert.rate.limit"}}),
			"reload settings": fmt.Sprint(Settings{File: "/etc/chertd/chertd.yaml", Applied: []string{"log.level"}}),
			`signal {Name:n Chat:c1 ID:r1 Data:[55] Force:true} 7`:                                   "signal:r11",
			`rollback codes "" pin=false undo=false keep=false`:                                      fmt.Sprint("codes", "", true, fakeDropped),
			`rollback codes "" pin=false undo=true keep=false`:                                       fmt.Sprint("codes", "", true, fakeDropped),
			`rollback codes "3f78" pin=true undo=false keep=true`:                                    fmt.Sprint("codes", "3f78", true, fakeDropped),
			"hold selection {Chat: Where:[line=+1] For:2h Reason: Force:false By:alice DryRun:true}": fmt.Sprint(3, "line=+1", "alice", 7),
			"release selection {Chat: Where:[] ID:3 By:bob}":                                         fmt.Sprint(3, "bob"),
			`waiting ["line=+1" "due=<1h"] 7`:                                                        fmt.Sprint(4, 9), `cancel waiting [] ["pack=p"] 9 "x"`: fmt.Sprint(4, 3, 1), `hurry waiting ["pack=p"] true`: fmt.Sprint(4, 4, "x"),
			`mode codes "off" true`: fmt.Sprint("codes", "off", fakeDropped),
			"drain":                 fmt.Sprint(noon, 3, false),
			"retry errors codes {Since:2h DryRun:true}":                 fmt.Sprint("codes", 7),
			"errors retried a b/c? 10s":                                 fmt.Sprint("a b/c?", true, 7, 6),
			"forget {Who:+1 415 Line: DryRun:true Holds:false KV:true}": fmt.Sprint("+1 415", 7),
			"drained 10s":                        fmt.Sprint(true, 2, 12),
			`shadow codes /tmp/c.lua c.lua -- x`: fmt.Sprint("codes", "c1", fakeDropped),
			`differences codes 7`:                fmt.Sprint("codes", []Differing{}),
			`rules "vip" "a/b?" 720h0m0s true`:   fmt.Sprint(noon, "hold", 7),
			`rules "" "" 0s false`:               "1",
			`end shadow codes true`:              fmt.Sprint("codes", fakeDropped),
			`mode codes "live" false10%`:         fmt.Sprint("codes", "live", "10%", fakeDropped),
			`mode codes "" false`:                fmt.Sprint("codes", "", fakeDropped),
			"remove a b/c? true":                 fmt.Sprint(Removed{"a b/c?", fakeDropped}),
			"remove ../../x false":               fmt.Sprint(Removed{"../../x", fakeDropped}),
		}[want]
		if answer != wantAnswer {
			t.Errorf("%s: answered %s, want %s", want, answer, wantAnswer)
		}
	}
	if p, err := c.Pack(ctx, "codes"); err != nil || fmt.Sprint(p) != fmt.Sprint(codes) {
		t.Errorf("one pack: %v, %v; want %v", p, err, codes)
	}
}

// TestClientReturnsErrorsOfTheDaemon: an error is the same on both sides of the socket.
func TestClientReturnsErrorsOfTheDaemon(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err    error
		status int // of the *UserError that the client returns; 0: it returns another
		hint   string
		text   string
	}{
		"the caller's":      {&UserError{Message: "there is no mode", Hint: "live"}, 400, "live", "there is no mode"},
		"wrapped":           {fmt.Errorf("mode: %w", &UserError{Message: "no"}), 400, "", "no"},
		"nothing there":     {&UserError{Status: 404, Message: "no pack"}, 404, "", "no pack"},
		"as things stand":   {&UserError{Status: 409, Message: "it is there", Hint: "delete it"}, 409, "delete it", "it is there"},
		"the daemon's own":  {errors.New("disk is full"), 0, "", "the daemon failed: disk is full"},
		"not done in time":  {context.DeadlineExceeded, 503, "try again", "took too long"},
		"the store's words": {errors.New(`a "quoted" <text>`), 0, "", `a "quoted" <text>`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := dialed(t, &fake{err: test.err}).SetMode(t.Context(), "codes", ModeRequest{Mode: "live"})
			var user *UserError
			if got := errors.As(err, &user); got != (test.status != 0) {
				t.Fatalf("error %v is the caller's: %t", err, got)
			}
			if user != nil && (user.Status != test.status || user.Hint != test.hint) {
				t.Errorf("status %d, hint %q; want %d, %q", user.Status, user.Hint, test.status, test.hint)
			}
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("it says %q, want %q", err, test.text)
			}
		})
	}
}

func TestUnknownPackIsSuggested(t *testing.T) {
	t.Parallel()
	c := dialed(t, &fake{packs: []Pack{{Name: "codes"}}})
	for name, hint := range map[string]string{"coeds": `did you mean "codes"?`, "other": "chertd packs lists them"} {
		_, err := c.Pack(t.Context(), name)
		var user *UserError
		if !errors.As(err, &user) || user.Status != http.StatusNotFound || user.Hint != hint {
			t.Errorf("pack %s: %v (%+v), want hint %q", name, err, user, hint)
		}
	}
}

func TestClientWithoutADaemon(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	ask := func() error {
		_, err := Dial(path).Status(t.Context())
		return err
	}
	var unreachable *UnreachableError
	if err := ask(); !errors.As(err, &unreachable) || unreachable.Error() != "no daemon listens on the socket "+path || !strings.Contains(unreachable.Hint(), "check that chertd runs") {
		t.Errorf("without a socket: %v", err)
	}
	left(t, path)
	if err := ask(); !errors.As(err, &unreachable) || unreachable.Error() != "no daemon listens on the socket "+path {
		t.Errorf("with the socket of an ended process: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Dial(path).Pause(ctx, true); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

// TestRequests are requests that the commands don't make.
func TestRequests(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method, path, body string
		status             int
		called, says       string
	}{
		{"GET", "/-/healthy", "", 200, "", `{"status":"healthy"}`},
		{"GET", "/-/ready", "", 200, "", `{"status":"ready"}`},
		{"HEAD", "/-/ready", "", 200, "", ""},
		{"POST", "/-/reload", "", 422, "reload", `no rules are live`},
		{"GET", "/api/v1/packs", "", 200, "packs", `{"packs":[]}`},
		{"POST", "/api/v1/pause", "", 200, "pause true", `{"paused":true}`},
		{"DELETE", "/api/v1/packs/codes", "", 200, "remove codes false", `{"removed":"codes","dropped":{"reads":2,"timers":1}}`},
		{"POST", "/api/v1/packs/codes/rollback", "", 200, `rollback codes "" pin=false undo=false keep=false`, `"name":"codes"`},
		{"POST", "/api/v1/packs/codes/rollback", " {} \n", 200, `rollback codes "" pin=false undo=false keep=false`, ""},

		{"DELETE", "/api/v1/packs/codes?keep_pending=maybe", "", 400, "", "keep_pending must be true or false"},
		{"POST", "/api/v1/packs/codes/rollback", `{"versoin": "aa"}`, 400, "", `unknown field \"versoin\"`},
		{"POST", "/api/v1/packs/codes/rollback", `{"pin": "yes"}`, 400, "", "the body is malformed"},
		{"POST", "/api/v1/packs/codes/rollback", `{"version": ""}`, 400, "", "version is empty"},
		{"POST", "/api/v1/packs/codes/rollback", `{"version": "3f78"}`, 200, `rollback codes "3f78" pin=false undo=false keep=false`, ""},
		{"POST", "/api/v1/packs/codes/rollback", `{} {}`, 400, "", "there is more after the object"},
		{"POST", "/api/v1/packs/codes/mode", `{"mode": "` + strings.Repeat("x", maxBody) + `"}`, 400, "", "too large"},
		{"POST", "/api/v1/packs/codes/rollback", `{"keep": true}`, 400, "", `unknown field \"keep\"`},
		{"POST", "/api/v1/packs/codes/mode", "", 400, "", "either mode or reset is required"},
		{"POST", "/api/v1/packs/codes/mode", `{"mode": "off", "reset": true}`, 400, "", "either mode or reset is required"},
		{"POST", "/api/v1/packs/codes/mode", `{"reset": true}`, 200, `mode codes "" false`, `"dropped"`},
		{"GET", "/api/v1/nothing", "", 404, "", "there is nothing at /api/v1/nothing"},
		{"GET", "/nothing", "", 404, "", "there is nothing at /nothing"},
		{"GET", "/api/v1/pause", "", 405, "", "takes POST, not GET"},
		{"POST", "/-/ready", "", 405, "", "takes GET, HEAD, not POST"},
		{"PUT", "/api/v1/packs/codes", "", 405, "", "takes DELETE, GET, HEAD, not PUT"},
	} {
		t.Run(test.method+" "+test.path+" "+test.body[:min(20, len(test.body))], func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			w := httptest.NewRecorder()
			Handler(Config{Daemon: f, Health: fine}).ServeHTTP(w, httptest.NewRequest(test.method, test.path, strings.NewReader(test.body)))
			if w.Code != test.status || f.last() != test.called || !strings.Contains(w.Body.String(), test.says) {
				t.Errorf("answered %d %s, called the daemon with %q; want %d with %s, and %q", w.Code, w.Body, f.last(), test.status, test.says, test.called)
			}
			if kind := w.Header().Get("Content-Type"); kind != "application/json" {
				t.Errorf("of type %q", kind)
			}
		})
	}
}

// TestBusy: more requests than may be in flight are refused immediately, probes are
// answered all the same, and there is room again later.
func TestBusy(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	h := Handler(Config{Health: fine, Daemon: &fake{wait: func(ctx context.Context) error {
		begun <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return ctx.Err()
	}}})
	get := func(path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code
	}
	var all sync.WaitGroup
	for range maxInFlight {
		all.Go(func() {
			if code := get("/api/v1/status"); code != http.StatusOK {
				t.Errorf("one of those in flight is answered with %d", code)
			}
		})
		<-begun
	}
	if code := get("/api/v1/packs"); code != http.StatusServiceUnavailable {
		t.Errorf("one too many is answered with %d", code)
	}
	if code := get("/-/ready"); code != http.StatusOK {
		t.Errorf("a probe is answered with %d", code)
	}
	close(release)
	all.Wait()
	if code := get("/api/v1/packs"); code != http.StatusOK {
		t.Errorf("with room again: %d", code)
	}
}

// TestCommandCompletesWithoutItsClient: what changes something is done to the end although who asked
// is gone; what only looks is given up.
func TestCommandCompletesWithoutItsClient(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for method, want := range map[string]error{"GET": context.Canceled, "POST": nil, "DELETE": nil} {
		a := &api{slots: make(chan struct{}, 1), stalled: func() error { return nil }, failing: func() error { return nil }, commands: &Commands{}}
		_, err := a.bounded(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, method, "/", nil), func(r *http.Request) (any, error) {
			if _, limited := r.Context().Deadline(); !limited {
				t.Errorf("%s has no end", method)
			}
			return nil, r.Context().Err()
		})
		if err != want {
			t.Errorf("%s of one who is gone: %v, want %v", method, err, want)
		}
	}
}

// A pack that blocks reads makes the daemon take events, and not all calls.
func TestReadyWhilePackBlocksReads(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	h := Handler(Config{Daemon: &fake{}, Health: func() Health {
		return Health{
			Blocked: []Blocked{{Pack: "vip", Since: since, Why: "it does not load; the last time: secret", Cause: "it does not load", Fix: []string{"chertd check vip.lua", "chertd mode vip off"}}},
			NoCalls: []string{"calls are paused"},
		}
	}})
	for path, want := range map[string]string{
		"/-/ready": `200 {"status":"ready"}`,
		"/-/ready?calls": `503 {"status":"not ready","why":["pack vip blocks reads since 2026-01-05T12:00:00Z: it does not load; ` +
			`chertd check vip.lua; chertd mode vip off","calls are paused"]}`,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if got := fmt.Sprintf("%d %s", w.Code, strings.TrimSpace(w.Body.String())); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// Anyone may read a probe's answer: it quotes nobody, and masks people.
func TestProbesQuoteNobody(t *testing.T) {
	t.Parallel()
	answer := `400: n secret +14155550123`
	h := Handler(Config{Daemon: &fake{}, Health: func() Health {
		return Health{
			NotReady: []string{"no events come in: for +14155550123"},
			NoCalls:  []string{"calls have failed and are retried: " + answer},
			Notes:    []string{"notifications have failed: " + answer, "calls for chat +14155550123 fail"},
			Quoted:   []string{"", answer},
		}
	}})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/-/ready?calls", nil))
	want := `{"notes":["notifications have failed: [hidden]","calls for chat +1•••0123 fail"],"status":"not ready",` +
		`"why":["no events come in: for +1•••0123","calls have failed and are retried: [hidden]"]}`
	if got := strings.TrimSpace(w.Body.String()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	h := Handler(Config{Daemon: &fake{}, Health: func() Health {
		return Health{NoCalls: []string{"calls are paused"}, Notes: []string{"an edit is not live"}}
	}})
	for path, want := range map[string]string{
		"/-/ready":       `200 {"notes":["an edit is not live"],"status":"ready"}`,
		"/-/ready?calls": `503 {"notes":["an edit is not live"],"status":"not ready","why":["calls are paused"]}`,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		body, _ := io.ReadAll(w.Body)
		if got := fmt.Sprintf("%d %s", w.Code, strings.TrimSpace(string(body))); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// POST /-/reload is for deployments: it succeeds only if all that is on disk is
// live, however it is not, and says what is wrong.
func TestReloadFailsUnlessAllIsLive(t *testing.T) {
	t.Parallel()
	wrong := diag.List{{File: "rules/vip.lua", Line: 3, Severity: diag.SeverityError, Message: "unexpected '='", Hint: "write it once"}}
	fine := Pack{Name: "codes", Version: "3f786850"}
	for name, tt := range map[string]struct {
		packs  []Pack
		code   int
		want   []string
		folder diag.List
	}{
		"all is live":                         {[]Pack{fine, {Name: "vip", Version: "1", Diagnostics: diag.List{{Severity: diag.SeverityWarning, Message: "x"}}}}, 200, []string{`{"packs":[`}, nil},
		"an edit is not":                      {[]Pack{fine, {Name: "vip", Version: "1", NotLive: "it does not load", Diagnostics: wrong}}, 422, []string{`vip"`, `unexpected '='`, `write it once`, `codes`}, nil},
		"a new pack is not":                   {[]Pack{fine, {Name: "vip", NotLive: "its specs fail", Diagnostics: wrong}}, 422, []string{`vip"`}, nil},
		"a pack is pinned":                    {[]Pack{fine, {Name: "vip", Version: "1", Pinned: true, NotLive: "pinned to 1 by rollback"}}, 422, []string{`"diagnostics":[]`, `pinned to 1`}, nil},
		"the folder is not read":              {[]Pack{{Name: "codes", Version: "1", Unread: true, NotLive: "the rules folder can't be read", Diagnostics: wrong}}, 422, []string{`codes"`}, nil},
		"the folder was not read completely":  {[]Pack{fine}, 422, []string{`the rules folder could not be read completely`, `unexpected '='`}, wrong},
		"a mode of a removed pack is kept":    {[]Pack{fine, {Name: "vip", Mode: "off", Gone: true, NotLive: "its files are gone"}}, 200, []string{`{"packs":[`}, nil},
		"the last pack is kept without files": {[]Pack{{Name: "vip", Version: "1", Gone: true, NotLive: "its files are gone"}}, 422, []string{`vip"`}, nil},
		"there are no rules":                  {nil, 422, []string{`no rules are live`, `unexpected '='`, `"hint":"write it once"`, `"packs":[]`}, wrong},
		"there is nothing at all":             {nil, 422, []string{`no rules are live`, `"packs":[]`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			Handler(Config{Daemon: &fake{packs: tt.packs, folder: tt.folder}, Health: func() Health { return Health{} }}).ServeHTTP(w, httptest.NewRequest("POST", "/-/reload", nil))
			if w.Code != tt.code {
				t.Errorf("it answers %d, want %d: %s", w.Code, tt.code, w.Body)
			}
			for _, want := range tt.want {
				if !strings.Contains(strings.ReplaceAll(w.Body.String(), `\u0027`, "'"), want) {
					t.Errorf("it does not say %s: %s", want, w.Body)
				}
			}
		})
	}
}
