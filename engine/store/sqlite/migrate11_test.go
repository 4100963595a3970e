package sqlite

import (
	"cmp"
	"database/sql/driver"
	"encoding/json"
	flags "flag"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var migrated = flags.Int("migrated", 20_000, "how many events TestMigrationOfManyEvents migrates")

// old10 writes rows of schema 10, as the chertd did that knew it.
type old10 struct {
	t *testing.T
	c *conn
}

func (o *old10) insert(table string, columns string, args ...driver.Value) {
	o.t.Helper()
	sql := "INSERT INTO " + table + " (" + columns + ") VALUES (?" + strings.Repeat(", ?", len(args)-1) + ")"
	if _, err := o.c.exec(&statement{sql: sql}, args...); err != nil {
		o.t.Fatal(table, err)
	}
}

func (o *old10) event(e *turn.Entry) {
	o.t.Helper()
	text, err := json.Marshal(map[string]any{"text": e.Event.Text})
	if err != nil {
		o.t.Fatal(err)
	}
	if e.Event.Chat != nil {
		text = []byte(strings.Replace(string(text), "{", `{"chat":{},`, 1))
	}
	o.insert("events", "seq, id, type, source, received_at, chat_id, line, slot, depth, decoded, raw", e.Seq, e.Event.ID, e.Event.Type, e.Event.Source,
		micros(e.Received), optional(e.Event.ChatID()), optional(e.Event.Line()), int64(store.Slot(e.ShardKey())), int64(e.Event.Depth), string(text), optionalJSON(e.Event.Raw))
	o.insert("seen", "id, seq", e.Event.ID, e.Seq)
}

func (o *old10) decision(d *turn.Decision) {
	o.t.Helper()
	packs, err1 := encoded(d.Packs, len(d.Packs) == 0)
	rules, err2 := encoded(d.Rules, len(d.Rules) == 0)
	if err := cmp.Or(err1, err2); err != nil {
		o.t.Fatal(err)
	}
	o.insert("decisions", "seq, at, note, failed, actions, packs, rules", d.Seq, micros(d.At), optional(d.Note), flag(d.Failed), int64(d.Actions), packs, rules)
}

func (o *old10) action(a *chat.Action) {
	o.t.Helper()
	o.insert("actions", "status, why, depth, asked_at, due_at, settled_at, attempts, code, http, trace_id, error, event_seq, n, chat_id, kind, pack, version, rule, place, reason, even_if_newer, body, target, covers_seq, follows",
		string(a.Status), optional(a.Why), int64(a.Depth), micros(a.Requested), micros(a.Due), micros(a.Ended),
		int64(a.Attempts), int64(a.Code), int64(a.HTTP), optional(a.TraceID), optional(a.Error), a.ID.Seq, int64(a.ID.N),
		a.Chat, string(a.Kind), a.Pack, a.Version, a.Rule, a.Place, optional(a.Reason), flag(a.EvenIfNewer),
		optionalJSON(a.Body), optional(a.Target), a.Covers, flag(a.WithoutMessage))
	if _, err := o.c.exec(&statement{sql: "UPDATE counts SET actions_" + string(a.Status) + " = actions_" + string(a.Status) + " + 1"}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *old10) chat(c *chat.Chat) {
	o.t.Helper()
	until := map[string]int64{}
	for rule, at := range c.Cooldown {
		until[rule] = at.UnixMicro()
	}
	by := map[string]int64{}
	for _, s := range c.SeenBy {
		by[s.Pack] = s.Seq
	}
	seen, err1 := encoded(by, len(by) == 0)
	recent, err2 := encoded(&c.Recent, len(c.Recent.IDs)+len(c.Recent.Newest)+len(c.Recent.Replies) == 0 && c.Recent.Sent.IsZero())
	postponed, err3 := encoded(c.Postponed, len(c.Postponed) == 0)
	cancelled, err4 := encoded(c.Cancelled, len(c.Cancelled) == 0)
	cooldowns, err5 := encoded(until, len(until) == 0)
	if err := cmp.Or(err1, err2, err3, err4, err5); err != nil {
		o.t.Fatal(err)
	}
	var postponedUntil time.Time
	if last := c.LastPostponement(); last != nil {
		postponedUntil = last.Until
	}
	group := driver.Value(nil)
	if c.IsGroup != event.Unknown {
		group = flag(c.IsGroup == event.True)
	}
	o.insert("chats", "line, is_group, last_event_seq, last_message_id, last_message_seq, seen_by, recent_messages, veto_seq, missed_seq, may_hold_until, unasked_seq, read_through_seq, retry_attempts, retry_first_at, retry_not_before, hold_until, hold_by, hold_reason, hold_seq, postponed, cancelled, cooldowns, postponed_until, call_at, timer_at, id",
		optional(c.Line), group, c.LastEvent, optional(c.LastMessage), c.LastMessageSeq, seen, recent, c.Veto,
		c.Missed.Through, micros(c.Missed.HoldUntil), c.Unrequested, c.ReadThrough, int64(c.Retry.Attempts), micros(c.Retry.First), micros(c.Retry.NotBefore),
		micros(c.Hold.Until), optional(c.Hold.By), optional(c.Hold.Reason), c.Hold.Seq, postponed, cancelled, cooldowns,
		micros(postponedUntil), micros(c.NextCall()), micros(c.NextTimer()), c.ID)
	for _, t := range c.Timers {
		o.insert("timers", "chat_id, pack, name, version, due_at, payload, event_seq, n, depth, fired", c.ID, t.Pack, t.Name, t.Version, micros(t.Due),
			optionalJSON(t.Payload), t.Seq, int64(t.N), int64(t.Depth), flag(t.Fired))
	}
}

// at10 opens an empty database of schema 10.
func at10(t *testing.T) (*old10, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chertd.db")
	c, err := connectWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), c, path, migrations[:10]); err != nil {
		t.Fatal(err)
	}
	return &old10{t, c}, path
}

// TestMigrationFromVersion10: whatever a store of version 10 holds is read back equal.
func TestMigrationFromVersion10(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, path := at10(t)
	at := func(n int64) time.Time { return time.UnixMicro(1767614400000000 + n).UTC() }
	texts := []string{"", "a", "it's \"quoted\" \\ 100%", "ü€😀\u2028", "line\nbreak\ttab", "nul\x00inside", `{"a": 1}`, "[1]", "null"}
	bodies := []string{"", `null`, `{"a": 1,  "b": [true, null]}`, `"x"`, `[1, 2.50, 1e3]`, "{\n\t\"x\": \"é\\u0000\"\n}", `{}`}
	body := func(i int) json.RawMessage {
		if b := bodies[i%len(bodies)]; b != "" {
			return json.RawMessage(b)
		}
		return nil
	}
	var entries []turn.Entry
	decided := map[int64]*turn.Decision{}
	actions := map[int64][]chat.Action{}
	chats := map[string]*chat.Chat{}
	var ids []string
	pending := []int64{}
	newest := map[string]int64{}
	for i := range 60 {
		seq := int64(10 + 2*i) // with gaps
		e := turn.Entry{Seq: seq, Arrival: inChat(fmt.Sprint("e'", i), fmt.Sprint("chat ", i%7))}
		if i%9 == 8 {
			e.Arrival = simple(fmt.Sprint("e", i))
		}
		e.Received = at(seq)
		e.Event.Text = texts[i%len(texts)]
		entries = append(entries, e)
		o.event(&e)
		if i%6 == 5 {
			pending = append(pending, seq)
			o.insert("pending", "seq, slot", seq, int64(store.Slot(e.ShardKey())))
			continue
		}
		d := &turn.Decision{Seq: seq, At: at(seq + 1), Note: texts[i%len(texts)], Failed: i%2 == 0, Actions: i % 5}
		if i%3 == 0 {
			d.Packs = map[string]string{"p": "v", "ü": texts[i%len(texts)]}
			d.Rules = []turn.RuleDecision{{Pack: "p", Version: "v", Rule: "r"}}
		}
		o.decision(d)
		id := e.Event.ChatID()
		if id != "" {
			d.Prev, newest[id] = newest[id], seq
		}
		decided[seq] = d
		for n := range i % 5 {
			a := chat.Action{
				ID: chat.ActionID{Seq: seq, N: 2 * n}, Kind: []chat.Kind{chat.Read, chat.Send}[n%2], Chat: cmp.Or(id, "elsewhere"), Status: statuses[(i+n)%len(statuses)],
				Pack: "p" + texts[i%len(texts)], Why: texts[n%len(texts)], Reason: texts[(i+n)%len(texts)], Body: body(i + n), Requested: at(seq),
			}
			if n%2 == 0 {
				a.Version, a.Rule, a.Place, a.Target, a.EvenIfNewer, a.WithoutMessage = "v", "r", "p.lua:1", texts[i%len(texts)], true, true
				a.Depth, a.Attempts, a.Code, a.HTTP, a.TraceID, a.Error, a.Covers = 1, 2, 3, 404, "trace", texts[(i+3)%len(texts)], seq
				a.Due, a.Ended = at(seq+100), at(seq+200)
			}
			o.action(&a)
			actions[seq] = append(actions[seq], a)
		}
	}
	for i := range 9 { // two have no event
		c := chat.Chat{ID: fmt.Sprint("chat ", i), Newest: newest[fmt.Sprint("chat ", i)]}
		for _, seq := range slices.Sorted(func(yield func(int64) bool) {
			for seq := range actions {
				if !yield(seq) {
					return
				}
			}
		}) {
			for _, a := range actions[seq] {
				if a.Chat == c.ID && waits(a.Status) {
					c.Waiting = append(c.Waiting, a)
				}
			}
		}
		if i%2 == 0 {
			n := int64(i + 1)
			c.Line, c.IsGroup, c.LastEvent, c.LastMessage, c.LastMessageSeq = "+1"+texts[i%len(texts)], event.Truth(1+i%2), n, texts[(i+1)%len(texts)], n+1
			c.SeenBy = chat.SeenOf(map[string]int64{"p": n, "a.b\"c": n + 1})
			c.Recent = chat.Messages{IDs: []string{"m1", texts[i%len(texts)]}, Sent: at(n), Newest: texts[: i%4 : i%4],
				Replies: []chat.Reply{{Seq: n, Keys: []string{"k"}, SeenBy: map[string]int64{"p": 1}}, {Seq: n + 1}}}
			if len(c.Recent.Newest) == 0 {
				c.Recent.Newest = nil
			}
			c.Veto, c.Unrequested, c.ReadThrough, c.Missed = n+2, n+3, n+4, chat.Missed{Through: n + 5, HoldUntil: at(n)}
			c.Retry = chat.Retry{Attempts: i, First: at(n), NotBefore: at(n + 1)}
			c.Hold = chat.Hold{Until: at(n + 2), By: "operator", Reason: texts[i%len(texts)], Seq: n}
			c.Postponed = []chat.Postponement{{Seq: n, Until: at(n + 3), Pack: "p", Version: "v", Rule: "r", Reason: texts[i%len(texts)]}, {Seq: n + 1, Until: at(1)}}
			c.Cancelled = []chat.Cancelled{{Pack: "p", Timer: "t", Seq: n}, {Pack: "p"}}
			c.Cooldown = map[string]time.Time{"p/r": at(n), "a.b": at(n + 1)}
			c.Timers = []chat.Timer{{Pack: "p", Name: texts[i%len(texts)], Version: "v", Due: at(n), Payload: body(i), Seq: n, N: 1, Depth: 2, Fired: true}, {Pack: "q", Seq: n + 1}}
		}
		chats[c.ID] = &c
		ids = append(ids, c.ID)
		o.chat(&c)
	}
	o.insert("missed", "pack, seq, key, slot, at, version, why, can_veto, can_hold", "p", int64(10), "chat 0", int64(store.Slot("chat 0")), at(0).UnixMicro(), "v", "failed", int64(1), int64(1))
	if err := o.c.script(fmt.Sprintf(`UPDATE daemon SET last_seq = 500; UPDATE counts SET events = %d, pending = %d, chats = %d`, len(entries), len(pending), len(chats))); err != nil {
		t.Fatal(err)
	}
	if err := o.c.close(); err != nil {
		t.Fatal(err)
	}

	s, err := Open(ctx, path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	<-s.learned
	check := func(what string, got, want any, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", what, got, err, want)
		}
	}
	check("last sequence", s.LastSeq(), int64(500), nil)
	left, err := s.Pending(ctx, store.Shard{Of: 1}, 0, 1000)
	var seqs []int64
	for _, e := range left {
		seqs = append(seqs, e.Seq)
	}
	check("pending", seqs, pending, err)
	byChat := map[string][]int64{}
	blocked := map[string][]chat.Action{}
	open := []chat.Action{}
	counted := map[chat.Status]int64{}
	for _, e := range slices.Backward(entries) {
		r, ok, err := s.Event(ctx, e.Event.ID)
		check(e.Event.ID, []any{ok, r.Seq, r.Event.ID, r.Event.Text, r.Event.ChatID(), r.Received, r.Decision}, []any{true, e.Seq, e.Event.ID, e.Event.Text, e.Event.ChatID(), e.Received, decided[e.Seq]}, err)
		check("actions of "+e.Event.ID, r.Actions, actions[e.Seq], nil)
		if newest, err := s.Unhandled(ctx, e.Event.ChatID()); e.Event.ChatID() != "" && err == nil && newest < e.Seq && decided[e.Seq] == nil {
			t.Errorf("chat %s has no event that waits", e.Event.ChatID())
		}
		if id := e.Event.ChatID(); id != "" && decided[e.Seq] == nil {
			byChat[id] = append(byChat[id], e.Seq)
		}
		for _, a := range slices.Backward(actions[e.Seq]) {
			counted[a.Status]++
			if isOpen(a.Status) || waits(a.Status) {
				open = append(open, a)
			}
			if a.Status == chat.Blocked && a.Kind == chat.Read {
				blocked[a.Chat] = slices.Insert(blocked[a.Chat], 0, a)
			}
		}
	}
	for _, e := range slices.Backward(entries) {
		if id := e.Event.ChatID(); id != "" && decided[e.Seq] != nil {
			byChat[id] = append(byChat[id], e.Seq)
		}
	}
	all, err := s.Chats(ctx, ids)
	for i, id := range ids {
		check(id, all[i], *chats[id], err)
		list, err := s.Events(ctx, id, 0, 100)
		var seqs []int64
		for _, r := range list {
			seqs = append(seqs, r.Seq)
		}
		check("events of "+id, seqs, byChat[id], err)
		reads, err := s.BlockedReads(ctx, id)
		check("blocked reads of "+id, reads, blocked[id], err)
	}
	list, err := s.Actions(ctx, store.ActionFilter{Status: []chat.Status{chat.Waiting, chat.Sent, chat.Blocked, chat.Dead}, Limit: 1000})
	// Those without a chat that is known are not found by what waits.
	open = slices.DeleteFunc(open, func(a chat.Action) bool { return a.Chat == "elsewhere" && waits(a.Status) })
	list = slices.DeleteFunc(list, func(a chat.Action) bool { return a.Chat == "elsewhere" && waits(a.Status) })
	check("open actions", list, open, err)
	st, err := s.Stats(ctx)
	st.Bytes = 0
	check("stats", st, store.Stats{Events: int64(len(entries)), Pending: int64(len(pending)), Chats: int64(len(chats)), Actions: counted}, err)
	text, err := Recount(ctx, s)
	check("rows", text, "", err)
	holds, _, err := s.Holds(ctx, at(0), 100)
	check("holds", len(holds), 5, err)
	postponed, _, err := s.Postponed(ctx, at(0), 100)
	check("postponed chats", len(postponed), 5, err)
	missed, err := s.Vetoes(ctx, "chat 0")
	check("missed events", len(missed), 1, err)
	intact(t, s)
}

// TestMigrationOfManyEvents prints how long a larger store takes: -migrated 1000000.
func TestMigrationOfManyEvents(t *testing.T) {
	t.Parallel()
	o, path := at10(t)
	if err := o.c.script(fmt.Sprintf(`BEGIN;
CREATE TEMP TABLE numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %[1]d) SELECT i FROM n;
INSERT INTO events (seq, id, type, source, at, received_at, chat_id, line, message_id, direction, slot, depth, decoded, raw) SELECT i, 'event ' || i, 'message.received', 'webhook', i, i, 'chat ' || i, '+1', 'm' || i,
	'inbound', i %% 65536, 0, '{"chat":{},"message":{}}', '{"text":"' || hex(zeroblob(300)) || '"}' FROM numbers;
INSERT INTO seen SELECT 'event ' || i, i FROM numbers;
INSERT INTO decisions SELECT i, i, NULL, 0, 1, '{"pack":"v"}', '[{"pack":"pack","version":"v","rule":"r"}]' FROM numbers;
INSERT INTO actions (event_seq, n, kind, chat_id, status, why, pack, version, rule, place, even_if_newer, depth, asked_at, due_at, settled_at, attempts, code, http, trace_id, covers_seq)
	SELECT i, 0, 'read', 'chat ' || i, 'done', 'read', 'pack', 'v', 'r', 'pack.lua:1', 0, 0, i, i, i, 1, 0, 200, 'trace ' || i, i FROM numbers;
INSERT INTO chats (id, line, last_event_seq, veto_seq, unasked_seq, read_through_seq, retry_attempts, last_message_seq, recent_messages)
	SELECT 'chat ' || i, '+1', i, 0, 0, i, 0, i, '{"ids":["m"]}' FROM numbers;
UPDATE counts SET events = %[1]d, chats = %[1]d, actions_done = %[1]d;
COMMIT;`, *migrated)); err != nil {
		t.Fatal(err)
	}
	if err := o.c.close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	t.Logf("%d events, an action and a chat each: %v", *migrated, time.Since(began).Round(time.Millisecond))
	if text, err := Recount(t.Context(), s); text != "" || err != nil {
		t.Error(text, err)
	}
	intact(t, s)
}
