package control

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/live"
)

// held is a daemon whose commands wait for a store that does not answer.
type held struct {
	*fake
	release chan struct{}
}

func (h *held) Reload(context.Context) (Reload, error) {
	<-h.release
	return Reload{Packs: []Pack{{Name: "vip", Version: "3f78", Mode: "live"}}}, nil
}
func (h *held) Remove(context.Context, string, bool) (live.Dropped, error) {
	<-h.release
	return live.Dropped{}, nil
}
func (h *held) Rollback(context.Context, string, RollbackRequest) (Changed, error) {
	<-h.release
	return Changed{}, nil
}
func (h *held) Shadow(context.Context, string, CandidateRequest) (Changed, error) {
	<-h.release
	return Changed{}, nil
}
func (h *held) EndShadow(context.Context, string, bool) (Changed, error) {
	<-h.release
	return Changed{}, nil
}
func (h *held) SetMode(context.Context, string, ModeRequest) (Changed, error) {
	<-h.release
	return Changed{}, nil
}
func (h *held) Read(context.Context, ReadRequest) (ReadRequested, error) {
	<-h.release
	return ReadRequested{}, nil
}
func (h *held) Apply(context.Context, ApplyRequest) (ApplyResult, error) {
	<-h.release
	return ApplyResult{}, nil
}
func (h *held) HoldSelection(context.Context, HoldRequest) (HeldSelection, error) {
	<-h.release
	return HeldSelection{}, nil
}
func (h *held) ReleaseSelection(context.Context, ReleaseRequest) (ReleasedSelection, error) {
	<-h.release
	return ReleasedSelection{}, nil
}
func (h *held) CancelWaiting(context.Context, WaitingRequest) (WaitingChanged, error) {
	<-h.release
	return WaitingChanged{}, nil
}
func (h *held) HurryWaiting(context.Context, WaitingRequest) (WaitingChanged, error) {
	<-h.release
	return WaitingChanged{}, nil
}
func (h *held) Hold(context.Context, HoldRequest) (Held, error) { <-h.release; return Held{}, nil }
func (h *held) Signal(context.Context, SignalRequest) (Signaled, error) {
	<-h.release
	return Signaled{}, nil
}
func (h *held) Release(context.Context, ReleaseRequest) (Released, error) {
	<-h.release
	return Released{}, nil
}
func (h *held) RetryQuarantined(context.Context, QuarantineRequest) (QuarantineRetried, error) {
	<-h.release
	return QuarantineRetried{}, nil
}
func (h *held) RetryDead(context.Context, DeadRequest) (DeadRetried, error) {
	<-h.release
	return DeadRetried{}, nil
}
func (h *held) DropDead(context.Context, DeadRequest) (DeadDropped, error) {
	<-h.release
	return DeadDropped{}, nil
}
func (h *held) DropQuarantined(context.Context, QuarantineRequest) (QuarantineDropped, error) {
	<-h.release
	return QuarantineDropped{}, nil
}
func (h *held) RetryErrors(context.Context, string, RetryErrorsRequest) (Retried, error) {
	<-h.release
	return Retried{}, nil
}
func (h *held) Forget(context.Context, ForgetRequest) (Forgotten, error) {
	<-h.release
	return Forgotten{}, nil
}
func (h *held) Pause(context.Context, bool) error { <-h.release; return nil }

// changing are the requests that change something, and how their answers name them.
var changing = []struct{ method, path, body, names string }{
	{"POST", "/-/reload", "", "chertd reload "},
	{"POST", "/api/v1/reload", "", "chertd reload "},
	{"POST", "/api/v1/pause", "", "chertd pause "},
	{"POST", "/api/v1/resume", "", "chertd resume "},
	{"POST", "/api/v1/hold", `{"chat": "c1"}`, "chertd hold "},
	{"POST", "/api/v1/release", `{"chat": "c1"}`, "chertd release "},
	{"POST", "/api/v1/hold", `{"where": ["line=+1"]}`, "chertd hold "},
	{"POST", "/api/v1/release", `{"id": 3}`, "chertd release "},
	{"POST", "/api/v1/waiting/cancel", `{"ids": ["7.0"]}`, "chertd waiting cancel "},
	{"POST", "/api/v1/waiting/now", `{"ids": ["7.0"]}`, "chertd waiting now "},
	{"POST", "/api/v1/read", `{"chat": "c1"}`, "chertd read "},
	{"POST", "/api/v1/apply", `{"batch": "b"}`, "chertd apply "},
	{"POST", "/api/v1/signals", `{"name": "x", "chat": "c1"}`, "chertd signal "},
	{"POST", "/api/v1/forget", `{"who": "c1"}`, "chertd forget "},
	{"POST", "/api/v1/quarantine/retry", `{"all": true}`, "chertd quarantine retry "},
	{"POST", "/api/v1/quarantine/drop", `{"ids": [7]}`, "chertd quarantine drop "},
	{"POST", "/api/v1/dead/retry", `{"all": true}`, "chertd dead retry "},
	{"POST", "/api/v1/dead/drop", `{"ids": ["7.0"]}`, "chertd dead drop "},
	{"POST", "/api/v1/packs/vip/rollback", `{"version": "3f78"}`, "chertd rollback vip "},
	{"POST", "/api/v1/packs/vip/mode", `{"mode": "off"}`, "chertd mode vip "},
	{"POST", "/api/v1/packs/vip/candidate", `{"path": "vip.lua", "files": [{"name": "vip.lua"}]}`, "chertd shadow vip PATH "},
	{"DELETE", "/api/v1/packs/vip/candidate", "", "chertd shadow vip --end "},
	{"POST", "/api/v1/packs/vip/retry-errors", `{"since": "2h"}`, "chertd retry-errors vip "},
	{"DELETE", "/api/v1/packs/vip", "", "chertd packs remove vip "},
}

// No command waits for a store that does not answer, whether it had stalled
// before or stalls meanwhile: its answer names the command. What only looks is
// answered all the same, and so is everything once the store works again.
func TestNoCommandWaitsForAStalledStore(t *testing.T) {
	t.Parallel()
	for _, c := range changing {
		synctest.Test(t, func(t *testing.T) {
			var stalled atomic.Bool
			d := &held{&fake{}, make(chan struct{})}
			h := Handler(Config{Daemon: d, Health: fine, Stalled: func() error {
				if stalled.Load() {
					return errors.New("a write has not ended after 4s")
				}
				return nil
			}})
			ask := func(method, path, body string) (code int, text string, took time.Duration) {
				w, began := httptest.NewRecorder(), time.Now()
				h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
				return w.Code, w.Body.String(), time.Since(began)
			}
			go func() {
				time.Sleep(10 * time.Second)
				stalled.Store(true)
			}()
			for _, when := range []string{"it is unknown whether ", "was not done"} { // it stalls meanwhile; it had stalled
				code, text, took := ask(c.method, c.path, c.body)
				if code != 503 || !strings.Contains(text, when) || !strings.Contains(text, c.names) || !strings.Contains(text, "has not ended") || took > 11*time.Second {
					t.Errorf("%s %s: %d %s after %v, want %q of %q", c.method, c.path, code, text, took, when, c.names)
				}
				if code, text, took := ask("GET", "/api/v1/status", ""); code != 200 || took > 0 {
					t.Errorf("meanwhile the status is %d %s after %v", code, text, took)
				}
			}
			stalled.Store(false)
			close(d.release)
			synctest.Wait()
			if code, text, _ := ask(c.method, c.path, c.body); code != 200 {
				t.Errorf("%s %s: %d %s, though the store works again", c.method, c.path, code, text)
			}
		})
	}
}

// hinted is an error that knows its fix.
type hinted struct{ error }

func (hinted) Hint() string { return "make room" }

// failing is a daemon whose commands end with an error of the store's.
type failing struct {
	*fake
	err error
}

func (f *failing) Reload(context.Context) (Reload, error) { return Reload{}, f.err }
func (f *failing) Remove(context.Context, string, bool) (live.Dropped, error) {
	return live.Dropped{}, f.err
}
func (f *failing) Rollback(context.Context, string, RollbackRequest) (Changed, error) {
	return Changed{}, f.err
}
func (f *failing) Shadow(context.Context, string, CandidateRequest) (Changed, error) {
	return Changed{}, f.err
}
func (f *failing) EndShadow(context.Context, string, bool) (Changed, error) {
	return Changed{}, f.err
}
func (f *failing) SetMode(context.Context, string, ModeRequest) (Changed, error) {
	return Changed{}, f.err
}
func (f *failing) Read(context.Context, ReadRequest) (ReadRequested, error) {
	return ReadRequested{}, f.err
}
func (f *failing) HoldSelection(context.Context, HoldRequest) (HeldSelection, error) {
	return HeldSelection{}, f.err
}
func (f *failing) ReleaseSelection(context.Context, ReleaseRequest) (ReleasedSelection, error) {
	return ReleasedSelection{}, f.err
}
func (f *failing) CancelWaiting(context.Context, WaitingRequest) (WaitingChanged, error) {
	return WaitingChanged{}, f.err
}
func (f *failing) HurryWaiting(context.Context, WaitingRequest) (WaitingChanged, error) {
	return WaitingChanged{}, f.err
}
func (f *failing) Hold(context.Context, HoldRequest) (Held, error) { return Held{}, f.err }
func (f *failing) Signal(context.Context, SignalRequest) (Signaled, error) {
	return Signaled{}, f.err
}
func (f *failing) Release(context.Context, ReleaseRequest) (Released, error) {
	return Released{}, f.err
}
func (f *failing) RetryQuarantined(context.Context, QuarantineRequest) (QuarantineRetried, error) {
	return QuarantineRetried{}, f.err
}
func (f *failing) RetryDead(context.Context, DeadRequest) (DeadRetried, error) {
	return DeadRetried{}, f.err
}
func (f *failing) DropDead(context.Context, DeadRequest) (DeadDropped, error) {
	return DeadDropped{}, f.err
}
func (f *failing) DropQuarantined(context.Context, QuarantineRequest) (QuarantineDropped, error) {
	return QuarantineDropped{}, f.err
}
func (f *failing) Apply(context.Context, ApplyRequest) (ApplyResult, error) {
	return ApplyResult{}, f.err
}
func (f *failing) Pause(context.Context, bool) error { return f.err }

// While the store fails a command is refused before it is begun, and one under way
// is not waited for. Its answer names the command and the fix. Only pause does what
// it can.
func TestCommandsSayThatTheStoreFails(t *testing.T) {
	t.Parallel()
	sick := hinted{errors.New("the disk is full")}
	for _, c := range changing {
		synctest.Test(t, func(t *testing.T) {
			var fails atomic.Bool
			report := func() error {
				if fails.Load() {
					return sick
				}
				return nil
			}
			ask := func(d Daemon) (int, string, time.Duration) {
				w, began := httptest.NewRecorder(), time.Now()
				Handler(Config{Daemon: d, Health: fine, Failing: report}).ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
				return w.Code, w.Body.String(), time.Since(began)
			}
			expect := func(when string, d Daemon, want string, most time.Duration) {
				t.Helper()
				code, text, took := ask(d)
				if code != 503 || !strings.Contains(text, want) || !strings.Contains(text, strings.TrimSpace(c.names)) || !strings.Contains(text, "the store fails: the disk is full") || !strings.Contains(text, "make room; repeat") || took > most {
					t.Errorf("%s, %s %s: %d %s after %v, want %q", when, c.method, c.path, code, text, took, want)
				}
			}
			waits := &held{&fake{}, make(chan struct{})}
			go func() {
				time.Sleep(10 * time.Second)
				fails.Store(true)
			}()
			expect("it fails meanwhile", waits, "it is unknown whether ", 13*time.Second)
			broken := &failing{&fake{}, errors.New("set the switch: the disk is full")}
			if worksAnyway(httptest.NewRequest(c.method, c.path, nil)) {
				expect("it fails", broken, " failed: ", 0)
			} else {
				expect("it fails", broken, " was not done: ", 0)
			}
			close(waits.release)
			synctest.Wait()
		})
	}
}
