package engine

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chertd/engine/dispatch"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules/chat"
)

// found has what is wrong, by its kind, and what was counted.
type found struct {
	wrong map[string][]string

	events   int // that people's messages made and that are handled
	lost     int // acknowledged events that are gone
	doubled  int // effects that happened twice
	again    int // calls made again
	inFlight int // calls in flight at kills, which bounds again
}

func (f *found) add(kind, format string, args ...any) {
	if f.wrong == nil {
		f.wrong = map[string][]string{}
	}
	f.wrong[kind] = append(f.wrong[kind], fmt.Sprintf(format, args...))
}

func (f *found) report(c *matrixCase, when string) {
	for _, kind := range slices.Sorted(maps.Keys(f.wrong)) {
		all := f.wrong[kind]
		c.t.Errorf("%s: %s: %d, for example: %s", when, kind, len(all), strings.Join(all[:min(3, len(all))], "; "))
	}
}

// afterKill checks what must hold at any moment, on a copy of the store, so that the next
// process recovers the original. It notes which calls were in flight.
func (c *matrixCase) afterKill(f *found, when string) {
	c.t.Helper()
	dir, err := os.MkdirTemp(c.dir, "copy")
	if err != nil {
		c.t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"chertd.db", "chertd.db-wal"} {
		if err := copyFile(filepath.Join(c.dir, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "chertd.db")); err != nil {
		return // it was killed before there was a store
	}
	b := c.books(filepath.Join(dir, "chertd.db"))
	b.atAnyMoment(f)
	c.checkCandidate(f, b.packs)
	calls := b.callsInFlight()
	for key := range calls {
		c.inFlight[key]++
	}
	c.called = b.calls
	if most := dispatch.DefaultConcurrency + dispatch.MaxUndurable; len(calls) > most {
		f.add("calls in flight", "%d calls were in flight, want %d at most", len(calls), most)
	}
}

// atTheEnd checks everything, once the daemon has settled and ended.
func (c *matrixCase) atTheEnd(f *found) {
	c.t.Helper()
	b := c.books(filepath.Join(c.dir, "chertd.db"))
	b.atAnyMoment(f)
	c.checkCandidate(f, b.packs)
	b.settled(f)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// books is all that a store says, beside what people wrote and Chert has seen.
type books struct {
	packs []store.PackState
	sent  []matrixMessage
	acked map[string]bool
	calls map[string]int // at Chert
	c     *matrixCase

	records     map[string]store.Record // of the journal, by event
	byChat      map[string][]store.Record
	twice       []string // events that the journal has twice
	early       map[string]bool
	quarantined []string              // bodies
	states      map[string]packStates // by chat
	kv          map[string]string     // "pack/key"
	integrity   string
}

// packStates is the state that packs keep of a chat.
type packStates struct {
	N, Last, Turned int // of pack count
	Fired           int // of pack later, without kv
	Done            int // of pack send, without kv
}

func (c *matrixCase) books(path string) *books {
	c.t.Helper()
	ctx := context.Background()
	b := &books{c: c, records: map[string]store.Record{}, byChat: map[string][]store.Record{}, early: map[string]bool{}, states: map[string]packStates{}, kv: map[string]string{}}
	c.load.mu.Lock()
	b.sent, b.acked, b.calls = slices.Clone(c.load.sent), maps.Clone(c.load.acked), maps.Clone(c.load.calls)
	c.load.mu.Unlock()
	must := func(err error) {
		if err != nil {
			c.t.Helper()
			c.t.Fatal(err)
		}
	}
	st, err := sqlite.Open(ctx, path, sqlite.Options{})
	must(err)
	for before := int64(0); ; {
		page, err := st.Events(ctx, "", before, 500)
		must(err)
		for _, r := range page {
			if _, known := b.records[r.Event.ID]; known {
				b.twice = append(b.twice, r.Event.ID)
			}
			b.records[r.Event.ID] = r
			b.byChat[r.Event.ChatID()] = append(b.byChat[r.Event.ChatID()], r)
			before = r.Seq
		}
		if len(page) == 0 {
			break
		}
	}
	early, err := st.Early(ctx, 0, 1<<20)
	must(err)
	for _, e := range early {
		b.early[e.ID] = true
	}
	bad, err := st.Quarantined(ctx, 1<<20)
	must(err)
	for _, q := range bad {
		b.quarantined = append(b.quarantined, string(q.Body))
	}
	b.packs, err = st.PackStates(ctx)
	must(err)
	must(st.Close())

	db, err := sql.Open("sqlite", path)
	must(err)
	defer db.Close()
	must(db.QueryRow("PRAGMA integrity_check").Scan(&b.integrity))
	rows, err := db.Query("SELECT pack, key, coalesce(value, '') FROM kv")
	must(err)
	for rows.Next() {
		var pack, key, value string
		must(rows.Scan(&pack, &key, &value))
		b.kv[pack+"/"+key] = value
	}
	must(rows.Err())
	rows, err = db.Query("SELECT chat_id, value FROM states")
	must(err)
	for rows.Next() {
		var id, value string
		must(rows.Scan(&id, &value))
		all := b.states[id]
		must(json.Unmarshal([]byte(value), &all)) // each pack has fields of its own
		b.states[id] = all
	}
	must(rows.Err())
	return b
}

// message returns what became of the i-th message, and whether it is in the journal.
func (b *books) message(i int) (store.Record, bool) {
	r, ok := b.records[fmt.Sprint("e", i)]
	return r, ok
}

// atAnyMoment checks what each kill must leave.
func (b *books) atAnyMoment(f *found) {
	if b.integrity != "ok" {
		f.add("integrity_check", "%s", b.integrity)
	}
	for _, id := range b.twice {
		f.doubled++
		f.add("events twice in the journal", "%s", id)
	}
	for id := range b.acked {
		if _, known := b.records[id]; !known && !b.early[id] && strings.HasPrefix(id, "e") {
			f.lost++
			f.add("acknowledged events that are gone", "%s", id)
		}
	}
	b.inQuarantine(f)
	handled, perChat := 0, map[string]int{}
	for i := range b.sent {
		r, known := b.message(i)
		if !known || r.Decision == nil {
			continue
		}
		handled++
		perChat[b.sent[i].chat]++
		b.ranWhole(f, i, &r)
	}
	if n := number(b.kv["count/all"]); n != handled && !b.c.noKV {
		f.doubled += max(0, n-handled)
		f.add("kv counters that are not exact", "kv counted %d of %d handled events", n, handled)
	}
	for id := range b.states {
		if perChat[id] == 0 {
			f.add("state without its event", "chat %s has state, and no event of it is handled", id)
		}
	}
	for id, n := range perChat {
		if s := b.states[id]; s.N != n {
			f.doubled += max(0, s.N-n)
			f.add("state counters that are not exact", "chat %s: its state counted %d of %d handled events", id, s.N, n)
		}
		if s := b.states[id]; s.Turned > 0 {
			f.add("chats whose order was turned", "chat %s: %d of %d events", id, s.Turned, n)
		}
	}
	ticks := 0
	for _, r := range b.records {
		if r.Event.Type == event.Schedule && r.Decision != nil {
			ticks++
		}
	}
	if n := number(b.kv["tick/ticks"]); n != ticks {
		f.doubled += max(0, n-ticks)
		f.add("runs of a schedule that are not exact", "kv counted %d runs, %d are handled", n, ticks)
	}
	for _, m := range b.sent {
		if n := b.fired(m.chat); n > 1 {
			f.doubled += n - 1
			f.add("timers that fired twice", "that of chat %s fired %d times", m.chat, n)
		}
		if n := b.done(m.chat); n > 1 {
			f.doubled += n - 1
			f.add("results that came twice", "the send to chat %s ended %d times", m.chat, n)
		}
	}
	for key := range b.calls {
		id := strings.TrimPrefix(key, sendTo(""))
		if strings.HasPrefix(id, "vip") || strings.HasPrefix(id, "hold") {
			f.add("reads that a rule forbids", "chat %s was read", id)
		}
		if len(b.byChat[id]) == 0 {
			f.add("calls without an event", "chat %s was called and the journal has no event of it", key)
		}
	}
}

// inQuarantine checks that deliveries that can't be understood are kept.
func (b *books) inQuarantine(f *found) {
	for id := range b.acked {
		kept := slices.ContainsFunc(b.quarantined, func(body string) bool { return strings.Contains(body, `"`+id+`"`) })
		if strings.HasPrefix(id, "bad") && !kept && !b.c.dropped {
			f.lost++
			f.add("acknowledged deliveries that are not in quarantine", "%s", id)
		}
	}
}

// ranWhole checks that the packs that run on each message ran on it once, and that its actions are there once.
func (b *books) ranWhole(f *found, i int, r *store.Record) {
	ran := map[string]int{}
	for _, rule := range r.Decision.Rules {
		if rule.Error != "" && rule.Pack != "spare" {
			f.add("rules that failed", "e%d: %s/%s: %s", i, rule.Pack, rule.Rule, rule.Error)
		}
		ran[rule.Pack]++
	}
	if ran["count"] != 1 || ran["vip"] != 1 {
		f.add("events without a pack", "e%d ran with %v: %+v", i, ran, r.Decision)
	}
	want := 1 // one read or one send
	if n := len(r.Actions); b.wordOf(i) != "cross" && n > want {
		f.doubled++
		f.add("actions twice", "e%d has %d actions: %+v", i, n, r.Actions)
	}
}

// fired returns how often the timer of a chat has fired.
func (b *books) fired(id string) int { return b.states[id].Fired + number(b.kv["later/fired:"+id]) }

// done returns of how many sends to a chat the pack has learned.
func (b *books) done(id string) int { return b.states[id].Done + number(b.kv["send/done:"+id]) }

func (b *books) wordOf(i int) string { return strings.Fields(b.sent[i].text)[0] }

// callsInFlight returns the chats, as in matrixLoad.calls, with a call since the last kill that
// took effect and whose end is not durable. It leaves out chats with several messages.
func (b *books) callsInFlight() map[string]bool {
	calls := map[string]bool{}
	for key, n := range b.calls {
		if n == b.c.called[key] {
			continue
		}
		kind, id := chat.Read, key
		if rest, ok := strings.CutPrefix(key, sendTo("")); ok {
			kind, id = chat.Send, rest
		}
		done := slices.ContainsFunc(b.byChat[id], func(r store.Record) bool {
			return slices.ContainsFunc(r.Actions, func(a chat.Action) bool { return a.Kind == kind && a.Status == chat.Done })
		})
		if !done && !strings.HasPrefix(id, "again") {
			calls[key] = true
		}
	}
	return calls
}

// settled checks what must hold once everything is done.
func (b *books) settled(f *found) {
	f.events = len(b.sent)
	for i, m := range b.sent {
		r, known := b.message(i)
		if !known || r.Decision == nil {
			f.lost++
			f.add("messages that are not handled", "e%d: in the journal: %t", i, known)
			continue
		}
		switch b.wordOf(i) {
		case "later":
			if n := b.fired(m.chat); n != 1 {
				f.add("timers that did not fire once", "that of e%d fired %d times", i, n)
			}
			b.read(f, m.chat)
		case "cross":
			b.read(f, m.chat)
			b.read(f, strings.Replace(m.chat, "cross", "target", 1))
		case "plain", "hello":
			b.read(f, m.chat)
		case "send":
			b.answered(f, m)
		}
	}
	for _, n := range b.c.inFlight {
		f.inFlight += n
	}
	for key, n := range b.calls {
		if strings.HasPrefix(key, "again") {
			continue
		}
		f.again += n - 1
		if most := 1 + b.c.inFlight[key]; n > most {
			f.add("calls beyond those in flight", "%s: %d calls, and one was in flight at %d kills", key, n, most-1)
		}
	}
	b.inOrder(f)
}

// read checks that a chat has no unread message left.
func (b *books) read(f *found, id string) {
	if c, _ := b.c.sim.Chat(id); c.Unread > 0 {
		f.add("chats that stay unread", "%s: %d messages", id, c.Unread)
	}
	if b.calls[id] == 0 {
		f.add("chats that were never called", "%s", id)
	}
}

// answered checks that a message was sent once, and that its pack learned of it.
func (b *books) answered(f *found, m matrixMessage) {
	c, _ := b.c.sim.Chat(m.chat)
	n := 0
	for _, out := range c.Messages {
		if out.Direction == "outbound" && out.Text() == "answer to "+m.text {
			n++
		}
	}
	if n != 1 {
		f.doubled += max(0, n-1)
		f.add("messages that were not sent once", "%s: %d times", m.chat, n)
	}
	if n := b.done(m.chat); n != 1 {
		f.add("results that did not come once", "of the send to %s: %d times", m.chat, n)
	}
}

// inOrder checks that the journal has the messages of a chat in the order of Chert's log.
func (b *books) inOrder(f *found) {
	last := map[string]int64{}
	for i, m := range b.sent {
		r, ok := b.message(i)
		if ok && r.Seq < last[m.chat] {
			f.add("chats whose order was turned", "e%d of chat %s is in the journal before an earlier message", i, m.chat)
		}
		last[m.chat] = r.Seq
	}
}

func number(text string) (n int) {
	if text != "" {
		_, _ = fmt.Sscan(text, &n)
	}
	return n
}
