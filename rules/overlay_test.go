package rules

import (
	"errors"
	"testing"
	"time"
)

// lost is a base that can't be read.
type lost struct{}

var errLost = errors.New("the store can't be read")

func (lost) List(string, string, int, int) ([]Entry, string, error) { return nil, "", errLost }
func (lost) Usage([]string) (int64, error)                          { return 0, errLost }

// An overlay of a base that can't be read returns the base's error, through any number
// of layers: it does not answer with its own files alone.
func TestOverlayPassesOnWhatCantBeRead(t *testing.T) {
	t.Parallel()
	var below, above Overlay
	below.Set(Entry{Key: "a", Value: []byte("1")})
	above.Set(Entry{Key: "b", Value: []byte("2")})
	for name, base := range map[string]Base{"one": lost{}, "two": over{&below, lost{}}} {
		if n, err := above.Usage(base, time.Time{}, nil); !errors.Is(err, errLost) || n != 0 {
			t.Errorf("%s layers: usage %d, %v", name, n, err)
		}
		if page, next, err := above.List(base, time.Time{}, "", "", 10, 1<<20); !errors.Is(err, errLost) || len(page) > 0 || next != "" {
			t.Errorf("%s layers: list %v, %q, %v", name, page, next, err)
		}
	}
}

// over is an overlay as the base of another.
type over struct {
	o    *Overlay
	base Base
}

func (v over) List(prefix, after string, limit, bytes int) ([]Entry, string, error) {
	return v.o.List(v.base, time.Time{}, prefix, after, limit, bytes)
}
func (v over) Usage(without []string) (int64, error) {
	return v.o.Usage(v.base, time.Time{}, without)
}
