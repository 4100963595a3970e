package engine

import (
	"context"
	"strings"
	"sync"
	"testing"

	"chertd/engine/live"
	"chertd/rules"
)

// A new pack that can veto blocks reads while its specs run. That is not a failure: status
// says what to wait for, and nothing is logged unless the specs take long.
func TestNewPackIsNotBrokenWhileItsSpecsRun(t *testing.T) {
	t.Parallel()
	running, passed := make(chan struct{}), make(chan struct{})
	pass := sync.OnceFunc(func() { close(passed) })
	defer pass()
	c := newCrew(t)
	c.stop()
	c.gate = func(_ context.Context, p *rules.Pack) live.GateResult {
		if p.Name == "guard" {
			close(running)
			<-passed
		}
		return live.GateResult{}
	}
	c.write("read.lua", readAll)
	c.start()
	c.write("guard.lua", guard)
	reloaded := make(chan struct{})
	go func() {
		defer close(reloaded)
		c.reload()
	}()
	<-running
	c.wait("the guard to block", func() bool { return len(c.m.health().Blocked) == 1 })
	if b := c.m.health().Blocked[0]; b.Fix[0] != "wait some seconds: it goes live once its files are complete and its specs pass" {
		t.Errorf("status says %q", b.Fix)
	}
	c.m.checkBlocking(ctx)
	if strings.Contains(c.logged(), "blocks reads") {
		t.Errorf("the log says\n%s", c.logged())
	}
	c.ahead.Add(int64(settlingFor))
	c.m.checkBlocking(ctx)
	if n := strings.Count(c.logged(), `msg="a pack blocks reads`); n != 1 {
		t.Errorf("the log has it %d times once the specs take long:\n%s", n, c.logged())
	}
	pass()
	<-reloaded
	c.wait("the log to say that it ended", func() bool { return strings.Contains(c.log.String(), `msg="a pack no longer blocks reads" pack=guard`) })
}
