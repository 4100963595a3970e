package sqlite

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Whatever a store fails with, it says what to do: status, probes and commands show
// that as the log does.
func TestHealthyHasAHint(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&LostError{"x.db", "it is gone"}, &touchedError{Path: "x.db"}, &CorruptError{"x.db", errors.New("page 3")}, &intakeError{errors.New("no such table")}} {
		h := &health{now: time.Now, tell: func(error) {}}
		s := &Store{writer: &writer{}}
		s.writer.health.now, s.writer.health.tell = h.now, h.tell
		s.writer.health.wrote(err)
		sick := s.Healthy()
		hinted, ok := errors.AsType[interface {
			error
			Hint() string
		}](sick)
		if sick == nil || sick.Error() != err.Error() || !ok || strings.TrimSpace(hinted.Hint()) == "" {
			t.Errorf("%v: healthy is %v, without a hint", err, sick)
		}
	}
}
