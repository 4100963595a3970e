package chertsim

import (
	"maps"
	"slices"
	"testing"

	"chertd/engine/chert"
)

// The simulator's table is a reading of its own, and must come to the same.
func TestCodesAreThoseOfTheClient(t *testing.T) {
	t.Parallel()
	if got, want := slices.Sorted(maps.Keys(codes)), chert.Codes; !slices.Equal(got, want) {
		t.Errorf("the simulator has the codes %v, the client %v", got, want)
	}
	for code, e := range codes {
		d, _ := chert.LookUp(code)
		if e.Status != d.Status || e.Retryable != d.Retryable || (e.RetryAfter > 0) != d.RetryAfter {
			t.Errorf("code %d is %+v in the simulator, and %+v in the client", code, e, d)
		}
		if e.Message == "" {
			t.Errorf("code %d has no message", code)
		}
	}
}
