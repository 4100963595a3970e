package engine

import (
	"testing"
	"time"
)

// A limit of a delay outlives a restart, and explain shows it.
func TestLimitOfADelayOutlivesARestart(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "settle.lua", `chert.rule({ name = "settle", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "1h", at_most = "90m" }) end })`)
	c.handle("c1", "e1", "x")
	first := c.chatOf("c1").Waiting[0]
	c.stop()
	c.ahead.Store(int64(45 * time.Minute))
	c.start()
	c.handle("c1", "e2", "y")
	a := c.chatOf("c1").Waiting[0]
	if !a.Latest.Equal(first.Latest) || !a.Due.Equal(a.Latest) || a.Restarts != 1 {
		t.Errorf("after %+v it is %+v", first, a)
	}
	x := c.explainOne("e2").Actions[0]
	if !x.Latest.Equal(a.Latest) || x.Restarts != 1 {
		t.Errorf("explain shows %+v", x)
	}
	c.stop()
	c.ahead.Store(int64(100 * time.Minute))
	c.start()
	c.wait("the read", func() bool { return c.actions("c1") == "read done (read), read dropped (replaced)" })
}
