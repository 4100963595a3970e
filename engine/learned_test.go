package engine

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
	"chertd/engine/store/sqlite"
)

// The rate that was learned is stored once it has changed, logged if it has changed much, and
// taken up by the next process, for the same credential alone.
func TestLearnedRateOutlivesARestart(t *testing.T) {
	t.Parallel()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "chertd.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var log strings.Builder
	engine := func(credential string) *Engine {
		return New(Config{Store: st, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil)), Rate: 100, Burst: 1, Adaptive: true, Credential: credential})
	}
	e := engine("a")
	k := newLearnedKeeper(e)
	k.keep()
	if r, err := st.LearnedRate(t.Context(), "a"); err != nil || r != (dispatch.LearnedRate{}) {
		t.Fatalf("nothing is learned, and the store has %+v, %v", r, err)
	}
	// Of calls 100 ms apart each tenth is refused, and the next may go out after a second.
	now := time.UnixMicro(time.Now().UnixMicro()).UTC()
	for range 5 {
		for n := range 11 {
			permit, wait := e.gov.Admit(now)
			for ; wait > 0; permit, wait = e.gov.Admit(now) {
				now = now.Add(wait)
			}
			var refused *chert.Error
			if n == 10 {
				refused = &chert.Error{Status: 429, Code: chert.CodeRateLimited, Retryable: true, RetryAfter: time.Second}
			}
			e.gov.Answered(now, permit, "c", refused)
		}
	}
	learned := e.gov.Learned()
	k.keep()
	if r, err := st.LearnedRate(t.Context(), "a"); err != nil || r != learned || r.Rate <= 0 || r.Rate > 11 {
		t.Errorf("learned %+v, and the store has %+v, %v", learned, r, err)
	}
	if n := strings.Count(log.String(), "was learned from its 429s"); n != 1 {
		t.Errorf("the change was logged %d times:\n%s", n, log.String())
	}
	if st := e.Status(); !st.Learned || st.Ceiling != 100 || st.Rate >= 100 {
		t.Errorf("status: at most %v, learned %t, ceiling %v", st.Rate, st.Learned, st.Ceiling)
	}
	e.changeRate(100, 1, false)
	if st := e.Status(); st.Learned || st.Rate != 100 {
		t.Errorf("adaptive is off: at most %v, learned %t", st.Rate, st.Learned)
	}
	for credential, want := range map[string]dispatch.LearnedRate{"a": learned, "b": {}} {
		e := engine(credential)
		if err := e.restoreLearned(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := e.gov.Learned(); got != want {
			t.Errorf("credential %s continues with %+v, want %+v", credential, got, want)
		}
	}
}

func TestPerSecond(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]string{0: "none", 0.24567: "0.246", 4.8371: "4.84", 50: "50", 123.4: "123", 10000: "10000", 1.0: "1"} {
		if got := PerSecond(rate); got != want {
			t.Errorf("%v a second is shown as %q, want %q", rate, got, want)
		}
	}
}
