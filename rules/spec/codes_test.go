package spec

import (
	"maps"
	"slices"
	"testing"

	"chertd/engine/chert"
)

// fail_next takes the codes of the client and no others, and answers as Chert does.
func TestCodesAreThoseOfTheClient(t *testing.T) {
	t.Parallel()
	if got, want := slices.Sorted(maps.Keys(documented)), chert.Codes; !slices.Equal(got, want) {
		t.Errorf("fail_next takes the codes %v, the client knows %v", got, want)
	}
	for _, code := range chert.Codes {
		d, _ := chert.LookUp(code)
		f, _ := Documented(code)
		status := d.Status
		if code == chert.CodeInvalidValue {
			status = 422 // of mark-read, which is what specs call most
		}
		if f.HTTP != status || f.Retryable != d.Retryable || (f.RetryAfter > 0) != d.RetryAfter || f.Message == "" {
			t.Errorf("code %d is %+v in specs, and %+v in the client", code, f, d)
		}
		if stops := d.Scope == chert.ScopeAccount || d.Scope == chert.ScopeClock; account[code] != stops {
			t.Errorf("code %d of scope %q: a spec loses no call to it: %t", code, d.Scope, account[code])
		}
	}
	for code := range account {
		if _, ok := chert.LookUp(code); !ok {
			t.Errorf("code %d stops calls in specs, and the client does not know it", code)
		}
	}
	if d, _ := chert.LookUp(rateLimited); d.Scope != chert.ScopeRate {
		t.Errorf("code %d pauses calls in specs, and is of scope %q", rateLimited, d.Scope)
	}
}
