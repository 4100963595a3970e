package sqlite

import (
	"testing"
	"time"
)

// Options that are not set have their defaults, and half of the readers serve people.
func TestOptionsHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		readers, queue                int
		wantReaders, people, wantSize int
	}{
		{0, 0, 4, 2, 1024},
		{1, 1, 2, 1, 1},
		{2, 2, 2, 1, 2},
		{5, 3, 5, 2, 3},
	} {
		s := openWith(t, Options{tick: make(chan time.Time), readers: tc.readers, queue: tc.queue})
		if s.size != tc.wantReaders || cap(s.readers) != tc.wantReaders || len(s.readers) != tc.wantReaders || cap(s.people) != tc.people || cap(s.writer.queue) != tc.wantSize {
			t.Errorf("readers %d, queue %d: %d connections read, %d of them for people, %d requests wait; want %d, %d, %d",
				tc.readers, tc.queue, s.size, cap(s.people), cap(s.writer.queue), tc.wantReaders, tc.people, tc.wantSize)
		}
	}
}
