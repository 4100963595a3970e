package engine

import (
	"context"
	"sync"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// What a rule logs never keeps its event from being handled: a number that
// JSON has no word for once held a whole shard up, also after a restart.
func TestAnyNumberCanBeLogged(t *testing.T) {
	t.Parallel()
	r := newRig(t, "log.lua", `
chert.on("message.received", function(ev)
  log.info("ratio", { nan = 0/0, inf = math.huge, deep = { x = -math.huge } })
  chert.mark_read(ev.chat.id)
end)`)
	r.message("c1", "e1", "x")
	r.wait("the read", func() bool { return r.ended(chat.WhyRead) == 1 })
	defer r.lock()()
	logs := r.handled("e1").Decision.Rules[0].Logs
	if len(logs) != 1 || logs[0].Fields["nan"] == nil || logs[0].Fields["inf"] == nil {
		t.Errorf("logged %+v, want one line with the numbers", logs)
	}
}

// slowAnnouncer is a store that announces entries some time after they are on disk. With
// any store that is a moment; here a test can prolong it.
type slowAnnouncer struct {
	store.Store
	announce func([]turn.Entry)
	onDisk   chan struct{} // receives once for each group that is on disk, before its announcement

	mu     sync.Mutex
	gate   chan struct{} // nil, or what announcements wait for
	before func()        // nil, or what the next Pending does first
	commit func()        // nil, or what the next Commit does first
	fail   error         // nil, or what the next Commit returns without writing
}

func newSlowAnnouncer(st store.Store) *slowAnnouncer {
	f := &slowAnnouncer{Store: st, onDisk: make(chan struct{}, 64)}
	st.Journaled(func(entries []turn.Entry) {
		f.mu.Lock()
		gate := f.gate
		f.mu.Unlock()
		f.onDisk <- struct{}{}
		if gate != nil {
			<-gate
		}
		f.announce(entries)
	})
	return f
}

func (f *slowAnnouncer) Journaled(announce func([]turn.Entry)) { f.announce = announce }

// hold delays announcements until release is called.
func (f *slowAnnouncer) hold() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gate := make(chan struct{})
	f.gate = gate
	return func() {
		f.mu.Lock()
		f.gate = nil
		f.mu.Unlock()
		close(gate)
	}
}

func (f *slowAnnouncer) Pending(ctx context.Context, s store.Shard, after int64, limit int) ([]turn.Entry, error) {
	f.mu.Lock()
	before := f.before
	f.before = nil
	f.mu.Unlock()
	if before != nil {
		before()
	}
	return f.Store.Pending(ctx, s, after, limit)
}

func (f *slowAnnouncer) Commit(ctx context.Context, batch []turn.Transition) error {
	f.mu.Lock()
	before, fail := f.commit, f.fail
	f.commit, f.fail = nil, nil
	f.mu.Unlock()
	if before != nil {
		before()
	}
	if fail != nil {
		return fail
	}
	return f.Store.Commit(ctx, batch)
}

// newSlowRig is newRig with one shard on such a store.
// prepare, if not nil, is called before the engine is made.
func newSlowRig(t *testing.T, prepare func(*slowAnnouncer), files ...string) (*rig, *slowAnnouncer) {
	t.Helper()
	var f *slowAnnouncer
	r := &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 1}
	r.changed.L = &r.mu
	r.wrap = func(st store.Store) store.Store {
		f = newSlowAnnouncer(st)
		if prepare != nil {
			prepare(f)
		}
		return f
	}
	r.write(files...)
	r.start()
	return r, f
}

// An entry that a shard reads from the store before its announcement is handled once.
func TestEntryReadBeforeItsAnnouncementIsHandledOnce(t *testing.T) {
	t.Parallel()
	acked := make(chan error, 1)
	r, _ := newSlowRig(t, func(f *slowAnnouncer) {
		f.commit = f.hold() // announced when the shard has it already
		f.before = func() {
			go func() {
				_, err := f.Append(context.Background(), []turn.Arrival{{Event: message("c1", "e1", "x"), Received: time.Now()}})
				acked <- err
			}()
			<-f.onDisk
		}
	}, "p.lua", `chert.on("message.received", function(ev) ev.state.n = (ev.state.n or 0) + 1 end)`)
	r.wait("e1", func() bool { return r.handled("e1") != nil })
	if err := <-acked; err != nil {
		t.Fatal(err)
	}
	r.message("c1", "e2", "x")
	r.wait("e2", func() bool { return r.handled("e2") != nil })
	state, err := r.st.State(context.Background(), "p", "c1")
	if err != nil || string(state) != `{"n":2}` {
		t.Errorf("state is %s, %v; want both events counted once", state, err)
	}
}

// A read does not cover an event that was not announced to its chat's shard: that event
// may veto it.
func TestReadCoversOnlyAnnouncedEvents(t *testing.T) {
	t.Parallel()
	r, f := newSlowRig(t, nil, "p.lua", readAll)
	r.eng.Pause(true)
	first := r.message("c1", "e1", "x")
	r.wait("e1", func() bool { return r.handled("e1") != nil })
	<-f.onDisk
	for behind := true; behind; { // else it may read e2 from the store
		if err := r.eng.waitDurable(context.Background()); err != nil {
			t.Fatal(err)
		}
		s := r.eng.shards[0]
		s.mu.Lock()
		behind = s.behind
		s.mu.Unlock()
	}
	release := f.hold()
	acked := make(chan error, 1)
	go func() {
		_, err := f.Append(context.Background(), []turn.Arrival{{Event: message("c1", "e2", "x"), Received: time.Now()}})
		acked <- err
	}()
	<-f.onDisk
	call, ask := r.eng.Ready("c1")
	release()
	if call == nil || ask {
		t.Fatalf("no read is handed out, ask: %t", ask)
	}
	if call.SentSeq > first.Seq {
		t.Errorf("the read covers events up to %d, and only %d was announced", call.SentSeq, first.Seq)
	}
	if err := <-acked; err != nil {
		t.Fatal(err)
	}
}
