package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
)

// A request that waits for its place under the rate also waits for a pause that Chert asks for
// meanwhile.
func TestRequestThatHasItsPlaceWaitsForAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{gov: dispatch.NewGovernor(0.5, 1), c: Config{Now: time.Now}}
		e.gaps.current = &gap{} // then no request leaves half of the rate to calls
		permit, _ := e.gov.Admit(time.Now())
		for range 3 { // so that a further one waits for some seconds
			e.gov.Spend(time.Now(), false)
		}
		began := time.Now()
		go func() {
			time.Sleep(100 * time.Millisecond)
			e.gov.Answered(time.Now(), permit, "c1", &chert.Error{Status: 429, Code: chert.CodeRateLimited, Retryable: true, RetryAfter: 30 * time.Second})
		}()
		if !e.paceRequest(ctx) {
			t.Fatal("the request has no place")
		}
		if waited := time.Since(began); waited < 30*time.Second {
			t.Errorf("the request goes out after %v, though Chert asked for 30s after 100ms", waited)
		}
	})
}
