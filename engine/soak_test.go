package engine

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"chertd/engine/store/sqlite"
	"chertd/rules/chat"
)

var soak = flag.Int("soak", 100, "how many events TestSoak sends; from 100,000 on memory is held to its budgets")

// Budgets of architecture.md, in bytes.
const (
	idleBudget = 50 << 20
	soakBudget = 150 << 20
)

// A daemon in a process of its own takes events in as fast as it can, each in a
// chat of its own, reads each chat, and is started again on what it has kept.
// Resident memory is printed as it goes, and the time the start took.
//
//	go test ./engine -run Soak -v -timeout 1h -soak 1000000
func TestSoak(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules", "codes.lua"), []byte(`
chert.on("message.received", { text = "verification code" }, function(ev)
  ev.state.n = (ev.state.n or 0) + 1
  kv.incr("codes")
  chert.mark_read(ev.chat.id)
end)`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRoad(t, 0)
	c, idle, _ := soakStart(t, dir, r.url)
	t.Logf("idle: %d MB resident", idle>>20)

	r.webhook = c.url
	began := time.Now()
	const stages = 10
	sent := 0
	var most, half int64
	for stage := range stages {
		until := *soak * (stage + 1) / stages
		r.post(t, until-sent, 64, 0)
		sent = until
		now := resident(t, c.cmd.Process.Pid)
		most = max(most, now)
		if stage == stages/2-1 {
			half = most
		}
		t.Logf("%8d events: %3d MB resident, %.0f events/s", sent, now>>20, float64(sent)/time.Since(began).Seconds())
	}
	r.await(t)
	t.Logf("all %d read after %v: %d MB resident", *soak, time.Since(began).Round(time.Millisecond), resident(t, c.cmd.Process.Pid)>>20)
	c.kill()

	again, idleAgain, took := soakStart(t, dir, r.url)
	t.Logf("started again on the history in %v: %d MB resident", took.Round(time.Millisecond), idleAgain>>20)
	again.kill()

	st, err := sqlite.Open(context.Background(), filepath.Join(dir, "chertd.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	stats, err := st.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	// Calls whose answers were not committed when the process was killed wait.
	n := int64(*soak)
	if done, waiting := stats.Actions[chat.Done], stats.Actions[chat.Waiting]+stats.Actions[chat.Sent]; stats.Events != n || stats.Pending != 0 || done+waiting != n {
		t.Errorf("the store has %+v, want %d events, all handled, their reads done or, of the last, waiting", stats, n)
	}
	if *soak < 100_000 {
		return
	}
	if idle > idleBudget || most > soakBudget {
		t.Errorf("%d MB resident when idle and up to %d after, want at most %d and %d", idle>>20, most>>20, idleBudget>>20, soakBudget>>20)
	}
	if most > half+half/4 {
		t.Errorf("resident memory grows: at most %d MB in the first half, %d in all", half>>20, most>>20)
	}
	if took > time.Second*time.Duration(1+*soak/1_000_000) {
		t.Errorf("it took %v to start with a history of %d events", took, *soak)
	}
}

// soakStart starts a daemon, and tells how much memory it holds once it takes
// events and how long it took to get there.
func soakStart(t *testing.T, dir, apiURL string) (c *child, idle int64, took time.Duration) {
	t.Helper()
	began := time.Now()
	c = startChild(t, dir, apiURL)
	took = time.Since(began)
	return c, resident(t, c.cmd.Process.Pid), took
}

// resident returns how much memory a process holds, in bytes; 0 where that can't be
// asked.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("process %d has no resident memory:\n%s", pid, text)
	return 0
}
