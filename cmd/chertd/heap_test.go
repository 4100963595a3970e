package main

import "testing"

// The daemon's limit is far above its live heap until rules need much memory, and again
// some collections after that. Other commands have the low limit.
func TestHeapLimitIsLowWhileRulesNeedMuch(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	for _, test := range []struct {
		name string
		h    *heapBound
		want int64
	}{
		{"a daemon", &heapBound{daemon: true, live: 25 * mb}, 96 * mb},
		{"a daemon with much of its own", &heapBound{daemon: true, live: 90 * mb}, 126 * mb},
		{"a daemon whose rules need much", &heapBound{daemon: true, live: 36 * mb, heavy: 1}, 54 * mb},
		{"a small daemon whose rules need much", &heapBound{daemon: true, live: 5 * mb, heavy: calmAfter}, 36 * mb},
		{"a command", &heapBound{live: 5 * mb}, 36 * mb},
		{"a command that runs many events", &heapBound{batch: true, live: 5 * mb}, 96 * mb},
		{"a command that runs events of many chats", &heapBound{batch: true, live: 80 * mb}, 166 * mb},
		{"a command whose rules need much", &heapBound{batch: true, live: 5 * mb, heavy: 1}, 36 * mb},
		{"a command with large packs", &heapBound{live: 60 * mb}, 86 * mb},
	} {
		if got := test.h.wanted(); got != test.want {
			t.Errorf("%s: the limit is %d MiB, want %d", test.name, got/mb, test.want/mb)
		}
	}
	h := &heapBound{daemon: true}
	h.heavyWork()
	for n := range calmAfter {
		if h.wanted() == ownHeap {
			t.Fatalf("the limit is high again after %d collections", n)
		}
		h.collected(25 * mb)
	}
	if h.wanted() != ownHeap {
		t.Errorf("the limit is still low after %d collections", calmAfter)
	}
}
