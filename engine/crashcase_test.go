package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"chertd/engine/chertsim"
	"chertd/engine/control"
)

// kvPacks are the packs of the matrix, by file. count and vip run on every message.
var kvPacks = map[string]string{
	"plain.lua": `
chert.rule({ name = "read", on = "message.received", where = { except = { text = { "later", "send" } } }, run = function(ev)
  chert.mark_read(ev.chat.id, { reason = "plain" })
end })
`,
	"later.lua": `
chert.rule({ name = "later", on = "message.received", where = { text = "later" }, run = function(ev)
  chert.mark_read(ev.chat.id, { after = 0.05, only_if = "unanswered" })
  chert.set_timer("look", 0.03)
end })
chert.on("timer:look", function(ev)
  kv.incr("fired:" .. ev.chat.id)
end)
`,
	"count.lua": `
chert.rule({ name = "count", on = "message.received", run = function(ev)
  local i = tonumber(ev.text:match("#(%d+)"))
  if ev.state.last and i <= ev.state.last then
    ev.state.turned = (ev.state.turned or 0) + 1
  end
  ev.state.last = i
  ev.state.n = (ev.state.n or 0) + 1
  kv.incr("all")
end })
`,
	"vip.lua": `
chert.rule({ name = "vip", on = "message.received", run = function(ev)
  if ev.text:find("vip", 1, true) then
    chert.keep_unread(ev.chat.id, { reason = "a VIP" })
  end
  if ev.text:find("hold", 1, true) then
    chert.hold(ev.chat.id, "1d", { reason = "held" })
  end
end })
`,
	"cross.lua": `
chert.rule({ name = "cross", on = "message.received", where = { text = "cross" }, run = function(ev)
  chert.mark_read("target-" .. ev.text:match("#(%d+)"))
end })
`,
	"send/send.lua": `
chert.rule({ name = "send", on = "message.received", where = { text = "send" }, run = function(ev)
  chert.send(ev.chat.id, "answer to " .. ev.text)
end })
chert.on("action.done", function(ev)
  kv.incr("done:" .. ev.chat.id)
end)
`,
	"tick.lua": `
chert.every("1s", { name = "tick" }, function(ev)
  kv.incr("ticks")
end)
`,
}

// statePacks are the same without kv: batches whose packs use none are lent, so that reads
// go out before they are durable.
var statePacks = func() map[string]string {
	counts := strings.NewReplacer(
		`kv.incr("all")`, "",
		`kv.incr("fired:" .. ev.chat.id)`, `ev.state.fired = (ev.state.fired or 0) + 1`,
		`kv.incr("done:" .. ev.chat.id)`, `ev.state.done = (ev.state.done or 0) + 1`)
	packs := map[string]string{}
	for name, text := range kvPacks {
		packs[name] = counts.Replace(text)
	}
	delete(packs, "tick.lua")
	return packs
}()

// sparePack is a pack that runs on no message: operators change it while the others run.
const sparePack = `
chert.rule({ name = "one", on = "message.received", where = { text = "nobody writes this" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end })
`

// matrixCase is one store and one Chert, and the processes that live and die with them.
type matrixCase struct {
	t      *testing.T
	random *rand.Rand
	noKV   bool // its packs are statePacks
	dir    string
	api    string
	sim    *chertsim.Sim
	editor *packEditor
	load   *matrixLoad
	ask    *control.Client

	hook  atomic.Pointer[string] // host:port of the daemon's webhook; nil: there is none
	conns *connCount

	kills    int
	called   map[string]int // calls until the last kill, as in matrixLoad.calls
	inFlight map[string]int // kills at which a call of the chat was in flight
	everLive bool           // a process had taken events in: each pack has a version that was live
	skew     time.Duration  // of Chert's clock
	bad      int            // deliveries that can't be understood
	dropped  bool           // an operator may have dropped some of them
	tryOnly  bool           // operators change nothing of the spare pack but its candidate
	besides  []matrixBeside // the candidate of the spare pack is one of these; none: anything
}

func newMatrixCase(t *testing.T, seed uint64) *matrixCase {
	t.Helper()
	// The path of a socket is short, and t.TempDir has the name of the test.
	dir, err := os.MkdirTemp("", "crash")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &matrixCase{t: t, random: rand.New(rand.NewPCG(seed, 0)), dir: dir, conns: newConnCount(), inFlight: map[string]int{}}
	c.sim = chertsim.New(chertsim.Config{Seed: seed, AllowLoopback: true, Backoff: 2 * time.Millisecond, Workers: 8, Transport: c})
	t.Cleanup(c.sim.Close)
	if _, err := c.sim.Subscribe("http://127.0.0.1:9/hook", chertsim.DefaultWebhookSecret); err != nil {
		t.Fatal(err)
	}
	c.api = serveNoted(t, c.sim, c.conns.note)
	c.load = newMatrixLoad(c.sim)
	if err := os.MkdirAll(filepath.Join(c.dir, "rules", "send"), 0o700); err != nil {
		t.Fatal(err)
	}
	packs := kvPacks
	if c.random.IntN(2) == 0 {
		packs, c.noKV = statePacks, true
	}
	c.editor = &packEditor{t: t, dir: c.dir, packs: packs, random: c.random}
	c.editor.writeAll()
	c.editor.write("send/pack.yaml", "permissions: [send]\n")
	c.editor.write("spare.lua", sparePack)
	c.ask = control.Dial(filepath.Join(c.dir, "s"))
	return c
}

// RoundTrip implements http.RoundTripper: it sends a delivery to the process that lives now.
func (c *matrixCase) RoundTrip(r *http.Request) (*http.Response, error) {
	host := c.hook.Load()
	if host == nil {
		return nil, errors.New("no daemon runs")
	}
	r = r.Clone(r.Context())
	r.URL.Host = *host
	return http.DefaultTransport.RoundTrip(r)
}

// crashLife is what one process is to do.
type crashLife struct {
	at       string        // the point at which it is killed; "": the test kills it, or it ends
	nth      int           // the hit of the point
	need     string        // what the load does besides
	messages int           // at most
	settle   bool          // wait until all is done
	end      bool          // end it instead of killing it
	after    time.Duration // kill it after this time; 0: after the messages
}

// lived is what became of a process.
type lived struct {
	reached bool           // it was killed at its point
	started bool           // it took deliveries in
	hits    map[string]int // by point, unless it was killed at one
}

// run runs one process until its end.
func (c *matrixCase) run(l crashLife) (r lived) {
	c.t.Helper()
	nth, delay := fmt.Sprint(l.nth), time.Duration(c.random.IntN(2000))*time.Microsecond
	p := launchChild(c.t, c.dir, c.api, crashMatrix+"=1", crashAt+"="+l.at, crashNth+"="+nth, crashDelay+"="+delay.String())
	defer func() {
		c.hook.Store(nil)
		p.kill()
		c.conns.wait()
	}()
	if err := c.sim.Fail(chertsim.FailRule{Route: "events", Mode: chertsim.FailSlow, Delay: 20 * time.Millisecond, Times: 1}); err != nil {
		c.t.Fatal(err)
	}
	defer c.sim.ClearFaults()
	lines, gone := make(chan string, 16), make(chan struct{})
	go func() {
		defer close(gone)
		defer close(lines)
		for {
			line, err := p.out.ReadString('\n')
			if err != nil {
				return
			}
			lines <- strings.TrimSpace(line)
		}
	}()
	// answer waits for a line that begins with a word.
	answer := func(word string) (string, bool) {
		for line := range lines {
			if rest, ok := strings.CutPrefix(line, word+" "); ok {
				return rest, true
			}
			if strings.HasPrefix(line, "failed ") {
				c.t.Errorf("the daemon has not settled: %s", line)
				return "", false
			}
		}
		return "", false
	}
	command := func(text string) { _, _ = p.stdin.Write([]byte(text + "\n")) } // it may be gone
	finish := func() lived {
		for line := range lines {
			if hits, ok := strings.CutPrefix(line, "hits "); ok {
				r.hits = decodeHits(c.t, hits)
			}
		}
		_ = p.cmd.Wait()
		if r.hits != nil {
			return r
		}
		c.kills++
		r.reached = l.at != ""
		if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signal() != syscall.SIGKILL {
			c.t.Errorf("the daemon was not killed, it ended with %v", p.cmd.ProcessState)
		}
		return r
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // the load ends with the process
		select {
		case <-gone:
		case <-ctx.Done():
		}
		cancel()
	}()
	var beside sync.WaitGroup
	host, ok := answer("ready")
	if !ok {
		return finish()
	}
	r.started, c.everLive = true, true
	c.hook.Store(&host)
	c.editor.complete() // it was cut while nothing ran
	if l.messages > 0 {
		cut, complete := time.Duration(c.random.IntN(60))*time.Millisecond, time.Duration(c.random.IntN(250))*time.Millisecond
		beside.Go(func() {
			// When to cut a file, and when to write it again, is the test's dice.
			pauseFor(ctx, cut)
			c.editor.cut()
			pauseFor(ctx, complete)
			if ctx.Err() == nil {
				c.editor.complete()
			}
		})
	}
	if l.need != "" {
		beside.Go(func() { c.operate(ctx, l.need, command) })
	}
	if l.after > 0 {
		beside.Go(func() {
			if pauseFor(ctx, l.after) {
				_ = p.cmd.Process.Kill()
			}
		})
	}
	c.load.run(ctx, l.messages)
	beside.Wait()
	if l.settle && ctx.Err() == nil {
		c.editor.complete()
		// An operator may have paused the calls, and then the process was killed. It may be now.
		if err := c.ask.Pause(ctx, false); err != nil && l.at == "" {
			c.t.Error(err)
		}
		command(fmt.Sprint("settle ", c.load.count()))
		answer("done")
	}
	if l.end || l.at != "" {
		p.stdin.Close() // a point may be at its end
		return finish()
	}
	command("hits")
	if hits, ok := answer("hits"); ok {
		r.hits = decodeHits(c.t, hits)
	}
	_ = p.cmd.Process.Kill()
	c.kills++
	return r
}

func decodeHits(t *testing.T, text string) (hits map[string]int) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &hits); err != nil {
		t.Errorf("%v in %s", err, text)
	}
	return hits
}

// pauseFor waits, and returns false if ctx ends first.
func pauseFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// operate does what an operator or Chert does so that the daemon comes to some points. The
// daemon may be killed in the middle.
func (c *matrixCase) operate(ctx context.Context, what string, command func(string)) {
	pauseFor(ctx, 10*time.Millisecond)
	for _, one := range strings.Fields(what) {
		switch one {
		case "bulk":
			for range 900 {
				c.load.next(nobody)
			}
			_ = c.sim.Drain(ctx)
		case "pause":
			_ = c.ask.Pause(ctx, true)
			_ = c.ask.Pause(ctx, false)
		case "quarantine":
			for range 3 {
				c.bad++
				id := fmt.Sprint("bad", c.bad)
				c.sim.Emit("message.received", id, "", []byte(`{"data": ["`+id+`"`))
			}
			_ = c.sim.Drain(ctx)
			c.dropped = true
			_, _ = c.ask.DropQuarantined(ctx, control.QuarantineRequest{All: true})
		case "ratelimit":
			_ = c.sim.Fail(chertsim.FailRule{Route: "mark-read", Code: 1007, RetryAfter: 1, Times: 1})
		case "skew":
			c.skew += 20 * time.Second
			c.sim.SetSkew(c.skew)
		case "prune":
			command("prune")
		case "aside":
			command("aside")
		case "ignore":
			c.editor.write(".chertignore", fmt.Sprintf("# %d\n*.nothing\n", c.load.count()))
		case "spare":
			c.operateSpare(ctx)
		}
	}
}

func (c *matrixCase) operateSpare(ctx context.Context) {
	if c.operateCandidate(ctx); ctx.Err() != nil || c.tryOnly {
		return
	}
	c.besides = nil // what follows ends the candidate, or has no answer that tells
	c.editor.write("spare.lua", sparePack+strings.Replace(sparePack, `"one"`, `"two"`, 1))
	_, _ = c.ask.Reload(ctx)
	c.editor.write("spare.lua", strings.Replace(sparePack, `"one"`, `"two"`, 1))
	_, _ = c.ask.Reload(ctx)
	_, _ = c.ask.SetMode(ctx, "spare", control.ModeRequest{Mode: "off", KeepPending: true})
	_, _ = c.ask.SetMode(ctx, "spare", control.ModeRequest{Reset: true})
	if ctx.Err() != nil {
		return
	}
	if err := os.Remove(filepath.Join(c.dir, "rules", "spare.lua")); err != nil {
		c.t.Error(err)
	}
	_, _ = c.ask.Reload(ctx)
	_, _ = c.ask.Remove(ctx, "spare", false)
	c.editor.write("spare.lua", sparePack)
}
