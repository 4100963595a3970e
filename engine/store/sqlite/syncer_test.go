package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chertd/rules/turn"
)

// disk is where a test decides about syncs, and records them beside COMMITs.
type disk struct {
	begun chan struct{} // gets one of each sync; nil: they are not held up
	end   chan error    // ends it
	mu    sync.Mutex
	calls []string
}

func (d *disk) record(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, what)
}

// called returns what was recorded since the last time.
func (d *disk) called() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := strings.Join(d.calls, ", ")
	d.calls = nil
	return calls
}

// count returns how many calls there were since the last called.
func (d *disk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.calls)
}

func (d *disk) sync(f *os.File) error {
	var err error
	if d.begun != nil {
		d.begun <- struct{}{}
		err = <-d.end
	}
	if !strings.HasSuffix(f.Name(), "-wal") {
		err = errors.Join(err, fmt.Errorf("%s was synced", f.Name()))
	}
	d.record("sync")
	return err
}

func (d *disk) before(*statement) error { return nil }

func (d *disk) after(what *statement, err error) error {
	if what == commit && err == nil {
		d.record("commit")
	}
	return err
}

// slowDisk opens a store whose syncs the test ends.
func slowDisk(t *testing.T) (*Store, *disk) {
	t.Helper()
	d := &disk{}
	s := openWith(t, Options{tick: make(chan time.Time), sync: d.sync})
	t.Cleanup(func() {
		var rest sync.WaitGroup
		rest.Go(func() {
			for range d.begun {
				d.end <- nil
			}
		})
		s.Close()
		close(d.begun)
		rest.Wait()
	})
	<-s.learned
	d.begun, d.end = make(chan struct{}), make(chan error)
	s.writer.conn.faults = d
	d.called()
	return s, d
}

func later(s *Store, id string) <-chan error {
	answer := make(chan error, 1)
	go func() {
		_, err := s.Append(context.Background(), []turn.Arrival{simple(id)})
		answer <- err
	}()
	return answer
}

// committedEvents counts the events that a connection that reads sees.
func committedEvents(t *testing.T, s *Store) int64 {
	t.Helper()
	n, err := s.readOne(t.Context(), "count", &statement{sql: "SELECT count(*) FROM events"})
	if err != nil {
		t.Fatal(err)
	}
	return intOf(n)
}

// TestNothingIsAcknowledgedBeforeItsSync: nobody learns of a transaction that is committed and
// not synced, and the next one is made meanwhile. They are answered in their order.
func TestNothingIsAcknowledgedBeforeItsSync(t *testing.T) {
	t.Parallel()
	s, d := slowDisk(t)
	var order []string
	s.Journaled(func(list []turn.Entry) { order = append(order, list[0].Event.ID) })
	first := later(s, "e1")
	<-d.begun
	filled := occupy(s)
	second := later(s, "e2")
	for len(s.writer.queue) == 0 || d.count() < 2 {
		runtime.Gosched() // the writer waits for the syncer with the one before
	}
	if n := committedEvents(t, s); n != 1 || s.LastSeq() != 0 || len(order) > 0 || len(first) > 0 {
		t.Errorf("before the sync: %d events are committed, the last is %d, %v were announced, %d answers", n, s.LastSeq(), order, len(first))
	}
	if got := d.called(); got != "commit, commit" {
		t.Errorf("during the sync: %s", got)
	}
	d.end <- nil
	if err := <-first; err != nil || s.LastSeq() != 1 {
		t.Errorf("%v, and the last is %d", err, s.LastSeq())
	}
	<-d.begun
	d.end <- nil
	<-d.begun
	d.end <- nil
	if err := errors.Join(<-filled, <-second); err != nil || s.LastSeq() != 2 || !slices.Equal(order, []string{"e1", "e2"}) {
		t.Errorf("%v, the last is %d, %v were announced", err, s.LastSeq(), order)
	}
}

// TestEachTransactionIsSyncedAfterItsCommit: the writer's connection commits without a sync
// only because the syncer follows.
func TestEachTransactionIsSyncedAfterItsCommit(t *testing.T) {
	t.Parallel()
	d := &disk{}
	s := openWith(t, Options{tick: make(chan time.Time), sync: d.sync, faults: d})
	if got := d.called(); !strings.HasSuffix(got, "commit, sync") {
		t.Errorf("Open: %s", got)
	}
	<-s.learned
	for _, act := range acts {
		if err := act.do(s); err != nil {
			t.Fatal(act.name, err)
		}
		if got := d.called(); got != "commit, sync" {
			t.Errorf("%s: %s", act.name, got)
		}
	}
	if level, err := s.writer.conn.one(t.Context(), readSynchronous); level != int64(1) || err != nil {
		t.Errorf("synchronous is %v, %v", level, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := d.called(); got != "commit, sync" {
		t.Errorf("Close, with rows that are late: %s", got)
	}
}

// TestCloseWaitsForTheSync: Close returns once all that was committed is durable.
func TestCloseWaitsForTheSync(t *testing.T) {
	t.Parallel()
	s, d := slowDisk(t)
	first := later(s, "e1")
	<-d.begun
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	<-s.closing
	if len(closed)+len(first) > 0 {
		t.Error("it is closed during a sync")
	}
	d.end <- nil
	if err := <-first; err != nil {
		t.Error(err)
	}
	<-d.begun // of what was late
	if len(closed) > 0 {
		t.Error("it is closed during the last sync")
	}
	d.end <- nil
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestFailedSyncEndsTheStore: after a failed sync nothing is acknowledged, nothing is synced
// again, and nothing is copied from the WAL. The next start has all that was acknowledged.
func TestFailedSyncEndsTheStore(t *testing.T) {
	t.Parallel()
	s, d := slowDisk(t)
	first := later(s, "e1")
	<-d.begun
	d.end <- nil
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	announced := 0
	s.Journaled(func([]turn.Entry) { announced++ })
	second := later(s, "e2")
	<-d.begun
	filled := occupy(s)
	third := later(s, "e3")
	d.end <- syscall.EIO
	for i, answer := range []<-chan error{second, filled, third, later(s, "e4")} {
		err := <-answer
		failed, ok := errors.AsType[*syncError](err)
		if !ok || !errors.Is(err, syscall.EIO) || failed.Path != s.path+"-wal" || !strings.Contains(failed.Hint(), "restart chertd") {
			t.Errorf("request %d after the failure: %v", i, err)
		}
	}
	if err := s.Healthy(); !errors.As(err, new(*syncError)) || announced > 0 || s.LastSeq() != 1 {
		t.Errorf("Healthy returned %v, %d were announced, the last is %d", err, announced, s.LastSeq())
	}
	if got := d.called(); strings.Count(got, "sync") != 2 {
		t.Errorf("called: %s", got)
	}
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	after, err := os.ReadFile(s.path)
	if wal, walErr := os.Stat(s.path + "-wal"); err != nil || walErr != nil || wal.Size() == 0 || string(before) != string(after) {
		t.Errorf("a checkpoint has run: %v, %v", err, walErr)
	}
	again, err := Open(t.Context(), s.path, Options{tick: make(chan time.Time)})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, ok, err := again.Event(t.Context(), "e1"); !ok || err != nil {
		t.Errorf("e1 is there: %t, %v", ok, err)
	}
}

// TestFailedSyncOfOpenIsAnError: what a killed process has left unsynced is durable before
// anybody acts on it.
func TestFailedSyncOfOpenIsAnError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chertd.db")
	_, err := Open(t.Context(), path, Options{sync: func(*os.File) error { return syscall.EIO }})
	if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), path+"-wal") {
		t.Errorf("opened: %v", err)
	}
}

// TestCommitInDoubtIsSyncedBeforeItsAnswer: a transaction whose COMMIT has lost its answer, and
// that is kept, is durable before anybody learns of it.
func TestCommitInDoubtIsSyncedBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	s, d := slowDisk(t)
	s.writer.conn.faults = lostCommit{}
	answer := later(s, "e1")
	<-d.begun
	if n := committedEvents(t, s); n != 1 || len(answer) > 0 || s.LastSeq() != 0 {
		t.Errorf("before the sync: %d events, %d answers, the last is %d", n, len(answer), s.LastSeq())
	}
	d.end <- nil
	if err := <-answer; err != nil || s.LastSeq() != 1 {
		t.Errorf("%v, the last is %d", err, s.LastSeq())
	}
}

// lostCommit loses the answer of each COMMIT.
type lostCommit struct{}

func (lostCommit) before(*statement) error { return nil }

func (lostCommit) after(what *statement, err error) error {
	if what == commit && err == nil {
		return errInjected
	}
	return err
}

// TestAnswersKeepTheirOrder: a transaction that fails is answered after those that were
// committed before it.
func TestAnswersKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s, d := slowDisk(t)
	first := newRequest("append", step{arrivals: prepared(t, "e1")})
	if err := s.enqueue(t.Context(), first, true); err != nil {
		t.Fatal(err)
	}
	<-d.begun
	bad := newRequest("fail", step{changes: []change{{what: &statement{sql: "INSERT INTO pending (seq, slot) VALUES (9, 'not a number')"}}}})
	bad.weight = maxWeight // it is not held back
	if err := s.enqueue(t.Context(), bad, true); err != nil {
		t.Fatal(err)
	}
	for bad.state.Load() == requestWaits {
		runtime.Gosched()
	}
	for range 100 {
		runtime.Gosched()
		if len(bad.answer) > 0 {
			t.Fatal("it is answered before the one that is being synced")
		}
	}
	d.end <- nil
	if err := <-bad.answer; err == nil || len(first.answer) == 0 {
		t.Errorf("answered %v, and before it %d", err, len(first.answer))
	}
	if err := <-first.answer; err != nil {
		t.Error(err)
	}
}
