package engine

import (
	"context"
	"testing"
	"time"

	"chertd/rules/chat"
)

// When memory is short VMs go, and with them what rules keep in tables; rules
// continue as they were loaded.
func TestVMsAreDiscardedAtLowMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t, "p.lua", `
local seen = { n = 0 }
chert.on("message.received", function(ev)
  seen.n = seen.n + 1
  chert.mark_read(ev.chat.id, { reason = "number " .. seen.n })
end)`)
	read := func(id string) string {
		before := r.readCount()
		r.message("c1", id, "x")
		r.wait(id, func() bool { return r.ended(chat.WhyRead) > before })
		defer r.lock()()
		return r.calls[len(r.calls)-1].Actions[0].Reason
	}
	read("e1")
	if got := read("e2"); got != "number 2" {
		t.Fatalf("the second event is %q, want number 2", got)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { r.eng.watchHeap(ctx, time.Millisecond, 1); close(ended) }() // every heap is too large
	for shed := false; !shed; {
		for _, s := range r.eng.shards {
			shed = shed || s.shed.Load()
		}
	}
	stop()
	<-ended
	if got := read("e3"); got != "number 1" {
		t.Errorf("after memory was short the event is %q, want number 1 of a new VM", got)
	}
}

// Memory is returned once after a burst, when a minute was quiet, and not after little
// work.
func TestQuietHeapReturnsMemoryOnce(t *testing.T) {
	t.Parallel()
	var q quietHeap
	allocated := uint64(0)
	quiet := func(ticks int) (returned int) {
		for range ticks {
			if allocated += littleWork / 100; q.returns(allocated) {
				returned++
			}
		}
		return returned
	}
	if n := quiet(1000); n != 0 {
		t.Errorf("after little work memory is returned %d times", n)
	}
	for range 2 {
		for range 100 {
			if allocated += 2 * worthReturning / 100; q.returns(allocated) {
				t.Fatal("memory is returned under load")
			}
		}
		if n := quiet(quietTicks - 1); n != 0 {
			t.Error("memory is returned before the quiet minute is over")
		}
		if n := quiet(1000); n != 1 {
			t.Errorf("after a burst memory is returned %d times", n)
		}
	}
}
