package engine

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/store/sqlite"
)

var editCrashes = flag.Int("editcrashes", 2, "how often TestKilledWhileFilesAreEdited kills the daemon")

// editedPacks are the packs of the kill test, by file. Each says something
// about every message, so that a decision shows whether it was there.
var editedPacks = map[string]string{
	"plain.lua": `
chert.rule({ name = "read", on = "message.received", run = function(ev)
  log.debug("plain saw it")
  chert.mark_read(ev.chat.id, { reason = "plain" })
end })
`,
	"later.lua": `
chert.rule({ name = "later", on = "message.received", run = function(ev)
  if ev.text:find("later", 1, true) then
    chert.mark_read(ev.chat.id, { after = 0.1 })
    chert.set_timer("look", 0.05, { message = ev.message.id })
  end
end })
chert.on("timer:look", function(ev)
  kv.incr("fired:" .. ev.payload.message)
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
}

// packEditor edits rule files as some editors do: it cuts a file, and writes it
// again a moment later.
type packEditor struct {
	t      *testing.T
	dir    string
	packs  map[string]string // the text of each file
	random *rand.Rand
	edits  int
	half   string // the file that was cut and is to be written again; "": none
}

func (p *packEditor) whole(name string) string {
	return fmt.Sprintf("-- edit %d%s", p.edits, p.packs[name])
}

func (p *packEditor) writeAll() {
	for name := range p.packs {
		p.write(name, p.whole(name))
	}
}

// cut leaves a beginning of a file, often nothing.
func (p *packEditor) cut() {
	names := append(slices.Sorted(maps.Keys(p.packs)), "vip.lua")
	p.half = names[p.random.IntN(len(names))]
	p.edits++
	text := p.whole(p.half)
	switch p.random.IntN(3) {
	case 0:
		text = ""
	case 1:
		text = strings.TrimRight(text[:p.random.IntN(len(text))], "\n")
	default: // a beginning that loads, and holds no rule
		text = text[:strings.IndexByte(text, '\n')+1]
	}
	p.write(p.half, text)
}

// complete writes the file that was cut.
func (p *packEditor) complete() {
	if p.half != "" {
		p.write(p.half, p.whole(p.half))
		p.half = ""
	}
}

func (p *packEditor) write(name, text string) {
	if err := os.WriteFile(filepath.Join(p.dir, "rules", name), []byte(text), 0o600); err != nil {
		p.t.Error(err)
	}
}

// The daemon is killed again and again under load while its files are cut and
// written again, in its life and between two lives. Whatever it acknowledged was
// handled once, in the order of its chat, by all four packs; counters are exact;
// timers fire once; and no chat that a rule vetoed or held is ever read.
//
//	go test ./engine -run KilledWhileFilesAreEdited -editcrashes 200 -timeout 30m -v
func TestKilledWhileFilesAreEdited(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	editor := &packEditor{t: t, dir: dir, packs: editedPacks, random: random}
	editor.writeAll()
	api := newReadCounter()
	apiURL := serveNoted(t, api, api.conns.note)
	load := &editLoad{acked: map[string]string{}}

	child := startChild(t, dir, apiURL)
	inFlight := 0 // at all kills
	for range *editCrashes {
		ctx, cancel := context.WithCancel(t.Context())
		var posters sync.WaitGroup
		for n := range 8 {
			posters.Go(func() { load.post(ctx, child.url, n) })
		}
		// When to cut, to write and to kill is the test's dice.
		time.Sleep(time.Duration(20+random.IntN(150)) * time.Millisecond)
		editor.cut()
		time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
		if random.IntN(2) == 0 {
			editor.complete()
			time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
		}
		child.kill()
		cancel()
		posters.Wait()
		inFlight += callsInFlight(t, dir, api)
		if random.IntN(2) == 0 {
			editor.complete()
			editor.cut() // while it is stopped
		}
		child = startChild(t, dir, apiURL)
		time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond)
		editor.complete()
	}
	// What is left is finished by the last life: each chat that nobody vetoed is
	// read in the end.
	deadline := time.Now().Add(time.Minute)
	for load.unread(api) > 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond) // another process's progress gives no signal
	}
	if n := load.unread(api); n > 0 {
		t.Errorf("%d acknowledged messages of chats that nobody vetoed have no call", n)
	}
	time.Sleep(200 * time.Millisecond) // the last timers
	child.kill()
	load.check(t, dir, api, inFlight)
	t.Logf("%d kills, %d edits, %d messages acknowledged, %d calls", *editCrashes, editor.edits, len(load.acked), api.total())
}

// editLoad is the messages that were sent. Each sender has a chat of its own to
// which it writes again and again, one message after the other, and writes to
// fresh chats in between.
type editLoad struct {
	mu    sync.Mutex
	next  int
	acked map[string]string // event → chat
}

func (l *editLoad) post(ctx context.Context, url string, sender int) {
	for ctx.Err() == nil {
		l.mu.Lock()
		i := l.next
		l.next++
		l.mu.Unlock()
		chat, text := fmt.Sprintf("chat-%d", i), "hello"
		switch i % 7 {
		case 0:
			chat = fmt.Sprintf("again-%d", sender)
		case 1:
			text = "later"
		case 2:
			chat, text = fmt.Sprintf("vip-%d", i), "vip"
		case 3:
			chat, text = fmt.Sprintf("held-%d", i), "hold"
		}
		body := fmt.Sprintf(`{"event_type":"message.received","event_id":"e%d","data":{"chat":{"id":%q},"message":{"id":"m%d","direction":"inbound","parts":[{"type":"text","value":"%s #%d"}]}}}`, i, chat, i, text, i)
		if postBody(ctx, url, body) {
			l.mu.Lock()
			l.acked[fmt.Sprintf("e%d", i)] = chat
			l.mu.Unlock()
		}
	}
}

// unread counts the acknowledged chats that may be read and were not.
func (l *editLoad) unread(api *readCounter) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	api.mu.Lock()
	defer api.mu.Unlock()
	for _, chat := range l.acked {
		if !strings.HasPrefix(chat, "vip") && !strings.HasPrefix(chat, "held") && api.calls[chat] == 0 {
			n++
		}
	}
	return n
}

// check compares what the store says with what was sent and called.
func (l *editLoad) check(t *testing.T, dir string, api *readCounter, inFlight int) {
	t.Helper()
	path := filepath.Join(dir, "chertd.db")
	st, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var handled int64
	perChat := map[string]int{}
	found := map[string][]string{} // what is wrong, by its kind
	wrong := func(kind, format string, args ...any) {
		found[kind] = append(found[kind], fmt.Sprintf(format, args...))
	}
	for i := range l.next {
		id := fmt.Sprintf("e%d", i)
		record, known, err := st.Event(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		chat, acked := l.acked[id]
		switch {
		case !known && !acked:
			continue // it never came in
		case !known:
			wrong("acknowledged events that are gone", "event %s was acknowledged and is gone", id)
			continue
		case record.Decision == nil:
			wrong("events without a decision", "event %s has no decision", id)
			continue
		}
		handled++
		perChat[record.Event.ChatID()]++
		ran := map[string]int{}
		for _, r := range record.Decision.Rules {
			if r.Error != "" {
				wrong("events for which a rule failed", "event %s: %s/%s failed: %s", id, r.Pack, r.Rule, r.Error)
			}
			ran[r.Pack]++
		}
		for _, pack := range []string{"plain", "later", "count", "vip"} {
			if ran[pack] == 0 {
				wrong("events that ran without a pack", "event %s of chat %s ran while pack %s was missing: %+v", id, chat, pack, record.Decision)
			}
		}
		if strings.Contains(record.Event.Text, "later") {
			value := kvOf(t, st, "later", "fired:m"+id[1:])
			if value != "1" {
				wrong("timers that did not fire once", "the timer of event %s fired %q times", id, value)
			}
		}
	}
	if all := kvOf(t, st, "count", "all"); all != fmt.Sprint(handled) {
		wrong("kv counters that are not exact", "kv counted %s of %d events", all, handled)
	}
	for chat, n := range perChat {
		raw, err := st.State(context.Background(), "count", chat)
		if err != nil {
			t.Fatal(err)
		}
		var state struct{ N, Turned int }
		if raw != nil {
			if err := json.Unmarshal(raw, &state); err != nil {
				t.Fatalf("state of %s: %v: %s", chat, err, raw)
			}
		}
		if state.N != n || state.Turned != 0 {
			wrong("states that are not exact", "chat %s: %d events, its state counted %d, %d of them out of order", chat, n, state.N, state.Turned)
		}
	}
	api.mu.Lock()
	defer api.mu.Unlock()
	extra := 0
	for chat, n := range api.calls {
		if strings.HasPrefix(chat, "vip") || strings.HasPrefix(chat, "held") {
			wrong("reads of chats that a rule forbids", "chat %s was read, though a rule forbids it", chat)
		}
		if n > 1 && strings.HasPrefix(chat, "chat") {
			extra += n - 1
		}
	}
	if extra > inFlight {
		wrong("calls beyond those in flight", "%d calls were made again, and %d were in flight at the %d kills", extra, inFlight, *editCrashes)
	}
	for kind, all := range found {
		t.Errorf("%s: %d, for example: %s", kind, len(all), strings.Join(all[:min(3, len(all))], "; "))
	}
	t.Logf("%d events handled, %d calls beyond one a chat, %d in flight at the kills", handled, extra, inFlight)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check: %s, %v", verdict, err)
	}
}

func kvOf(t *testing.T, st *sqlite.Store, pack, key string) string {
	t.Helper()
	v, err := st.KV(context.Background(), pack, key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return string(v.Value)
}

// postBody reports whether the daemon acknowledged a delivery.
func postBody(ctx context.Context, url, body string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return false
	}
	ts := fmt.Sprint(time.Now().Unix())
	req.Header.Set("X-Webhook-Signature", "t="+ts+",v1="+sign(benchHook, ts, []byte(body)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}
