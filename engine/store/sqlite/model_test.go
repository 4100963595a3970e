package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// smallLate has groups begin, be half written and end all the time.
var smallLate = lateSizes{events: 5, chats: 4, bytes: 4000, rows: -8, idle: 1}

// model is what a store must hold.
type model struct {
	events  []turn.Arrival // by sequence - 1
	handled map[int64]bool
	chats   map[string]*chat.Chat
	actions map[chat.ActionID]chat.Action
}

func newModel() *model {
	return &model{handled: map[int64]bool{}, chats: map[string]*chat.Chat{}, actions: map[chat.ActionID]chat.Action{}}
}

func (m *model) clone() *model {
	return &model{slices.Clone(m.events), maps.Clone(m.handled), maps.Clone(m.chats), maps.Clone(m.actions)}
}

func (m *model) pending() (seqs []int64) {
	for i := range m.events {
		if seq := int64(i + 1); !m.handled[seq] {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// of returns a copy of a chat that may be changed.
func (m *model) of(id string) *chat.Chat {
	c := chat.Chat{ID: id}
	if was := m.chats[id]; was != nil {
		c = *was
	}
	c.Waiting, c.Timers = slices.Clone(c.Waiting), slices.Clone(c.Timers)
	return &c
}

// act draws a call, and returns it with the model after it. Some calls are made of what the
// store has already.
func (m *model) act(r *rand.Rand) (do func(*Store) error, after *model) {
	after = m.clone()
	switch pending := m.pending(); {
	case r.IntN(3) == 0 || len(m.events) == 0:
		return m.append(r, after)
	case r.IntN(4) > 0 && len(pending) > 0:
		var batch []turn.Transition
		for range 1 + r.IntN(3) {
			if len(pending) == 0 {
				break
			}
			at := r.IntN(min(len(pending), 20)) // old ones, and not in their order
			batch = append(batch, after.handle(r, pending[at]))
			pending = slices.Delete(pending, at, at+1)
		}
		return func(s *Store) error { return s.Commit(context.Background(), batch) }, after
	default:
		return m.move(r, after)
	}
}

func (m *model) append(r *rand.Rand, after *model) (func(*Store) error, *model) {
	var list []turn.Arrival
	var want []store.Receipt
	for range 1 + r.IntN(4) {
		if n := len(m.events); n > 0 && r.IntN(3) == 0 {
			at := r.IntN(n)
			list, want = append(list, m.events[at]), append(want, store.Receipt{Seq: int64(at + 1), Duplicate: true})
			continue
		}
		a := simple(fmt.Sprintf("e%d.%x", len(after.events), r.Uint64()))
		if r.IntN(8) > 0 {
			a = inChat(a.Event.ID, fmt.Sprint("c", r.IntN(1+len(m.events))/2))
		}
		a.Received = time.Unix(int64(len(after.events)), 0).UTC()
		after.events = append(after.events, a)
		list, want = append(list, a), append(want, store.Receipt{Seq: int64(len(after.events))})
	}
	return func(s *Store) error {
		got, err := s.Append(context.Background(), list)
		if err == nil && !reflect.DeepEqual(got, want) {
			err = fmt.Errorf("receipts %v, want %v", got, want)
		}
		return err
	}, after
}

// handle has the model handle an event, and returns the transition.
func (m *model) handle(r *rand.Rand, seq int64) turn.Transition {
	t := turn.Transition{Decision: &turn.Decision{Seq: seq, Note: fmt.Sprint("note ", seq)}}
	m.handled[seq] = true
	id := m.events[seq-1].Event.ChatID()
	if id == "" || r.IntN(8) == 0 {
		return t
	}
	c := m.of(id)
	if c.Newest < seq {
		t.Decision.Prev, c.Newest = c.Newest, seq
	}
	c.LastEvent = seq
	for n := range r.IntN(3) {
		a := chat.Action{ID: chat.ActionID{Seq: seq, N: n}, Kind: chat.Read, Chat: id, Pack: "p", Version: "v", Rule: "r", Place: "r.lua:1", Status: chat.Waiting,
			Due: time.Unix(seq, 0).UTC()}
		if r.IntN(4) == 0 {
			a.Body = json.RawMessage(fmt.Sprintf(`{"text": "%0*d"}`, r.IntN(2000), seq))
		}
		if r.IntN(6) == 0 {
			a.Status, a.Ended = chat.Dropped, time.Unix(seq, 0).UTC()
		} else {
			c.Waiting = append(c.Waiting, a)
		}
		m.actions[a.ID] = a
		t.Actions = append(t.Actions, a)
	}
	if r.IntN(3) == 0 {
		timer := chat.Timer{Pack: "p", Name: fmt.Sprint("t", seq), Version: "v", Due: time.Unix(seq, 0).UTC(), Seq: seq}
		c.Timers = append(c.Timers, timer)
		t.Timers = append(t.Timers, chat.TimerChange{Timer: timer})
	}
	t.Chat = c
	m.chats[id] = c
	return t
}

// move changes chats without an event: an action ends, or a hold begins.
func (m *model) move(r *rand.Rand, after *model) (func(*Store) error, *model) {
	var batch []turn.Transition
	ids := slices.Sorted(maps.Keys(m.chats))
	for range 1 + r.IntN(6) {
		if len(ids) == 0 {
			break
		}
		c := after.of(ids[r.IntN(len(ids))])
		t := turn.Transition{Chat: c}
		if len(c.Waiting) > 0 {
			at := r.IntN(len(c.Waiting))
			a := c.Waiting[at]
			switch a.Status = []chat.Status{chat.Sent, chat.Done, chat.Blocked, chat.Dead}[r.IntN(4)]; a.Status {
			case chat.Sent:
				c.Waiting[at] = a
			default:
				a.Ended, a.TraceID = time.Unix(a.ID.Seq+1, 0).UTC(), fmt.Sprintf("%0*d", r.IntN(200), 1)
				c.Waiting = slices.Delete(c.Waiting, at, at+1)
			}
			t.Actions = []chat.Action{a}
			after.actions[a.ID] = a
		} else {
			c.Hold = chat.Hold{By: "operator", Until: time.Unix(r.Int64N(1e6), 0).UTC()}
		}
		if len(c.Timers) > 0 && r.IntN(2) == 0 {
			t.Timers = []chat.TimerChange{{Timer: c.Timers[0], Removed: true}}
			c.Timers = c.Timers[1:]
		}
		after.chats[c.ID] = c
		batch = append(batch, t)
	}
	return func(s *Store) error { return s.Commit(context.Background(), batch) }, after
}

// differs returns how a store differs from the model; "": it does not. It reads nothing that
// makes the store write what is late, unless whole is set.
func (m *model) differs(s *Store, whole bool) string {
	ctx := context.Background()
	var wrong []string
	same := func(what string, got, want any, err error) {
		if err != nil || !reflect.DeepEqual(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s: %+v, %v; want %+v", what, got, err, want))
		}
	}
	same("last sequence", s.LastSeq(), int64(len(m.events)), nil)
	var pending []int64
	for after := int64(0); ; {
		page, err := s.Pending(ctx, store.Shard{Of: 1}, after, 3)
		if err != nil {
			return err.Error()
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			pending = append(pending, e.Seq)
			after = e.Seq
			if e.Seq > int64(len(m.events)) || m.events[e.Seq-1].Event.ID != e.Event.ID {
				return fmt.Sprintf("%s is event %d", e.Event.ID, e.Seq)
			}
		}
	}
	same("pending", pending, m.pending(), nil)
	unhandled := map[string]int64{}
	for _, seq := range m.pending() {
		id := m.events[seq-1].Event.ChatID()
		unhandled[id] = max(unhandled[id], seq)
	}
	delete(unhandled, "")
	ids := slices.Sorted(maps.Keys(m.chats))
	all, err := s.Chats(ctx, ids)
	if err != nil {
		return err.Error()
	}
	for i, id := range ids {
		want := *m.chats[id]
		got := all[i]
		for _, list := range []*chat.Chat{&got, &want} {
			if len(list.Waiting) == 0 {
				list.Waiting = nil
			}
			if len(list.Timers) == 0 {
				list.Timers = nil
			}
			list.Timers = slices.SortedFunc(slices.Values(list.Timers), func(a, b chat.Timer) int { return int(a.Seq - b.Seq) })
		}
		same("chat "+id, got, want, nil)
		newest, err := s.Unhandled(ctx, id)
		if unhandled[id] != 0 { // it may be higher, if a newer event was handled first
			newest = min(newest, unhandled[id])
		}
		same("newest unhandled event of chat "+id, newest, unhandled[id], err)
	}
	counted := map[chat.Status]int64{}
	var open []chat.ActionID
	for id, a := range m.actions {
		counted[a.Status]++
		if isOpen(a.Status) {
			open = append(open, id)
		}
	}
	st, err := s.Stats(ctx)
	st.Bytes = 0
	same("stats", st, store.Stats{Events: int64(len(m.events)), Pending: int64(len(pending)), Chats: int64(len(m.chats)), Actions: counted}, err)
	if !whole {
		return report(wrong)
	}
	for i := range m.events {
		seq := int64(i + 1)
		r, ok, err := s.Event(ctx, m.events[i].Event.ID)
		same("event "+m.events[i].Event.ID, []any{ok, r.Seq, r.Decision != nil}, []any{true, seq, m.handled[seq]}, err)
		for _, a := range r.Actions {
			same(fmt.Sprint("action ", a.ID), a, m.actions[a.ID], nil)
		}
	}
	slices.SortFunc(open, func(a, b chat.ActionID) int { return int(a.Seq-b.Seq)*100 + a.N - b.N })
	found, err := readList(ctx, s, "read", &statement{sql: "SELECT event_seq, n FROM open_actions ORDER BY 1, 2"}, actionIDOf)
	same("open actions", found, open, err)
	if err := s.catchUp(ctx); err != nil {
		return err.Error()
	}
	text, err := Recount(ctx, s)
	same("rows", text, "", err)
	return report(wrong)
}

func report(wrong []string) string {
	if len(wrong) == 0 {
		return ""
	}
	return fmt.Sprintf("%d differences, the first: %s", len(wrong), wrong[0])
}

// copied opens a copy of a store's files, as they are after a crash. No write may be
// under way.
func copied(t *testing.T, s *Store, o Options) *Store {
	t.Helper()
	c, err := Open(t.Context(), copyOf(t, s), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func copyOf(t *testing.T, s *Store) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		from, err := os.Open(s.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		to, err := os.Create(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(to, from); err != nil {
			t.Fatal(err)
		}
		to.Close()
		from.Close() // which drops POSIX locks of the process; the store uses others
	}
	return path
}

// TestStoreIsLikeItsModel: a store and a copy that is made at any moment hold what was
// acknowledged, whatever is late or half written, whichever statement fails, and whichever
// answer is lost.
func TestStoreIsLikeItsModel(t *testing.T) {
	t.Parallel()
	full := realFull(t)
	for round := range uint64(8) {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(round, 7))
			tick := make(chan time.Time)
			sizes := smallLate
			if round%3 == 0 {
				sizes.rows = r.IntN(10) // more are written in each transaction
			}
			o := Options{tick: tick, late: &sizes}
			s := openWith(t, o)
			defer func() { s.Close() }()
			<-s.learned
			announced := int64(0) // up to here, each once
			announce := func(list []turn.Entry) {
				for _, e := range list {
					if announced++; e.Seq != announced {
						t.Errorf("event %d was announced, want %d", e.Seq, announced)
					}
				}
			}
			sab := &saboteur{with: full}
			var syncFails atomic.Bool
			use := func() {
				s.Journaled(announce)
				fast(t, s, sab)
				s.writer.syncer.sync = func() error {
					if syncFails.Load() {
						return syscall.EIO
					}
					return nil
				}
			}
			reopen := func() {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				var err error
				if s, err = Open(t.Context(), s.path, o); err != nil {
					t.Fatal(err)
				}
				<-s.learned
				use()
			}
			use()
			m := newModel()
			for step := range 200 {
				do, after := m.act(r)
				if round%2 == 1 && r.IntN(4) == 0 {
					sab.mu.Lock()
					sab.lost, sab.dead = r.IntN(2) == 0, r.IntN(4) == 0
					sab.with = []error{full, errInjected}[r.IntN(2)]
					sab.mu.Unlock()
					sab.aim(1 + r.IntN(25))
				}
				syncFails.Store(round%2 == 1 && r.IntN(20) == 0)
				err := do(s)
				sab.aim(-1)
				if ended := s.writer.health.ended.Load(); ended != nil {
					if !errors.Is(*ended, syscall.EIO) || err == nil || s.Healthy() == nil {
						t.Fatalf("step %d: %v after a sync that failed: %v", step, err, *ended)
					}
					syncFails.Store(false)
					reopen()
					announced = s.LastSeq() // nobody has announced what was not acknowledged
					if was := m.differs(s, false); was != "" {
						if wrong := after.differs(s, false); wrong != "" {
							t.Fatalf("step %d: a sync failed, and it is kept in part: %s; %s", step, was, wrong)
						}
						m = after
					}
					continue
				}
				if err != nil {
					if !errors.Is(err, sab.with) {
						t.Fatalf("step %d: %v", step, err)
					}
					// It may be kept, or not.
					tick <- time.Time{}
					tick <- time.Time{} // the first is done: the store knows
					if was := m.differs(s, false); was != "" {
						if wrong := after.differs(s, false); wrong != "" {
							t.Fatalf("step %d: it failed with %v, and is kept in part: %s; %s", step, err, was, wrong)
						}
						m = after
					}
					continue
				}
				m = after
				if r.IntN(10) == 0 {
					if wrong := m.differs(s, false); wrong != "" {
						t.Fatalf("step %d: %s", step, wrong)
					}
				}
				switch r.IntN(40) {
				case 0:
					c := copied(t, s, Options{tick: make(chan time.Time), late: &sizes})
					<-c.learned
					if wrong := m.differs(c, true); wrong != "" {
						t.Fatalf("step %d, a copy: %s", step, wrong)
					}
					c.Close()
				case 1:
					reopen()
				case 2:
					for range idleTicks + 1 {
						tick <- time.Time{}
					}
				case 3:
					if err := s.catchUp(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			tick <- time.Time{} // after a fault the store tries again
			tick <- time.Time{}
			if wrong := m.differs(s, true); wrong != "" {
				t.Fatalf("in the end: %s", wrong)
			}
			if announced != s.LastSeq() {
				t.Errorf("%d events were announced, want %d", announced, s.LastSeq())
			}
			intact(t, s)
		})
	}
}

// fast has a store not wait for the disk, and fail as a saboteur says.
func fast(t *testing.T, s *Store, sab *saboteur) {
	t.Helper()
	if err := s.catchUp(t.Context()); err != nil { // the writer does nothing afterwards
		t.Fatal(err)
	}
	unsynced(t, s)
	if sab != nil {
		s.writer.conn.faults = sab
	}
}

// unsynced has a store that writes nothing sync nothing: no machine fails here.
func unsynced(t *testing.T, s *Store) {
	t.Helper()
	if err := s.writer.conn.script("PRAGMA synchronous = OFF"); err != nil {
		t.Fatal(err)
	}
	s.writer.syncer.sync = func() error { return nil }
}

// TestEveryStatementOfOpenMayFail: an Open that fails leaves all that was acknowledged to the next one,
// whichever statement fails or loses its answer.
func TestEveryStatementOfOpenMayFail(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	s := openInside(t)
	<-s.learned
	fast(t, s, nil)
	m := newModel()
	for i := range 16 {
		do, after := m.act(r)
		if i == 15 {
			after = m.clone()
			do, after = m.append(r, after) // it stays pending
		}
		if err := do(s); err != nil {
			t.Fatal(err)
		}
		m = after
	}
	if len(s.writer.behind.events) == 0 || len(s.writer.behind.chats) == 0 {
		t.Fatal("nothing is late")
	}
	for _, lost := range []bool{false, true} {
		struck := map[*statement]bool{}
		for n := 1; ; n++ {
			path := copyOf(t, s)
			sab := &saboteur{with: errInjected, lost: lost, left: n}
			failed, err := Open(t.Context(), path, Options{tick: make(chan time.Time), faults: sab})
			if err == nil {
				failed.Close()
			} else if !errors.Is(err, errInjected) {
				t.Fatal(err)
			}
			hit := sab.struck()
			again, err := Open(t.Context(), path, Options{tick: make(chan time.Time)})
			if err != nil {
				t.Fatal(err)
			}
			<-again.learned
			if wrong := m.differs(again, true); wrong != "" {
				t.Fatalf("after a fault in statement %d (answer lost: %t), %v: %s", n, lost, hit, wrong)
			}
			again.Close()
			if hit == nil {
				break
			}
			struck[hit] = true
			if failed != nil && hit != truncateWAL && !lost {
				t.Errorf("statement %d failed, and Open did not: %s", n, hit.sql)
			}
		}
		for _, what := range []*statement{beginWrite, insertSeen, insertPending, insertChat, deleteLate, setLateSeq, addToCounts, commit} {
			if !struck[what] {
				t.Errorf("no fault was injected in %s", what.sql)
			}
		}
	}
}
