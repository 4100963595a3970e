package postgres

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// world writes the same to two stores, as an engine does: the events of a chat are handled in
// their order, and a chat has the actions that wait in it.
type world struct {
	*testing.T
	*rand.Rand
	stores  []store.Store
	now     time.Time
	chats   map[string]*chat.Chat
	pending map[string][]int64
	last    int64                          // sequence
	actions map[chat.ActionID]*chat.Action // that have not ended, or are blocked or dead
	missed  []turn.MissedID
}

var (
	worldChats    = []string{"", "c1", "c2", "c\xff\x00", chat.NotifyChat("ops")}
	worldLines    = []string{"", "+1", "+2"}
	worldPacks    = []string{"p1", "p2", "p3"}
	worldStatuses = statuses[:]
)

func pick[T any](w *world, list []T) T { return list[w.IntN(len(list))] }

// both calls f with each store, and fails unless the results are the same.
func both[T any](w *world, what string, f func(s store.Store) (T, error)) (first T) {
	w.Helper()
	var others []T
	for _, s := range w.stores {
		v, err := f(s)
		if err != nil {
			w.Fatalf("%s of %T: %v", what, s, err)
		}
		others = append(others, v)
	}
	for _, v := range others[1:] {
		if !reflect.DeepEqual(v, others[0]) {
			w.Fatalf("%s:\n%s", what, firstDifference(others[0], v))
		}
	}
	return others[0]
}

// firstDifference returns the first line in which two values differ as JSON, and those before it.
func firstDifference(lite, here any) string {
	a, _ := json.MarshalIndent(lite, "", " ")
	b, _ := json.MarshalIndent(here, "", " ")
	as, bs := append(strings.Split(string(a), "\n"), "(the end)"), append(strings.Split(string(b), "\n"), "(the end)")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return fmt.Sprintf("%s\nSQLite     %s\nPostgreSQL %s", strings.Join(as[max(0, i-20):i], "\n"), as[i], bs[i])
		}
	}
	return fmt.Sprintf("%#v\n%#v", lite, here)
}

func (w *world) commit(t turn.Transition) {
	w.Helper()
	both(w, "commit", func(s store.Store) (bool, error) { return true, s.Commit(w.Context(), []turn.Transition{t}) })
}

func (w *world) append() {
	id := pick(w, worldChats)
	a := turn.Arrival{Received: w.now, Event: event.Event{
		ID: fmt.Sprint("e", w.last+1), Type: event.MessageReceived, At: w.now, Source: event.SourceWebhook, Text: "hello", From: fmt.Sprint("+1415555000", w.IntN(9)),
		Raw: fmt.Appendf(nil, `{"trace_id":"t%d"}`, w.IntN(9)),
	}}
	if id != "" {
		a.Event.Chat, a.Event.Message = &event.Chat{ID: id, Line: pick(w, worldLines)}, &event.Message{ID: fmt.Sprint("m", w.IntN(9))}
	}
	w.last = both(w, "append", func(s store.Store) ([]store.Receipt, error) { return s.Append(w.Context(), []turn.Arrival{a}) })[0].Seq
	w.pending[id] = append(w.pending[id], w.last)
}

func (w *world) action(seq int64, n int, id string) chat.Action {
	a := chat.Action{
		ID: chat.ActionID{Seq: seq, N: n}, Kind: pick(w, []chat.Kind{chat.Read, chat.Send}), Chat: id, Pack: pick(w, worldPacks), Version: "v", Rule: "r", Place: "p.lua:1",
		Requested: w.now, Due: w.now.Add(time.Minute), Covers: seq - int64(w.IntN(3)),
	}
	w.settle(&a)
	return a
}

func (w *world) settle(a *chat.Action) {
	a.Status, a.HTTP, a.Code, a.Error = pick(w, worldStatuses), pick(w, []int{0, 404, 503}), pick(w, []int{0, 2002, 404}), pick(w, []string{"", "refused"})
	if a.TraceID, a.Ended = fmt.Sprint("t", w.IntN(9)), w.now; waits(a.Status) {
		a.Ended = time.Time{}
	}
}

// keep notes what becomes of an action, in its chat too.
func (w *world) keep(c *chat.Chat, a *chat.Action) {
	c.Waiting = slices.DeleteFunc(slices.Clone(c.Waiting), func(b chat.Action) bool { return b.ID == a.ID })
	delete(w.actions, a.ID)
	if waits(a.Status) {
		c.Waiting = append(c.Waiting, *a)
	}
	if waits(a.Status) || isOpen(a.Status) {
		w.actions[a.ID] = a
	}
}

func (w *world) handle() {
	id := pick(w, worldChats)
	if len(w.pending[id]) == 0 {
		return
	}
	seq := w.pending[id][0]
	w.pending[id] = w.pending[id][1:]
	t := turn.Transition{Decision: &turn.Decision{Seq: seq, At: w.now, Note: pick(w, []string{"", "noted"}), Failed: w.IntN(5) == 0, Took: time.Duration(w.IntN(9)) * time.Millisecond,
		Packs: map[string]string{"p1": "v"}, Rules: []turn.RuleDecision{{Pack: "p1", Version: "v", Rule: "r", Place: "p.lua:1", Steps: 7}}}}
	if id != "" {
		if w.chats[id] == nil {
			w.chats[id] = &chat.Chat{ID: id, Line: pick(w, worldLines), IsGroup: event.Truth(w.IntN(3))}
		}
		c := *w.chats[id]
		t.Decision.Prev, c.Newest, c.LastEvent = c.Newest, seq, seq
		for n := range w.IntN(4) {
			a := w.action(seq, n, id)
			t.Actions, t.Decision.Actions = append(t.Actions, a), n+1
			w.keep(&c, &a)
		}
		c.Hold, c.Postponed = chat.Hold{}, nil
		if w.IntN(2) == 0 {
			c.Hold = chat.Hold{Until: w.now.Add(time.Duration(w.IntN(9)) * time.Minute), By: "operator", Seq: seq}
		}
		for range w.IntN(3) {
			c.Postponed = append(c.Postponed, chat.Postponement{Seq: seq, Until: w.now.Add(time.Duration(w.IntN(9)) * time.Minute), Pack: "p1", Version: "v", Rule: "r"})
		}
		w.chats[id], t.Chat = &c, &c
	}
	for _, pack := range worldPacks {
		if w.IntN(4) == 0 {
			m := turn.Missed{Pack: pack, Seq: seq, Key: id, At: w.now, Version: pick(w, []string{"v", "w"}), Why: pick(w, []turn.MissedWhy{"failed", turn.MissedElsewhere}),
				CanVeto: w.IntN(2) == 0, CanHold: w.IntN(2) == 0, Chats: pick(w, [][]string{nil, {"c8", "c9"}})}
			t.Missed, w.missed = append(t.Missed, m), append(w.missed, m.ID())
		}
	}
	w.commit(t)
}

// change makes a step of an action, or notes an attempt, or that a missed event has run.
func (w *world) change() {
	var t turn.Transition
	if len(w.actions) > 0 {
		a := w.actions[pick(w, slices.SortedFunc(maps.Keys(w.actions), chat.ActionID.Compare))]
		again := *a
		c := *w.chats[a.Chat]
		t.Attempts = append(t.Attempts, chat.Attempt{Action: a.ID, CallOf: a.ID, N: 1 + w.IntN(3), At: w.now, HTTP: 503, TraceID: fmt.Sprint("t", w.IntN(9)), Error: "refused"})
		w.settle(&again)
		w.keep(&c, &again)
		w.chats[a.Chat], t.Chat, t.Actions = &c, &c, []chat.Action{again}
	}
	if n := len(w.missed); n > 0 {
		at := w.IntN(n)
		t.Made = []turn.MissedID{w.missed[at]}
		w.missed = slices.Delete(w.missed, at, at+1)
	}
	w.commit(t)
}

func (w *world) prune() {
	before := w.now.Add(-time.Duration(w.IntN(90)) * time.Minute)
	for what, f := range map[string]func(store.Store) (store.Pruned, error){
		"texts":  func(s store.Store) (store.Pruned, error) { return s.PruneTexts(w.Context(), before, "", 1<<20) },
		"events": func(s store.Store) (store.Pruned, error) { return s.PruneEvents(w.Context(), before, "", 1<<20) },
	} {
		both(w, "prune "+what, func(s store.Store) (int, error) {
			p, err := f(s)
			return p.Removed, err
		})
	}
}

// compare asks the stores what a reader may ask.
func (w *world) compare() {
	w.Helper()
	ctx, limit := w.Context(), pick(w, []int{0, 1, 3, 1000})
	id, pack, line := pick(w, append([]string{"nobody"}, worldChats...)), pick(w, append([]string{""}, worldPacks...)), pick(w, worldLines)
	seq, at := 1+w.Int64N(w.last+1), w.now.Add(time.Duration(w.IntN(90)-60)*time.Minute)
	before := pick(w, []int64{0, seq})
	// The first one: SQLite writes its late rows then, without which Events takes chats for what they were.
	both(w, "lines that wait", func(s store.Store) ([]string, error) { return s.WaitingLines(ctx, line, limit) })
	both(w, fmt.Sprintf("at most %d events of %q before %d", limit, id, before), func(s store.Store) ([]store.Record, error) { return s.Events(ctx, id, before, limit) })
	both(w, "an event", func(s store.Store) (r store.Record, err error) {
		r, _, err = s.EventBySeq(ctx, seq)
		return r, err
	})
	both(w, "records", func(s store.Store) ([]store.Record, error) { return s.Records(ctx, []int64{seq + 2, seq, seq + 1}) })
	both(w, "events of a message", func(s store.Store) ([]int64, error) { return s.MessageEvents(ctx, "m1", limit) })
	both(w, "events of a trace", func(s store.Store) ([]int64, error) { return s.TracedEvents(ctx, "t1", limit) })
	both(w, "events that name", func(s store.Store) ([]int64, error) { return s.EventsNaming(ctx, "50003", limit) })
	f := store.ActionFilter{Chat: pick(w, []string{"", id}), Pack: pack, Limit: limit}
	for range w.IntN(3) {
		f.Status = append(f.Status, pick(w, worldStatuses))
	}
	both(w, fmt.Sprintf("actions %+v", f), func(s store.Store) ([]chat.Action, error) { return s.Actions(ctx, f) })
	both(w, "blocked reads", func(s store.Store) ([]chat.Action, error) { return s.BlockedReads(ctx, id) })
	ids := []chat.ActionID{{Seq: seq}, {Seq: 1, N: 1}, {Seq: seq, N: 2}, {Seq: seq / 2}, {Seq: seq}}
	both(w, "actions by id", func(s store.Store) ([]chat.Action, error) { return s.ActionsByID(ctx, ids) })
	both(w, "attempts", func(s store.Store) ([]chat.Attempt, error) { return s.Attempts(ctx, ids) })
	d := store.DeadFilter{Chat: f.Chat, Pack: pack}
	if code := pick(w, []int{-1, 0, 404, 2002}); code >= 0 {
		d.Code = &code
	}
	both(w, "dead actions", func(s store.Store) ([]chat.Action, error) { return s.Dead(ctx, d, limit) })
	both(w, "ids of dead actions", func(s store.Store) ([]store.DeadID, error) { return s.DeadAfter(ctx, d, ids[1], limit) })
	both(w, "groups of dead actions", func(s store.Store) ([]store.DeadGroup, error) { return s.DeadGroups(ctx, d) })
	both(w, "holds", func(s store.Store) (all []any, err error) {
		list, total, err := s.Holds(ctx, at, limit)
		return []any{list, total}, err
	})
	both(w, "postponed", func(s store.Store) (all []any, err error) {
		list, total, err := s.Postponed(ctx, at, limit)
		return []any{list, total}, err
	})
	both(w, "chats that wait", func(s store.Store) ([]string, error) { return s.WaitingChats(ctx, line, "c1", limit) })
	both(w, "blocked chats", func(s store.Store) ([]string, error) { return s.BlockedChats(ctx, "c1", limit) })
	both(w, "chats of notifications", func(s store.Store) ([]string, error) { return s.NoticeChats(ctx) })
	both(w, "number that waits", func(s store.Store) (int64, error) { return s.CountWaiting(ctx, nil) })
	both(w, "number of a line that waits", func(s store.Store) (int64, error) { return s.CountWaiting(ctx, &line) })
	of := chat.Selection{Line: line, IsGroup: event.Truth(w.IntN(3))}
	both(w, "number of a selection", func(s store.Store) (int64, error) { return s.CountChats(ctx, of) })
	both(w, "packs that missed", func(s store.Store) ([]store.MissedPack, error) { return s.MissedPacks(ctx) })
	packs, shard := []string{"p3", "p2", "p1"}[:w.IntN(4)], store.Shard{Index: w.IntN(2), Of: 2}
	both(w, "missed", func(s store.Store) ([]turn.Missed, error) { return s.Missed(ctx, shard, packs, before, at, limit) })
	both(w, "vetoes", func(s store.Store) ([]turn.Missed, error) { return s.Vetoes(ctx, id) })
	both(w, "backlog", func(s store.Store) (all [2]store.Backlog, err error) {
		all[0], all[1], err = s.Backlog(ctx, "p1", at)
		return all, err
	})
	both(w, "stats", func(s store.Store) (st store.Stats, err error) {
		st, err = s.Stats(ctx)
		st.Bytes = 0
		return st, err
	})
}

// Readers get the same answers from a store on PostgreSQL as from one on SQLite, whatever was written,
// changed and removed.
func TestAnswersAreThoseOfSQLite(t *testing.T) {
	t.Parallel()
	lite, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "chertd.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lite.Close() })
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := &world{
		T: t, Rand: rand.New(rand.NewPCG(seed, 0)), stores: []store.Store{lite, open(t, newPlace(t))}, now: time.Date(2026, 1, 5, 12, 0, 0, 123456000, time.UTC),
		chats: map[string]*chat.Chat{}, pending: map[string][]int64{}, actions: map[chat.ActionID]*chat.Action{},
	}
	for step := range 400 {
		w.now = w.now.Add(time.Duration(w.IntN(60)) * time.Second)
		switch n := w.IntN(100); {
		case n < 40 || w.last == 0:
			w.append()
		case n < 75:
			w.handle()
		case n < 98:
			w.change()
		default:
			w.prune()
		}
		if step%5 == 0 {
			w.compare()
		}
	}
}
