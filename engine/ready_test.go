package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// readyRuns is how many random days TestCallsAndVetoesInAnyOrder has.
var readyRuns = flag.Int("ready", 2, "random days of TestCallsAndVetoesInAnyOrder")

// words is a pack that does what a message says.
const words = `
chert.rule({ name = "read", on = "message.received", where = { words = "read" }, run = function(ev) chert.mark_read(ev.chat.id) end })
chert.rule({ name = "soon", on = "message.received", where = { words = "soon" }, run = function(ev) chert.mark_read(ev.chat.id, { after = 0.003 }) end })
chert.rule({ name = "sure", on = "message.received", where = { words = "sure" }, run = function(ev) chert.mark_read(ev.chat.id, { even_if_newer = true }) end })
chert.rule({ name = "other", on = "message.received", where = { words = "other" }, run = function(ev) chert.mark_read("c1", { even_if_newer = true }) end })
chert.rule({ name = "veto", on = "message.received", where = { words = "veto" }, run = function(ev) chert.keep_unread(ev.chat.id) end })
chert.rule({ name = "far", on = "message.received", where = { words = "far" }, run = function(ev) chert.keep_unread("c1") end })
chert.rule({ name = "timer", on = "message.received", where = { words = "timer" }, run = function(ev) chert.set_timer("t", 0.002) end })
chert.on("timer:t", function(ev) chert.keep_unread(ev.chat.id) end)
`

// counted has a rule that changes kv on each message. With it no batch lends its chats.
const counted = words + `
chert.rule({ name = "count", on = "message.received", run = function(ev) kv.incr("all") end })
`

// readyRig is a rig with one shard, whose calls are paused: the test takes them.
func readyRig(t *testing.T, files ...string) (*rig, *slowAnnouncer) {
	t.Helper()
	r, f := newSlowRig(t, nil, files...)
	r.eng.Pause(true)
	r.caughtUp()
	return r, f
}

// caughtUp waits until no shard is behind: until then chats must be asked.
func (r *rig) caughtUp() {
	r.t.Helper()
	r.wait("the shards to have caught up", func() bool {
		return !slices.ContainsFunc(r.eng.shards, func(s *shard) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.behind
		})
	})
}

// fallBehind makes the shards read what comes next from the store, as if their queues were full.
func (r *rig) fallBehind() {
	for _, s := range r.eng.shards {
		s.mu.Lock()
		s.behind = true
		s.mu.Unlock()
	}
}

// handledAll waits until events are handled and published.
func (r *rig) handledAll(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		r.wait(id, func() bool { return r.handled(id) != nil })
	}
	if err := r.eng.waitDurable(ctx); err != nil {
		r.t.Fatal(err)
	}
}

// A read that is due is handed out from memory: nothing is written for it, and it covers
// what its chat's shard has handled. A second call of the chat waits for its answer.
func TestReadIsHandedOutFromMemory(t *testing.T) {
	t.Parallel()
	r, f := readyRig(t, "p.lua", words)
	e1 := r.message("c1", "e1", "read")
	r.handledAll("e1")
	f.mu.Lock()
	f.commit = func() { t.Error("a commit hands out the read") }
	f.mu.Unlock()
	call, ask := r.eng.Ready("c1")
	if call == nil || ask || call.SentSeq != e1.Seq || len(call.Actions) != 1 {
		t.Fatalf("handed out %+v, ask: %t", call, ask)
	}
	if again, ask := r.eng.Ready("c1"); again != nil || ask {
		t.Errorf("while it is in flight, another is handed out: %+v, ask: %t", again, ask)
	}
	if r.eng.Recalled(call) {
		t.Error("it was recalled, and nothing vetoed it")
	}
	f.mu.Lock()
	f.commit = nil
	f.mu.Unlock()
	durable := make(chan struct{})
	r.eng.Answer(chat.Answer{Call: *call, OK: true}, func() { close(durable) })
	<-durable
	stored, err := oneChat(r.st.Chats(ctx, []string{"c1"}))
	if err != nil || len(stored.Waiting) > 0 || stored.ReadThrough != e1.Seq {
		t.Errorf("once the answer is durable, the chat is %+v, %v", stored, err)
	}
}

// A veto that is durable stops a read that was due, also if the call was handed out through
// a batch and waits for its place.
func TestDurableVetoStopsTheRead(t *testing.T) {
	t.Parallel()
	r, _ := readyRig(t, "p.lua", words)
	r.message("c1", "e1", "read")
	r.message("c1", "e2", "veto")
	r.handledAll("e1", "e2")
	if call, ask := r.eng.Ready("c1"); call != nil || ask {
		t.Errorf("a vetoed read is handed out: %+v, ask: %t", call, ask)
	}
	r.message("c2", "e3", "read")
	r.handledAll("e3")
	call, ok, err := r.eng.Ask(ctx, "c2")
	if err != nil || !ok || r.eng.Recalled(&call) {
		t.Fatalf("asked, the chat has %+v, %t, %v", call, ok, err)
	}
	r.message("c2", "e4", "veto")
	r.handledAll("e4")
	if !r.eng.Recalled(&call) {
		t.Error("a veto is durable, and the call that waits for its place may go out")
	}
}

// While a batch commits, no call of its chats is handed out: one of its events may veto it.
// Calls of other chats are. Once the batch is published, the chat is due again.
func TestNoCallOfAChatThatABatchHasClaimed(t *testing.T) {
	t.Parallel()
	r, f := readyRig(t, "p.lua", words)
	r.message("c1", "e1", "read")
	r.message("c2", "e2", "read")
	r.message("c3", "e3", "sure")
	r.message("c4", "e6", "read")
	r.handledAll("e1", "e2", "e3", "e6")
	commits, release := make(chan struct{}), make(chan struct{})
	f.mu.Lock()
	f.commit = func() { close(commits); <-release }
	f.mu.Unlock()
	r.message("c1", "e4", "veto")
	<-commits
	if call, ask := r.eng.Ready("c1"); call != nil || ask {
		t.Errorf("while a veto is being committed, the read is handed out: %+v, ask: %t", call, ask)
	}
	if call, ask := r.eng.Ready("c2"); call == nil || ask {
		t.Errorf("while a batch with another chat commits, none is handed out, ask: %t", ask)
	}
	// e5 waits for the next batch.
	r.message("c3", "e5", "nothing")
	if call, ask := r.eng.Ready("c3"); call != nil || ask {
		t.Errorf("over an event that waits a read is handed out: %+v, ask: %t", call, ask)
	}
	// So does an operator's hold.
	held := make(chan error, 1)
	go func() {
		held <- r.eng.Apply(ctx, "c4", chat.Operate{Hold: chat.Hold{Until: time.Now().Add(time.Hour)}})
	}()
	r.wait("the hold", func() bool {
		s := r.eng.shards[0]
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.posted["c4"] > 0
	})
	if call, ask := r.eng.Ready("c4"); call != nil || ask {
		t.Errorf("while an operator holds the chat, a read is handed out: %+v, ask: %t", call, ask)
	}
	close(release)
	if err := <-held; err != nil {
		t.Error(err)
	}
	r.handledAll("e4", "e5")
	if call, _ := r.eng.Ready("c1"); call != nil {
		t.Errorf("after the veto the read is handed out: %+v", call)
	}
	if call, _ := r.eng.Ready("c3"); call == nil {
		t.Error("after the event that vetoes nothing no read is handed out")
	}
}

// A call that was refused because a batch had claimed its chat goes out after that batch:
// also if the batch had to run again, and also if it was given up.
func TestRefusedCallIsDueAgain(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]error{"runs again": store.ErrConflict, "is given up": errors.New("disk I/O error")} {
		r, f := readyRig(t, "p.lua", words)
		r.message("c1", "e1", "read")
		r.handledAll("e1")
		commits, release := make(chan struct{}), make(chan struct{})
		f.mu.Lock()
		f.commit = func() { close(commits); <-release }
		f.fail = fail
		f.mu.Unlock()
		done := make(chan error, 1)
		go func() {
			_, err := r.eng.Operate(ctx, "c1", chat.Operate{Release: true}) // it is not held
			done <- err
		}()
		<-commits
		r.eng.Pause(false)
		r.wait("the call to be refused", func() bool {
			s := r.eng.shards[0]
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.refused) > 0
		})
		close(release)
		if err := <-done; (err != nil) != (fail != store.ErrConflict) {
			t.Errorf("a batch that %s: the release is answered %v", name, err)
		}
		r.wait("the call after a batch that "+name, func() bool { return r.called("c1") == 1 && r.ended(chat.WhyRead) == 1 })
	}
}

// A veto that comes while the call is in flight finds it, though the call was never stored.
func TestBatchSeesTheCallInFlight(t *testing.T) {
	t.Parallel()
	r, f := readyRig(t, "p.lua", words)
	r.message("c1", "e1", "read")
	r.handledAll("e1")
	call, _ := r.eng.Ready("c1")
	if call == nil {
		t.Fatal("no call")
	}
	f.mu.Lock()
	f.fail = store.ErrConflict // the batch runs twice
	f.mu.Unlock()
	r.message("c1", "e2", "veto")
	r.handledAll("e2")
	durable := make(chan struct{})
	r.eng.Answer(chat.Answer{Call: *call, OK: true}, func() { close(durable) })
	<-durable
	r.wait("the record of a late veto", func() bool { return r.ended(chat.WhyTooLate) == 1 })
}

// An answer that comes before the events that wait counts before them: a veto among them is
// not too late for a read that has ended.
func TestAnswerCountsBeforeLaterEvents(t *testing.T) {
	t.Parallel()
	r, f := readyRig(t, "p.lua", words)
	r.message("c1", "e1", "read")
	r.handledAll("e1")
	call, _ := r.eng.Ready("c1")
	if call == nil {
		t.Fatal("no call")
	}
	commits, release := make(chan struct{}), make(chan struct{})
	f.mu.Lock()
	f.commit = func() { close(commits); <-release }
	f.mu.Unlock()
	r.message("c2", "e2", "nothing")
	<-commits
	r.eng.Answer(chat.Answer{Call: *call, OK: true}, func() {})
	r.message("c1", "e3", "veto")
	close(release)
	r.handledAll("e3")
	r.wait("the end of the read", func() bool { return r.ended(chat.WhyRead) == 1 })
}

// A veto that was journaled before the answer came was too late, though its event is handled
// after that. Until the request is written, the event that waits still stops the read.
func TestVetoBeforeTheAnswerIsTooLate(t *testing.T) {
	t.Parallel()
	r, f := readyRig(t, "p.lua", words)
	r.message("c1", "e1", "read")
	r.handledAll("e1")
	call, _ := r.eng.Ready("c1")
	if call == nil {
		t.Fatal("no call")
	}
	commits, release := make(chan struct{}), make(chan struct{})
	f.mu.Lock()
	f.commit = func() { close(commits); <-release }
	f.mu.Unlock()
	r.message("c2", "e2", "nothing")
	<-commits
	if r.eng.Recalled(call) {
		t.Error("the read is recalled, and no event of its chat waits")
	}
	r.message("c1", "e3", "veto")
	if !r.eng.Recalled(call) {
		t.Error("an event of the chat waits, and the read may go out")
	}
	r.eng.Answer(chat.Answer{Call: *call, OK: true}, func() {})
	r.message("c1", "e4", "nothing")
	close(release)
	r.handledAll("e3", "e4")
	r.wait("the record of a late veto", func() bool { return r.ended(chat.WhyTooLate) == 1 })
}

// What must be stored first is not handed out from memory, nor what memory does not know.
func TestWhatMustBeStoredIsAskedFor(t *testing.T) {
	t.Parallel()
	r, _ := readyRig(t, "p.lua", words, "s/init.lua", `
chert.on("message.received", { words = "send" }, function(ev) chert.send(ev.chat.id, "hi") end)`,
		"s/pack.yaml", "permissions: [send]\n")
	check := func(id, what string) {
		t.Helper()
		if call, ask := r.eng.Ready(id); call != nil || !ask {
			t.Errorf("%s: handed out %+v, ask: %t", what, call, ask)
		}
	}
	check("unknown", "a chat that is not in memory")
	if _, err := r.eng.Operate(ctx, "held", chat.Operate{Hold: chat.Hold{Until: time.Now().Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	r.message("held", "e0", "soon")
	r.handledAll("e0")
	due := time.Now().Add(4 * time.Millisecond)
	r.wait("the read to be due", func() bool { return time.Now().After(due) })
	check("held", "a read that a hold drops")
	r.message("c1", "e1", "read")
	r.handledAll("e1")
	r.eng.reads.limit(rules.Meter{Pack: "p"}, rules.Rate{N: 5, Per: time.Minute})
	check("c1", "a read of a pack with limits.reads")
	r.eng.reads.limit(rules.Meter{Pack: "p"}, rules.Rate{})
	if call, ask := r.eng.Ready("c1"); call == nil || ask {
		t.Errorf("then the read is not handed out, ask: %t", ask)
	}
}

// witness is a store that notes what is durable, and lets commits fail.
type witness struct {
	store.Store
	mu      sync.Mutex
	dice    *rand.Rand
	seqs    map[string][]int64 // announced, by chat
	handled map[int64]bool
	early   map[int64]bool // entries that use no kv, so that calls may go out before they are durable
	// flying are the calls that were made and whose answers are not durable: their first
	// action, as it was when the call was made.
	flying []chat.Action
	wire   map[string]bool // chats with a call on the wire
	fail   error           // what a commit fails with
	odds   int             // it fails once in so many times; 0: never
	lends  bool            // calls go out before their events are durable
	behind bool            // events have to be read from the store now and then
	calls  []chat.Call
	done   map[chat.ActionID]chat.Action // those that have ended
	wrong  []string
	most   int // calls in flight together
}

func (w *witness) Journaled(announce func([]turn.Entry)) {
	w.Store.Journaled(func(entries []turn.Entry) {
		w.mu.Lock()
		for i := range entries {
			id := entries[i].Event.ChatID()
			w.seqs[id] = append(w.seqs[id], entries[i].Seq)
			w.early[entries[i].Seq] = w.lends || entries[i].Forward != nil
		}
		w.mu.Unlock()
		announce(entries)
	})
}

func (w *witness) Commit(ctx context.Context, batch []turn.Transition) error {
	w.mu.Lock()
	fails := w.odds > 0 && w.dice.IntN(w.odds) == 0
	w.mu.Unlock()
	if fails {
		return w.fail
	}
	if err := w.Store.Commit(ctx, batch); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range batch {
		if d := batch[i].Decision; d != nil {
			w.handled[d.Seq] = true
		}
		for _, a := range batch[i].Actions {
			w.flying = slices.DeleteFunc(w.flying, func(was chat.Action) bool { return was.ID == a.ID && was.Attempts < a.Attempts })
			if !a.Ended.IsZero() {
				w.done[a.ID] = a
			}
		}
	}
	return nil
}

// called notes a call, and checks what must hold when it goes out.
func (w *witness) called(call chat.Call, inFlight func() int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
	if w.wire[call.Chat] {
		w.wrong = append(w.wrong, fmt.Sprintf("chat %s is called while a call of it is in flight", call.Chat))
	}
	w.wire[call.Chat] = true
	w.flying = append(w.flying, call.Actions[0])
	w.most = max(w.most, len(w.flying))
	if n := inFlight(); n < len(w.flying) {
		w.wrong = append(w.wrong, fmt.Sprintf("%d calls are in flight, and %d are not durable", n, len(w.flying)))
	}
	for _, seq := range w.seqs[call.Chat] {
		if seq <= call.SentSeq && !w.handled[seq] && !w.early[seq] {
			w.wrong = append(w.wrong, fmt.Sprintf("a call of %s covers event %d, up to %d, which is not handled", call.Chat, seq, call.SentSeq))
		}
	}
}

// Events, vetoes, timers and operators, who also retry and drop what is dead, come in any order
// while calls go out, fail and are answered, and commits fail. No call covers an event that is not handled; each chat has one
// call at a time; a read that went out and succeeded ends as such, so no veto was durable
// before; and no more calls wait for their end in the store than are counted as in flight.
// A batch that runs again after a failure decides as before.
//
//	go test -race ./engine -run TestCallsAndVetoesInAnyOrder -ready 50
func TestCallsAndVetoesInAnyOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pack   string
		fail   error
		odds   int
		lends  bool
		behind bool
	}{
		"durable first":         {counted, store.ErrConflict, 8, false, false},
		"lent":                  {words, errors.New("disk I/O error"), 20, true, false},
		"lent, behind":          {words, errors.New("disk I/O error"), 20, true, true},
		"durable first, behind": {counted, store.ErrConflict, 8, false, true},
	} {
		made, vetoed := 0, 0
		for seed := range *readyRuns {
			w := &witness{
				dice: rand.New(rand.NewPCG(1, uint64(seed))), seqs: map[string][]int64{}, handled: map[int64]bool{}, early: map[int64]bool{},
				wire: map[string]bool{}, done: map[chat.ActionID]chat.Action{},
				fail: c.fail, odds: c.odds, lends: c.lends, behind: c.behind,
			}
			m, v := callsAndVetoes(t, w, name, c.pack, uint64(seed))
			made, vetoed = made+m, vetoed+v
		}
		if made == 0 || vetoed == 0 {
			t.Errorf("%s: %d calls and %d vetoed reads prove nothing", name, made, vetoed)
		}
	}
}

func callsAndVetoes(t *testing.T, w *witness, name, pack string, seed uint64) (made, vetoed int) {
	r := &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 1 + int(seed%2)}
	r.changed.L = &r.mu
	r.wrap = func(st store.Store) store.Store { w.Store = st; return w }
	r.write("p.lua", pack)
	var eng atomic.Pointer[Engine]
	r.answer = func(call chat.Call) error {
		w.called(call, eng.Load().calls.InFlight)
		w.mu.Lock()
		how := w.dice.IntN(10)
		delete(w.wire, call.Chat)
		w.mu.Unlock()
		switch how {
		case 0:
			return &chert.Error{Status: 503, Code: 4002, Retryable: true, RetryAfter: time.Second, Message: "saturated"}
		case 1, 2:
			return &chert.Error{Status: 404, Code: 2002, Message: "chat not found"}
		}
		return nil
	}
	r.log = logHook{slog.NewTextHandler(io.Discard, nil), func(msg string) {
		if strings.HasPrefix(msg, "call sent before the store failed") {
			w.mu.Lock()
			w.wrong = append(w.wrong, msg)
			w.mu.Unlock()
		}
	}}
	r.start()
	eng.Store(r.eng)
	var senders sync.WaitGroup
	for n := range 4 {
		dice := rand.New(rand.NewPCG(seed, uint64(n)))
		senders.Go(func() {
			for i := range 60 {
				id := fmt.Sprint("c", dice.IntN(8)+1)
				if w.behind && dice.IntN(3) == 0 {
					r.fallBehind()
				}
				switch dice.IntN(16) {
				case 0, 1, 2, 3: // calls go out meanwhile
					if err := r.eng.waitDurable(ctx); err != nil {
						t.Error(err)
					}
				case 4:
					in := chat.Operate{Release: dice.IntN(2) == 0, Hold: chat.Hold{Until: time.Now().Add(time.Millisecond)}}
					if err := r.eng.Apply(ctx, id, in); err != nil && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				case 5:
					dead := &deadWork{drop: dice.IntN(4) == 0, dry: dice.IntN(4) == 0}
					list, err := r.st.DeadAfter(ctx, store.DeadFilter{Chat: id}, chat.ActionID{}, 10)
					for i := range list {
						dead.ids = append(dead.ids, list[i].ID)
					}
					if err == nil {
						err = r.eng.apply(ctx, request{chat: id, dead: dead})
					}
					if err != nil && !errors.Is(err, w.fail) {
						t.Error(err)
					}
					for i, a := range dead.after {
						if dead.was[i] == chat.Dead && a.Status == chat.Dead {
							t.Errorf("%s, seed %d: after a command read %s is still dead", name, seed, a.ID)
						}
					}
				default:
					text := []string{"read", "read", "read", "sure", "sure", "sure", "soon", "other", "veto", "far", "timer", "nothing"}[dice.IntN(12)]
					if _, err := r.eng.Ingest(ctx, []turn.Arrival{{Event: message(id, fmt.Sprintf("e%d-%d", n, i), text), Received: time.Now()}}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	senders.Wait()
	r.wait("the events to be handled", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		n := 0
		for _, seqs := range w.seqs {
			n += len(seqs)
		}
		return len(w.handled) >= n
	})
	w.mu.Lock()
	w.odds = 0 // the last results are given up if the store fails while the engine stops
	w.mu.Unlock()
	r.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, wrong := range w.wrong {
		t.Errorf("%s, seed %d: %s", name, seed, wrong)
	}
	answered := map[chat.ActionID]bool{}
	r.mu.Lock()
	for _, h := range r.seen {
		if h.Attempt != nil && h.Attempt.Err == nil {
			for _, a := range h.Attempt.Call.Actions {
				answered[a.ID] = true
			}
		}
	}
	r.mu.Unlock()
	for id := range answered {
		if a, ended := w.done[id]; !ended || a.Status != chat.Done {
			t.Errorf("%s, seed %d: read %s went out and succeeded, and its record says %q %q", name, seed, id, a.Status, a.Why)
		}
	}
	for _, a := range w.done {
		if a.Why == chat.WhyVetoed {
			vetoed++
		}
	}
	t.Logf("%s, seed %d: %d calls, %d in flight together, %d reads vetoed", name, seed, len(w.calls), w.most, vetoed)
	return len(w.calls), vetoed
}

// Calls of one batch that are due at the same time go out in the order of their events.
func TestCallsDueTogetherGoOutInOrder(t *testing.T) {
	t.Parallel()
	r, _ := readyRig(t, "p.lua", words)
	next := func() (dispatch.Pick, bool) {
		t.Helper()
		pick, _, ok, err := r.eng.callsDue.Next(ctx, time.Now(), func(string) bool { return true }, func(string) int { return 0 }, func(int) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		return pick, ok
	}
	next() // all that the store has is in memory
	due := time.Now().Add(-time.Second)
	var chats []*chat.Chat
	for _, seq := range []int64{3, 5, 1, 4, 2} {
		id := fmt.Sprint("c", seq)
		a := chat.Action{ID: chat.ActionID{Seq: seq}, Kind: chat.Read, Chat: id, Status: chat.Waiting, Due: due, Covers: seq}
		chats = append(chats, &chat.Chat{ID: id, Newest: seq, LastMessageSeq: seq, Waiting: []chat.Action{a}})
	}
	r.eng.setAllDue(chats)
	var order []string
	for pick, ok := next(); ok; pick, ok = next() {
		order = append(order, pick.Chat)
		r.eng.callsDue.Take(pick)
	}
	if got := strings.Join(order, " "); got != "c1 c2 c3 c4 c5" {
		t.Errorf("calls go out in the order %s", got)
	}
}

// A veto stops the read also while a batch handles its event: it waits no longer in the queue, and
// its outcome is not published.
func TestReadIsRecalledWhileItsVetoIsCommitted(t *testing.T) {
	t.Parallel()
	r, f := readyRig(t, "p.lua", words)
	r.message("c1", "e1", "read")
	r.handledAll("e1")
	call, _ := r.eng.Ready("c1")
	if call == nil {
		t.Fatal("no call")
	}
	commits, release := make(chan struct{}), make(chan struct{})
	f.mu.Lock()
	f.commit = func() { close(commits); <-release }
	f.mu.Unlock()
	r.message("c1", "e2", "veto")
	<-commits
	if !r.eng.Recalled(call) {
		t.Error("a batch has the veto, and the read may go out")
	}
	close(release)
	r.eng.Answer(chat.Answer{Call: *call, NotSent: true}, func() {})
	r.handledAll("e2")
}
