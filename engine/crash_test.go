package engine

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/dispatch"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules/chat"
)

var crashes = flag.Int("crashes", 4, "how often TestKilledAtAnyMoment kills the daemon")

// The daemon is killed without warning again and again while events come in
// and calls go out. Whatever was acknowledged is handled, each event once;
// every chat is read; and no call that has ended is made again.
//
//	go test ./engine -run Killed -crashes 200
func TestKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules", "p.lua"), []byte(`
chert.on("message.received", { text = "now" }, function(ev)
  ev.state.n = (ev.state.n or 0) + 1
  chert.mark_read(ev.chat.id)
end)
chert.rule({ name = "later", on = "message.received", where = { text = "later" },
  run = function(ev) chert.mark_read(ev.chat.id, { after = 0.1 }) end })`), 0o600); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	api := newReadCounter()
	apiURL := serveNoted(t, api, api.conns.note)
	acked := map[string]bool{}
	var mu sync.Mutex
	next, again, inFlight := 0, 0, 0
	for range *crashes {
		child := startChild(t, dir, apiURL)
		ctx, cancel := context.WithCancel(context.Background())
		var posters sync.WaitGroup
		for range 8 {
			posters.Go(func() {
				for ctx.Err() == nil {
					mu.Lock()
					i := next
					next++
					mu.Unlock()
					if postMessage(ctx, child.url, i) {
						mu.Lock()
						acked[chatName(i)] = true
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Duration(20+random.IntN(250)) * time.Millisecond) // when to kill is the test's dice
		child.kill()
		cancel()
		posters.Wait()
		again += repeatedCalls(t, dir, api)
		inFlight += callsInFlight(t, dir, api)
	}
	if again > 0 {
		t.Errorf("%d calls were made again although they had ended", again)
	}

	// The last start finishes what is left.
	child := startChild(t, dir, apiURL)
	deadline := time.Now().Add(time.Minute)
	missing := 0
	for time.Now().Before(deadline) {
		if missing = api.missing(acked); missing == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond) // another process's progress gives no signal
	}
	child.kill()
	if missing > 0 {
		t.Errorf("%d of %d acknowledged events have no call", missing, len(acked))
	}
	st, err := sqlite.Open(context.Background(), filepath.Join(dir, "chertd.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for id := range acked {
		records, err := st.Events(context.Background(), id, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != 1 || records[0].Decision == nil || len(records[0].Actions) != 1 {
			t.Fatalf("chat %s: want one event, handled once, with one action: %+v", id, records)
		}
		state, err := st.State(context.Background(), "p", id)
		if err != nil {
			t.Fatal(err)
		}
		if now := strings.HasSuffix(records[0].Event.Text, "now"); now && string(state) != `{"n":1}` {
			t.Fatalf("chat %s: state is %s, want the event counted once", id, state)
		}
	}
	api.mu.Lock()
	twice := 0
	for _, calls := range api.calls {
		twice += calls - 1
	}
	api.mu.Unlock()
	if twice > inFlight {
		t.Errorf("%d calls were made again, and %d were in flight at the kills", twice, inFlight)
	}
	t.Logf("%d crashes, %d events acknowledged, %d calls, %d in flight at the kills, %d made again", *crashes, len(acked), api.total(), inFlight, twice)
}

// repeatedCalls returns how many chats were called again although their action had ended
// when it was last called. Call it between two runs of the daemon.
func repeatedCalls(t *testing.T, dir string, api *readCounter) (again int) {
	st, err := sqlite.Open(context.Background(), filepath.Join(dir, "chertd.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	done, err := st.Actions(context.Background(), store.ActionFilter{Status: []chat.Status{chat.Done}, Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	api.mu.Lock()
	defer api.mu.Unlock()
	for _, a := range done {
		if at, seen := api.ended[a.Chat]; seen && api.calls[a.Chat] > at {
			again++
		}
		if api.ended == nil {
			api.ended = map[string]int{}
		}
		api.ended[a.Chat] = api.calls[a.Chat]
	}
	return again
}

// callsInFlight returns how many calls were in flight when the daemon was killed: those of
// chats with one message (chat-1) that were called since the last kill, and of which the store
// has no read that is done. It checks their bound. Call it after each kill.
func callsInFlight(t *testing.T, dir string, api *readCounter) (n int) {
	t.Helper()
	api.conns.wait()
	st, err := sqlite.Open(context.Background(), filepath.Join(dir, "chertd.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	ended, err := st.Actions(context.Background(), store.ActionFilter{Status: []chat.Status{chat.Done}, Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]bool{}
	for _, a := range ended {
		done[a.Chat] = true
	}
	api.mu.Lock()
	defer api.mu.Unlock()
	for id, calls := range api.calls {
		if strings.HasPrefix(id, "chat") && !done[id] && calls > api.before[id] {
			n++
		}
	}
	api.before = maps.Clone(api.calls)
	if most := dispatch.DefaultConcurrency + dispatch.MaxUndurable; n > most {
		t.Errorf("%d calls were in flight when the daemon was killed, want %d at most", n, most)
	}
	return n
}

// readCounter is a Chert that counts the calls of each chat.
type readCounter struct {
	conns *connCount

	mu     sync.Mutex
	calls  map[string]int
	ended  map[string]int // calls of a chat when its action had ended
	before map[string]int // calls of a chat until the last kill
}

func newReadCounter() *readCounter {
	return &readCounter{conns: newConnCount(), calls: map[string]int{}}
}

func (c *readCounter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/chats/"), "/mark-read")
	c.mu.Lock()
	c.calls[id]++
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"chat_id": id, "status": "read"})
}

func (c *readCounter) missing(acked map[string]bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range acked {
		if c.calls[id] == 0 {
			n++
		}
	}
	return n
}

func (c *readCounter) total() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, calls := range c.calls {
		n += calls
	}
	return n
}

// postMessage reports whether the daemon acknowledged the i-th message.
func postMessage(ctx context.Context, url string, i int) bool {
	when := "now"
	if i%3 == 0 {
		when = "later"
	}
	body := fmt.Appendf(nil, `{"event_type":"message.received","event_id":"e%d","data":{"chat":{"id":%q},"message":{"id":"m%d","direction":"inbound","parts":[{"type":"text","value":"read this %s"}]}}}`, i, chatName(i), i, when)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		return false
	}
	ts := fmt.Sprint(time.Now().Unix())
	req.Header.Set("X-Webhook-Signature", "t="+ts+",v1="+sign(benchHook, ts, body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}
