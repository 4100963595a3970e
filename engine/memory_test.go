package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// recallOp is something a handler does with what its pack remembers.
type recallOp struct {
	Op    string `json:"op"` // set, get, incr, delete, list, state, keep
	Key   string `json:"key,omitempty"`
	Value any    `json:"value,omitempty"`
	TTL   int    `json:"ttl,omitempty"` // seconds; 0: none
	Limit int    `json:"limit,omitempty"`
}

// recallEvent is an event that tells both packs what to do.
type recallEvent struct {
	Chat string                `json:"chat"`
	Ops  map[string][]recallOp `json:"ops"`  // by pack
	Fail map[string]bool       `json:"fail"` // packs whose handler fails in the end
}

// recallRule does what its event says, and logs the result. It is two
// handlers, of which the second sees what the first has kept.
const recallRule = `
local NAME = "%s"
local function run(ev, ops)
  local out = {}
  for i, op in ipairs(ops) do
    local options = op.ttl and { ttl = op.ttl } or nil
    local ok, v = true, nil
    if op.op == "set" then ok, v = pcall(kv.set, op.key, op.value, options)
    elseif op.op == "get" then v = kv.get(op.key)
    elseif op.op == "incr" then ok, v = pcall(kv.incr, op.key, op.value, options)
    elseif op.op == "delete" then kv.delete(op.key)
    elseif op.op == "list" then
      v = ""
      for _, e in ipairs(kv.list(op.key or "", op.limit)) do v = v .. e.key .. "=" .. tostring(e.value) .. " " end
    elseif op.op == "keep" then ev.state.v = op.value
    else v = ev.state.v end
    if not ok then v = v:find("does not fit") and "full" or "error" end
    out[i] = v == nil and "nil" or v
  end
  log.info(json.encode(out))
  if ev.raw.fail[NAME] then error("it fails in the end") end
end
chert.on("message.received", function(ev) local ops = {} for i = 1, #ev.raw.ops[NAME], 2 do ops[#ops + 1] = ev.raw.ops[NAME][i] end run(ev, ops) end)
chert.on("message.received", function(ev) local ops = {} for i = 2, #ev.raw.ops[NAME], 2 do ops[#ops + 1] = ev.raw.ops[NAME][i] end run(ev, ops) end)
`

// recallEntry is an entry of the model: a value as JSON, and when it is over.
type recallEntry struct {
	value   string
	expires time.Time
}

// recallModel is what two packs remember: nothing is shared, nothing is staged.
type recallModel struct {
	limit  int
	kv     map[string]map[string]recallEntry // by pack and key
	states map[[2]string]string              // by pack and chat, as JSON
}

func newRecallModel(limit int) *recallModel {
	return &recallModel{limit, map[string]map[string]recallEntry{"p": {}, "q": {}}, map[[2]string]string{}}
}

func (m *recallModel) clone() *recallModel {
	n := newRecallModel(m.limit)
	for pack, kv := range m.kv {
		n.kv[pack] = maps.Clone(kv)
	}
	n.states = maps.Clone(m.states)
	return n
}

func (m *recallModel) get(pack, key string, now time.Time) (recallEntry, bool) {
	e, ok := m.kv[pack][key]
	return e, ok && (e.expires.IsZero() || now.Before(e.expires))
}

func (m *recallModel) usage(pack string, now time.Time) (n int) {
	for key := range m.kv[pack] {
		if e, ok := m.get(pack, key, now); ok {
			n += len(key) + len(e.value)
		}
	}
	return n
}

// set sets an entry if it fits.
func (m *recallModel) set(pack, key string, e recallEntry, now time.Time) bool {
	old, had := m.get(pack, key, now)
	size, was := len(key)+len(e.value), 0
	if had {
		was = len(key) + len(old.value)
	}
	if size > was && m.usage(pack, now)-was+size > m.limit {
		return false
	}
	m.kv[pack][key] = e
	return true
}

// run is one handler: what it logs, and the model after it, if it does not fail.
func (m *recallModel) run(pack, chat string, ops []recallOp, now time.Time) string {
	out := []any{}
	for _, op := range ops {
		var v any = "nil"
		expires := time.Time{}
		if op.TTL > 0 {
			expires = now.Add(time.Duration(op.TTL) * time.Second)
		}
		switch op.Op {
		case "set":
			text, _ := json.Marshal(op.Value)
			if !m.set(pack, op.Key, recallEntry{string(text), expires}, now) {
				v = "full"
			}
		case "get":
			if e, ok := m.get(pack, op.Key, now); ok {
				json.Unmarshal([]byte(e.value), &v)
			}
		case "incr":
			n := op.Value.(float64)
			e, ok := m.get(pack, op.Key, now)
			if ok {
				var was any
				json.Unmarshal([]byte(e.value), &was)
				if _, number := was.(float64); !number {
					v = "error"
					break
				}
				n, expires = n+was.(float64), e.expires
			}
			text, _ := json.Marshal(n)
			if v = n; !m.set(pack, op.Key, recallEntry{string(text), expires}, now) {
				v = "full"
			}
		case "delete":
			delete(m.kv[pack], op.Key)
		case "list":
			var keys []string
			for key := range m.kv[pack] {
				if _, ok := m.get(pack, key, now); ok && strings.HasPrefix(key, op.Key) {
					keys = append(keys, key)
				}
			}
			slices.Sort(keys)
			list := ""
			for _, key := range keys[:min(op.Limit, len(keys))] {
				var value any
				json.Unmarshal([]byte(m.kv[pack][key].value), &value)
				list += fmt.Sprintf("%s=%v ", key, value)
			}
			v = list
		case "keep":
			text, _ := json.Marshal(op.Value)
			m.states[[2]string{pack, chat}] = string(text)
		case "state":
			if s, ok := m.states[[2]string{pack, chat}]; ok {
				json.Unmarshal([]byte(s), &v)
			}
		}
		out = append(out, v)
	}
	text, _ := json.Marshal(out)
	return string(text)
}

// handle is all handlers of one event, in order; those of a pack that fails leave
// nothing.
func (m *recallModel) handle(ev recallEvent, now time.Time) (said []string) {
	for _, pack := range []string{"p", "q"} {
		for part := range 2 {
			var ops []recallOp
			for i := part; i < len(ev.Ops[pack]); i += 2 {
				ops = append(ops, ev.Ops[pack][i])
			}
			after := m.clone()
			said = append(said, pack+" "+strings.Replace(after.run(pack, ev.Chat, ops, now), "[]", "{}", 1))
			if !ev.Fail[pack] {
				*m = *after
			}
		}
	}
	return said
}

// recallRun runs a batch's events, and gives what handlers logged and what is to
// be committed.
func recallRun(t *rapid.T, st store.Store, set *rules.Set, shard int, events []recallEvent, now time.Time) (said []string, log []turn.Transition) {
	memory := turn.Memory{Base: st}
	for n, ev := range events {
		raw, _ := json.Marshal(ev)
		tr := turn.Turn{Set: set, Shard: shard, Now: now, Chat: &chat.Chat{ID: ev.Chat}, Memory: &memory}
		d, err := tr.Handle(t.Context(), &turn.Entry{Seq: int64(n + 1), Arrival: turn.Arrival{Event: event.Event{
			ID: fmt.Sprint("e", n), Type: event.MessageReceived, Raw: raw, Chat: &event.Chat{ID: ev.Chat},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range d.Outcomes {
			o := &d.Outcomes[i]
			if failed := o.Failure != nil; failed != ev.Fail[o.Pack] {
				t.Fatalf("handler of %s: %v", o.Pack, o.Failure)
			}
			for _, l := range o.Logs {
				said = append(said, o.Pack+" "+l.Msg)
			}
		}
		log = append(log, turn.Transition{States: d.States, Reads: d.Reads, Writes: d.Writes, Quotas: d.Quotas})
	}
	return said, log
}

// Handlers see state and kv as if each event had been handled and committed alone, in the
// order of the commits: two packs, two chats,
// two shards, batches of several events, handlers that fail, conflicts, entries
// that expire, restarts. No pack ever keeps more than its limit.
func TestMemoryMatchesItsModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"p", "q"} {
		if err := os.WriteFile(filepath.Join(dir, name+".lua"), fmt.Appendf(nil, recallRule, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := 0
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{40, 80, 1 << 20}).Draw(t, "limit")
		options := rules.Options{Shards: 2, Packs: map[string]rules.PackOptions{}}
		for _, name := range []string{"p", "q"} {
			options.Packs[name] = rules.PackOptions{Limits: rules.Limits{KV: int64(limit)}}
		}
		set, diags := rules.Load([]string{dir}, options).Set()
		if diags.Errors() {
			t.Fatal(diags)
		}
		file++
		path := filepath.Join(dir, fmt.Sprint(file, ".db"))
		open := func() store.Store {
			st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return st
		}
		st := open()
		defer func() { st.Close() }()
		model, now := newRecallModel(limit), time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
		for range rapid.IntRange(1, 5).Draw(t, "batches") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "seconds")) * time.Second)
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				st.Close()
				st = open()
			}
			// Another shard's batch may be committed between ours and its commit. It is
			// seen that what was read has changed, not that there is more to list.
			crossed := rapid.Bool().Draw(t, "crossed")
			ours := drawRecall(t, !crossed, "c1", "c2")
			said, log := recallRun(t, st, set, 0, ours, now)
			if crossed {
				theirs := drawRecall(t, false, "c3", "c4") // a chat is one shard's
				want := []string{}
				for _, ev := range theirs {
					want = append(want, model.handle(ev, now)...)
				}
				got, other := recallRun(t, st, set, 1, theirs, now)
				compareSaid(t, got, want)
				if err := st.Commit(t.Context(), other); err != nil {
					t.Fatal(err)
				}
			}
			err := st.Commit(t.Context(), log)
			if errors.Is(err, store.ErrConflict) && crossed {
				said, log = recallRun(t, st, set, 0, ours, now)
				err = st.Commit(t.Context(), log)
			}
			if err != nil {
				t.Fatal(err)
			}
			want := []string{}
			for _, ev := range ours {
				want = append(want, model.handle(ev, now)...)
			}
			if tight := limit < 1000; tight && crossed {
				// Whether there was room for ours depends on when it looked: that there
				// was is what counts.
				for _, pack := range []string{"p", "q"} {
					if n, err := st.KVUsage(t.Context(), pack, now, nil); err != nil || n > int64(limit) {
						t.Fatalf("two shards wrote, and pack %s keeps %d bytes, %v; the limit is %d", pack, n, err, limit)
					}
				}
				return
			}
			if crossed {
				blankFailed(said, ours)
				blankFailed(want, ours)
			}
			compareSaid(t, said, want)
			for _, pack := range []string{"p", "q"} {
				n, err := st.KVUsage(t.Context(), pack, now, nil)
				if err != nil || n != int64(model.usage(pack, now)) || n > int64(limit) {
					t.Fatalf("pack %s keeps %d bytes, %v; the model %d, the limit is %d", pack, n, err, model.usage(pack, now), limit)
				}
			}
		}
	})
}

func drawRecall(t *rapid.T, lists bool, chats ...string) (events []recallEvent) {
	ops := []string{"set", "set", "get", "incr", "delete", "keep", "state"}
	if lists {
		ops = append(ops, "list", "list")
	}
	for range rapid.IntRange(1, 4).Draw(t, "events") {
		ev := recallEvent{Chat: rapid.SampledFrom(chats).Draw(t, "chat"), Ops: map[string][]recallOp{}, Fail: map[string]bool{}}
		for _, pack := range []string{"p", "q"} {
			ev.Ops[pack] = []recallOp{}
			for range rapid.IntRange(0, 5).Draw(t, "ops") {
				op := recallOp{Op: rapid.SampledFrom(ops).Draw(t, "op"), Key: rapid.SampledFrom([]string{"a", "a/1", "a/2", "ab", "b", "é"}).Draw(t, "key")}
				switch op.Op {
				case "set":
					op.Value = rapid.OneOf(rapid.Just(any(7.0)), rapid.Map(rapid.IntRange(0, 30), func(n int) any { return strings.Repeat("x", n) })).Draw(t, "value")
				case "keep":
					op.Value = float64(rapid.IntRange(0, 3).Draw(t, "value"))
				case "incr":
					op.Value = float64(rapid.IntRange(-1, 2).Draw(t, "n"))
				case "list":
					op.Key = rapid.SampledFrom([]string{"", "a", "a/", "b", "é", "c"}).Draw(t, "prefix")
					op.Limit = rapid.IntRange(1, 4).Draw(t, "limit")
				}
				if op.Op == "set" || op.Op == "incr" {
					op.TTL = rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "ttl")
				}
				ev.Ops[pack] = append(ev.Ops[pack], op)
			}
			ev.Fail[pack] = rapid.IntRange(0, 4).Draw(t, "fails") == 0
		}
		events = append(events, ev)
	}
	return events
}

// blankFailed leaves out what handlers logged that failed: nothing of such is kept,
// and what it read is not looked at again.
func blankFailed(said []string, events []recallEvent) {
	for i := range said {
		if ev := events[i/4]; ev.Fail[said[i][:1]] {
			said[i] = said[i][:2] + "null"
		}
	}
}

func compareSaid(t *rapid.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d handlers logged, want %d", len(got), len(want))
	}
	for i := range got {
		var a, b bytes.Buffer
		if json.Compact(&a, []byte(got[i][2:])) != nil || json.Compact(&b, []byte(want[i][2:])) != nil || got[i][:2] != want[i][:2] || a.String() != b.String() {
			t.Fatalf("handler %d logged\n %s\nwant\n %s", i, got[i], want[i])
		}
	}
}
