package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules"
	"chertd/rules/turn"
)

var (
	backtestEvents = flag.Int("backtest.events", 2000, "how many events TestBacktestOfManyEvents compares; from 100,000 on it is held to its budgets")
	backtestChats  = flag.Int("backtest.chats", 20, "events a chat in TestBacktestOfManyEvents")
)

// The budgets of a backtest of 100,000 events. Time is that of the processor, which does not
// depend on what else runs on the machine.
const (
	backtestTime   = 30 * time.Second
	backtestMemory = 400 // MB
)

// TestBacktestOfManyEvents compares events of two days in a store, with three packs of which
// the candidate changes two. It prints the time, the processor time and the memory.
func TestBacktestOfManyEvents(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes several times the time and the memory")
	}
	dir, n := t.TempDir(), *backtestEvents
	rulesOf := func(folder, words, after string) {
		put(t, dir, folder+"/codes.lua", fmt.Sprintf(`chert.rule({ name = "codes", on = "message.received", where = { is_group = false, words = %s },
			run = function(ev) if re.find("[0-9]{4,8}", ev.text) then chert.mark_read(ev.chat.id, { reason = "a code" }) end end })`, words))
		put(t, dir, folder+"/settle.lua", fmt.Sprintf(`chert.rule({ name = "settle", on = "message.received", where = { except = { words = "code" } },
			run = function(ev) ev.state.n = (ev.state.n or 0) + 1 chert.mark_read(ev.chat.id, { after = %q }) end })`, after))
		put(t, dir, folder+"/hold.lua", `chert.on("message.received", { text = "lawyer" }, function(ev) chert.hold(ev.chat.id, "2h") kv.incr("held") end)`)
	}
	rulesOf("rules", `"code"`, "30s")
	rulesOf("next", `{ "code", "pin" }`, "5m")
	fillRecorded(t, filepath.Join(dir, "chertd.db"), filepath.Join(dir, "rules"), n, max(n / *backtestChats, 1))

	cmd := exec.CommandContext(t.Context(), "chertd", "backtest", "next", "--store", "chertd.db", "--format", "json")
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	took, used := time.Since(began), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	var r backtestReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if got := r.Events + r.Warmup.Events; got != n || r.Events < n/3 || r.Warmup.Events < n/3 || r.Total() == 0 {
		t.Errorf("compared %d and %d events of %d, %d differences", r.Events, r.Warmup.Events, n, r.Total())
	}
	memory := 0
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && runtime.GOOS == "linux" {
		memory = int(usage.Maxrss) << 10 / 1_000_000
	}
	t.Logf("%d events in %d chats: %v, %v of the processor, at most %d MB; %d and %d reads, %d differences in %d chats",
		n, n / *backtestChats, took.Round(time.Millisecond), used.Round(time.Millisecond), memory, r.LiveSide.Reads, r.CandidateSide.Reads, r.Total(), r.DifferingChats)
	if n == 100_000 && (used > backtestTime || memory > backtestMemory) {
		t.Errorf("it takes %v and %d MB, at most %v and %d MB", used, memory, backtestTime, backtestMemory)
	}
}

// fillRecorded makes a store in which packs are live, with messages of two days.
func fillRecorded(t *testing.T, path, dir string, n, chats int) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
	if diags.Errors() {
		t.Fatal(diags)
	}
	for _, p := range set.Packs() {
		if err := s.SaveVersion(t.Context(), store.Version{Pack: p.Name, Version: p.Version, Path: p.Path, Files: p.Files, Since: newestMessage, Last: newestMessage}); err != nil {
			t.Fatal(err)
		}
		if err := s.SetPackState(t.Context(), store.PackState{Pack: p.Name, Live: p.Version}); err != nil {
			t.Fatal(err)
		}
	}
	appendMessages(t, s, n, chats)
}

// newestMessage is when the last message of appendMessages was received.
var newestMessage = time.Date(2026, 1, 7, 12, 0, 0, 0, time.UTC)

// appendMessages journals messages of two days.
func appendMessages(t *testing.T, s *sqlite.Store, n, chats int) {
	t.Helper()
	texts := []string{"hello there", "Your code is 123456", "ok, see you tomorrow at the usual place", "I will ask my lawyer", "thanks!", "the pin is 9876", "can you call me back?"}
	apart := 48 * time.Hour / time.Duration(n)
	var batch []turn.Arrival
	for i := range n {
		at := newestMessage.Add(-apart * time.Duration(n-1-i))
		body := fmt.Sprintf(`{"event":"message.received","event_type":"message.received","event_id":"chert:msg:%[1]d","timestamp":%[2]q,"api_version":"v1","webhook_version":"2026-05-04","partner_id":"acme","data":{"chat":{"id":"chat-%[3]d","is_group":false,"handles":[{"handle":"+14155551234","service":"imessage","is_me":false}],"owner_handle":{"handle":"+14152165723","service":"imessage","is_me":true}},"message":{"id":"msg-%[1]d","direction":"inbound","sender_handle":{"handle":"+14155551234","service":"imessage","is_me":false},"parts":[{"type":"text","value":%[4]q}],"sent_at":%[2]q}}}`,
			i, at.Format(time.RFC3339Nano), i*7919%chats, texts[i*31%len(texts)])
		ev, err := event.Decode([]byte(body), event.Hints{})
		if err != nil {
			t.Fatal(err)
		}
		ev.Source = event.SourceWebhook
		batch = append(batch, turn.Arrival{Event: ev, Received: at})
		if len(batch) == 1000 || i == n-1 {
			if _, err := s.Append(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
}
