package main

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"chertd/engine/chert"
)

var memoryEvents = flag.Int("memory.events", 1000, "how many events TestMemoryIsFlat sends; from 1,000,000 on memory is held to its budgets")

// Budgets of resident memory, in MB.
const (
	idleBudget = 40
	loadBudget = 150
)

// TestMemoryIsFlat sends events to the daemon as fast as it takes them, each of a chat of
// its own that is marked as read, and measures the resident memory after each tenth. It
// must not grow: the last value is at most a tenth above the one after two tenths.
func TestMemoryIsFlat(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	if raceEnabled {
		t.Skip("the race detector takes several times the memory")
	}
	d := startLoaded(t)
	idle := d.resident(t)
	t.Logf("idle: %d MB", idle)
	var measured []int
	for tenth := range 10 {
		began := time.Now()
		n := *memoryEvents / 10
		d.deliver(t, tenth*n, n)
		measured = append(measured, d.resident(t))
		t.Logf("%d events: %d MB; %.0f events/s", (tenth+1)*n, measured[tenth], float64(n)/time.Since(began).Seconds())
	}
	if *memoryEvents < 1_000_000 {
		return
	}
	if idle > idleBudget {
		t.Errorf("idle, the daemon holds %d MB, at most %d", idle, idleBudget)
	}
	if last := measured[9]; last > loadBudget || last > measured[1]+measured[1]/10 {
		t.Errorf("the daemon holds %d MB in the end, at most %d, and %d after two tenths", last, loadBudget, measured[1])
	}
	time.Sleep(3 * time.Minute) // the runtime collects after two minutes, and returns memory slowly
	t.Logf("idle for three minutes: %d MB", d.resident(t))
}

// loaded is a daemon in a process of its own, and the Chert that it calls.
type loaded struct {
	pid   int
	hook  string
	calls atomic.Int64
}

func startLoaded(t *testing.T) *loaded {
	t.Helper()
	d := &loaded{}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.calls.Add(1)
		io.WriteString(w, `{"status":"read"}`)
	}))
	t.Cleanup(api.Close)
	dir := t.TempDir()
	put(t, dir, "rules/codes.lua", `chert.on("message.received", { text = "code" }, function(ev) chert.mark_read(ev.chat.id) end)`)
	put(t, dir, "chertd.yaml", fmt.Sprintf(`
chert: {base_url: %q, tenant: acme, signing_secret: "0123456789abcdef0123456789abcdef", rate: {limit: 10000, burst: 10000, adaptive: false}}
sources: {webhook: {listen: "127.0.0.1:0", secrets: ["whsec"]}, catchup: {enabled: false}}
rules: {dir: ./rules}
`, api.URL))
	cmd := exec.Command("chertd", "run")
	cmd.Dir = dir
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.pid = cmd.Process.Pid
	started, ended := make(chan string, 1), make(chan struct{})
	var log strings.Builder // how its log begins, until ended
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			if m := webhookAddress.FindStringSubmatch(s.Text()); m != nil {
				started <- m[1]
			}
			if log.Len() < 1<<20 {
				log.WriteString(s.Text() + "\n")
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	select {
	case d.hook = <-started:
	case <-ended:
		t.Fatal("the daemon does not start")
	}
	return d
}

var webhookAddress = regexp.MustCompile(`chertd started.* webhook=(\S+)`)

// deliver sends n events, and waits until their chats are marked as read.
func (d *loaded) deliver(t *testing.T, first, n int) {
	t.Helper()
	const senders = 32
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	defer client.CloseIdleConnections()
	key := chert.NewKey("whsec")
	var next atomic.Int64
	next.Store(int64(first))
	var sending sync.WaitGroup
	for range senders {
		sending.Go(func() {
			for i := next.Add(1) - 1; i < int64(first+n); i = next.Add(1) - 1 {
				if err := sendEvent(client, d.hook, key, i); err != nil {
					t.Errorf("event %d: %v", i, err)
					return
				}
			}
		})
	}
	sending.Wait()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for patience := time.Now().Add(time.Minute); d.calls.Load() < int64(first+n) && !t.Failed(); <-tick.C {
		if time.Now().After(patience) {
			t.Fatalf("%d calls for %d events", d.calls.Load(), first+n)
		}
	}
}

func sendEvent(client *http.Client, hook string, key *chert.Key, i int64) error {
	body := fmt.Sprintf(`{"event":"message.received","event_id":"e%[1]d","timestamp":"2026-01-05T12:00:00Z","partner_id":"acme","data":{"chat":{"id":"c%[1]d","is_group":false,"handles":[{"handle":"+14155551234","service":"imessage","is_me":false}],"owner_handle":{"handle":"+14152165723","service":"imessage","is_me":true}},"message":{"id":"m%[1]d","direction":"inbound","sender_handle":{"handle":"+14155551234","service":"imessage","is_me":false},"parts":[{"type":"text","value":"your code is %[1]d"}],"sent_at":"2026-01-05T12:00:00Z"}}}`, i)
	req, err := http.NewRequest(http.MethodPost, hook, strings.NewReader(body))
	if err != nil {
		return err
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("X-Webhook-Signature", "t="+timestamp+",v1="+hex.EncodeToString(key.Digest(timestamp, []byte(body))))
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s %s", resp.Status, answer)
	}
	return nil
}

var residentNow = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// resident returns the resident memory in MB.
func (d *loaded) resident(t *testing.T) int {
	t.Helper()
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.pid))
	m := residentNow.FindSubmatch(status)
	if m == nil {
		t.Fatalf("the daemon has ended: %s", status)
	}
	kb, _ := strconv.Atoi(string(m[1]))
	return kb << 10 / 1_000_000
}
