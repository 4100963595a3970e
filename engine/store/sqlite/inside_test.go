package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

func openInside(t *testing.T) *Store {
	t.Helper()
	return openWith(t, Options{tick: make(chan time.Time)}) // the tests look after it
}

func openWith(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "data", "chertd.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func simple(id string) turn.Arrival {
	return turn.Arrival{Event: event.Event{ID: id, Type: "x", Source: event.SourceFile}}
}

// intact fails the test if the database's structure is damaged.
func intact(t *testing.T, s *Store) {
	t.Helper()
	err := s.read(t.Context(), "check", func(c *conn) error {
		v, err := c.one(t.Context(), &statement{sql: "PRAGMA integrity_check"})
		if err == nil && v != "ok" {
			err = fmt.Errorf("integrity check: %v", v)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// withoutWriter ends a store's writer, for a test that gives its groups itself.
func withoutWriter(t *testing.T, s *Store) {
	t.Helper()
	w := s.writer
	close(w.queue)
	<-s.written
	w.queue = make(chan *request) // for Close to close
	w.syncer = newSyncer(w.syncer.sync)
	synced := make(chan struct{})
	go func() {
		defer close(synced)
		w.runSyncer()
	}()
	t.Cleanup(func() {
		close(w.syncer.work)
		<-synced
	})
}

// occupy has the writer make one more transaction. While the syncer stands still, what comes
// after it waits in the queue.
func occupy(s *Store) <-chan error {
	r := newRequest("fill a transaction")
	r.weight = maxWeight
	if err := s.enqueue(context.Background(), r, true); err != nil {
		r.answer <- err
	}
	for len(s.writer.queue) > 0 {
		runtime.Gosched() // until the writer has taken it
	}
	return r.answer
}

// TestBadRequestFailsAlone: a request that can't be carried out fails alone; the others of its
// transaction are kept.
func TestBadRequestFailsAlone(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	good := func(id string) *request {
		list, err := prepareArrivals([]turn.Arrival{simple(id)})
		if err != nil {
			t.Fatal(err)
		}
		return newRequest("append to the journal", step{arrivals: list})
	}
	bad := newRequest("commit", step{changes: []change{{what: &statement{sql: "INSERT INTO pending (seq, slot) VALUES (9, 'not a number')"}}}})
	refused := newRequest("commit", step{reads: []turn.KV{{Pack: "p", Key: "k", Version: 7}}})
	var announced []string
	s.Journaled(func(list []turn.Entry) {
		for _, e := range list {
			announced = append(announced, fmt.Sprint(e.Seq, " ", e.Event.ID))
		}
	})
	// The writer is left out, to give all to one transaction.
	withoutWriter(t, s)
	first, last := good("e1"), good("e2")
	s.writer.serve([]*request{first, bad, refused, last})
	for r, want := range map[*request]string{first: "", last: "", bad: "cannot store TEXT value", refused: store.ErrConflict.Error()} {
		err := <-r.answer
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("answer %v, want %q", err, want)
		}
	}
	if got := strings.Join(announced, ", "); got != "1 e1, 2 e2" {
		t.Errorf("announced %s", got)
	}
	if got := s.LastSeq(); got != 2 || first.receipts[0].Seq != 1 || last.receipts[0].Seq != 2 {
		t.Errorf("last sequence %d, receipts %v and %v", got, first.receipts, last.receipts)
	}
	intact(t, s)
}

// TestFullDiskFailsRequestsUntilThereIsRoom: a full disk fails requests and loses nothing, and the store continues
// once there is room again.
func TestFullDiskFailsRequestsUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	pages := func(n string) {
		t.Helper()
		r := newRequest("limit the file", step{changes: []change{{what: &statement{sql: "PRAGMA max_page_count = " + n}}}})
		if err := s.submit(t.Context(), r, true); err != nil {
			t.Fatal(err)
		}
	}
	pages("120")
	var kept []string
	var failure error
	for i := 0; failure == nil; i++ {
		a := simple(fmt.Sprint("e", i))
		a.Event.Raw = []byte(`"` + strings.Repeat("x", 3000) + `"`)
		if _, failure = s.Append(t.Context(), []turn.Arrival{a}); failure == nil {
			kept = append(kept, a.Event.ID)
		}
		if i > 10000 {
			t.Fatal("the file does not fill up")
		}
	}
	if !storeFailed(failure) || !strings.Contains(failure.Error(), "full") || !strings.Contains(failure.Error(), "append") {
		t.Errorf("a full disk gives %q", failure)
	}
	last := s.LastSeq()
	if last != int64(len(kept)) {
		t.Errorf("last sequence %d with %d kept", last, len(kept))
	}
	if err := s.Commit(t.Context(), []turn.Transition{{States: []turn.State{{Pack: "p", Chat: "c", Value: []byte(`"` + strings.Repeat("y", 100_000) + `"`)}}}}); !storeFailed(err) {
		t.Errorf("commit to a full disk: %v", err)
	}
	pages("1000000")
	receipts, err := s.Append(t.Context(), []turn.Arrival{simple("after")})
	if err != nil || receipts[0].Seq != last+1 {
		t.Errorf("append after the disk has room again: %+v, %v", receipts, err)
	}
	list, err := s.Pending(t.Context(), store.Shard{Of: 1}, 0, 1<<20)
	if err != nil || len(list) != len(kept)+1 {
		t.Errorf("%d events are there, want %d: %v", len(list), len(kept)+1, err)
	}
	intact(t, s)
}

// TestEndedContextWithdrawsWhatHasNotBegun: a request that has not begun when its context ends is withdrawn.
// Commit waits for one that is being written, Append does not.
func TestEndedContextWithdrawsWhatHasNotBegun(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	held, release := make(chan string), make(chan struct{})
	s.Journaled(func(list []turn.Entry) {
		for _, e := range list {
			held <- e.Event.ID // the syncer stands still here
			<-release
		}
	})
	commit := func(ctx context.Context, state string, list ...turn.Arrival) <-chan error {
		answer := make(chan error, 1)
		go func() {
			answer <- s.Commit(ctx, []turn.Transition{{
				States: []turn.State{{Pack: "p", Chat: state, Value: []byte("1")}}, Append: list,
			}})
		}()
		return answer
	}
	kept := func(state string) bool {
		t.Helper()
		v, err := s.State(t.Context(), "p", state)
		if err != nil {
			t.Fatal(err)
		}
		return v != nil
	}

	ctx, cancel := context.WithCancel(t.Context())
	begun := commit(ctx, "begun", simple("e1"))
	<-held
	filled := occupy(s)
	waits := commit(ctx, "waits")
	for len(s.writer.queue) == 0 { // it waits for its turn
		runtime.Gosched()
	}
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("a commit that waited: %v", err)
	}
	release <- struct{}{}
	if err := <-begun; err != nil {
		t.Errorf("a commit that was being written: %v", err)
	}
	if err := <-filled; err != nil {
		t.Error(err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	appended := make(chan error, 1)
	go func() {
		_, err := s.Append(ctx, []turn.Arrival{simple("e2")})
		appended <- err
	}()
	<-held
	cancel()
	if err := <-appended; !errors.Is(err, context.Canceled) {
		t.Errorf("an append that was being written: %v", err)
	}
	release <- struct{}{}

	if err := <-commit(t.Context(), "last"); err != nil { // by now all before it are done
		t.Error(err)
	}
	if !kept("begun") || kept("waits") || !kept("last") {
		t.Errorf("kept: begun %t, waits %t, last %t; want all but the one that waited", kept("begun"), kept("waits"), kept("last"))
	}
	if _, ok, err := s.Event(t.Context(), "e2"); !ok || err != nil {
		t.Errorf("the append that was being written is there: %t, %v", ok, err)
	}
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chertd.db")
	ctx := t.Context()
	at := func(scripts ...string) (*conn, error) {
		c, err := connectWriter(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.close() })
		return c, migrate(ctx, c, path, scripts)
	}
	column := func(c *conn) string {
		v, err := c.one(ctx, &statement{sql: "SELECT group_concat(name) || ' at ' || (SELECT user_version FROM pragma_user_version) FROM pragma_table_info('t')"})
		if err != nil {
			t.Fatal(err)
		}
		return stringOf(v)
	}
	one, two, wrong := "CREATE TABLE t (a); INSERT INTO t VALUES (1);", "ALTER TABLE t ADD COLUMN b;", "ALTER TABLE t ADD COLUMN c; SELECT nonsense;"

	c, err := at(one)
	if got := column(c); err != nil || got != "a at 1" {
		t.Fatalf("the first version: %s, %v", got, err)
	}
	if c, err = at(one, two, wrong); err == nil || !strings.Contains(err.Error(), "from version 2 to 3") || column(c) != "a,b at 2" {
		t.Errorf("a script that fails: %v, leaves %s", err, column(c))
	}
	if c, err = at(one, two, "ALTER TABLE t ADD COLUMN c;"); err != nil || column(c) != "a,b,c at 3" {
		t.Errorf("with the script fixed: %v, %s", err, column(c))
	}
	var newer *NewerError
	if _, err = at(one, two); !errors.As(err, &newer) || newer.Version != 3 || newer.Known != 2 || !strings.Contains(err.Error(), path) {
		t.Errorf("an older program: %v", err)
	}
	if err := c.script(fmt.Sprintf("PRAGMA user_version = %d", len(migrations)+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, path, Options{}); !errors.As(err, &newer) {
		t.Errorf("open a newer database: %v", err)
	}
}

func TestForeignDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "other.db")
	c, err := connect(t.Context(), path, "rwc")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.script("CREATE TABLE theirs (x)"); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("open another program's database: %v", err)
	}
}

// TestCommandsLeaveConnectionsToTheEngine: however many commands read records, the engine's reads have a
// connection.
func TestCommandsLeaveConnectionsToTheEngine(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	<-s.learned // it uses one
	busy, release := make(chan struct{}), make(chan struct{})
	var people sync.WaitGroup
	defer people.Wait()
	defer close(release)
	for range 2 * s.size {
		people.Go(func() {
			_, err := browse(context.Background(), s, "look", func(*conn) (any, error) {
				select {
				case busy <- struct{}{}:
				case <-release:
				}
				<-release
				return nil, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range s.size / 2 {
		<-busy
	}
	if _, err := OneChat(s.Chats(t.Context(), []string{"c1"})); err != nil {
		t.Error(err)
	}
	if free := len(s.readers); free != s.size-s.size/2 {
		t.Errorf("%d of %d connections are left to the engine", free, s.size)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Stats(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("one person too many: %v", err)
	}
}

// hanging has every statement of a connection wait.
type hanging struct{ until <-chan struct{} }

func (h hanging) before(*statement) error             { <-h.until; return nil }
func (h hanging) after(_ *statement, err error) error { return err }

// TestReadsOfCommandsEndThoughTheDiskHangs: a command's read ends with its context, however many there are, and
// succeeds again once the disk answers.
func TestReadsOfCommandsEndThoughTheDiskHangs(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	release := make(chan struct{})
	var readers []*conn
	for range s.size {
		readers = append(readers, <-s.readers)
	}
	for _, c := range readers {
		c.faults = hanging{release}
		s.readers <- c
	}
	asks := map[string]func(context.Context) error{
		"Stats":       func(ctx context.Context) error { _, err := s.Stats(ctx); return err },
		"Event":       func(ctx context.Context) error { _, _, err := s.Event(ctx, "e1"); return err },
		"Events":      func(ctx context.Context) error { _, err := s.Events(ctx, "", 0, 10); return err },
		"Actions":     func(ctx context.Context) error { _, err := s.Actions(ctx, store.ActionFilter{}); return err },
		"Quarantined": func(ctx context.Context) error { _, err := s.Quarantined(ctx, 10); return err },
		"Versions":    func(ctx context.Context) error { _, err := s.Versions(ctx, "p", 10); return err },
		"Backlog":     func(ctx context.Context) error { _, _, err := s.Backlog(ctx, "p", time.Time{}); return err },
		"Holds":       func(ctx context.Context) error { _, _, err := s.Holds(ctx, time.Time{}, 1); return err },
	}
	impatient := errors.New("no more patience")
	for round := range 2 {
		for name, ask := range asks {
			ctx, leave := context.WithCancelCause(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- ask(ctx) }()
			leave(impatient)
			if err := <-ended; !errors.Is(err, impatient) {
				t.Errorf("round %d: %s answers %v, want that it was not waited for", round, name, err)
			}
		}
	}
	close(release)
	for name, ask := range asks {
		if err := ask(t.Context()); err != nil {
			t.Errorf("the disk answers, and %s says %v", name, err)
		}
	}
}

// TestUnreadableKVIsAnError: a rule that gets nil instead would act on it.
func TestUnreadableKVIsAnError(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"DROP TABLE kv", "DROP TABLE kv_usage"} {
		s := openInside(t)
		if err := s.writer.conn.script(broken); err != nil {
			t.Fatal(err)
		}
		_, usage := s.KVUsage(t.Context(), "p", time.Time{}, []string{"k"})
		if usage == nil {
			t.Errorf("%s: what is kept comes to nothing", broken)
		}
		if broken == "DROP TABLE kv_usage" {
			continue
		}
		if _, err := s.KV(t.Context(), "p", "k", time.Time{}); err == nil {
			t.Errorf("%s: there is no entry", broken)
		}
		if _, _, err := s.KVList(t.Context(), "p", "", "", time.Time{}, 10, 10); err == nil {
			t.Errorf("%s: the list is empty", broken)
		}
	}
}

// TestExpiredKVIsCleared: expired entries of a pack that keeps writing are cleared, and count as
// absent before that.
func TestExpiredKVIsCleared(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	noon := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	var writes []turn.KV
	for i := range maxCleared + 10 {
		writes = append(writes, turn.KV{Pack: "p", Key: fmt.Sprint("k", i), Value: []byte(`1`), Expires: noon.Add(time.Second)})
	}
	quota := func(at time.Time) []turn.Quota { return []turn.Quota{{Pack: "p", Bytes: 1 << 20, At: at}} }
	commit := func(at time.Time, writes ...turn.KV) {
		t.Helper()
		if err := s.Commit(t.Context(), []turn.Transition{{Writes: writes, Quotas: quota(at)}}); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (n int64) {
		err := s.read(t.Context(), "count", func(c *conn) error {
			v, err := c.one(t.Context(), &statement{sql: "SELECT count(*) FROM kv WHERE value IS NOT NULL"})
			n = intOf(v)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	commit(noon, writes...)
	late := noon.Add(time.Second)
	for _, want := range []int64{11, 1} {
		commit(late, turn.KV{Pack: "p", Key: "one", Value: []byte(`1`)})
		if got := left(); got != want {
			t.Errorf("%d entries have a value, want %d", got, want)
		}
		if n, err := s.KVUsage(t.Context(), "p", late, nil); err != nil || n != 4 {
			t.Errorf("they come to %d bytes, %v", n, err)
		}
	}
	kv, err := s.KV(t.Context(), "p", "k0", late)
	if err != nil || kv.Value != nil || kv.Version != 1 {
		t.Errorf("a cleared entry is %+v, %v", kv, err)
	}
}

// TestCommitThatCantBeEncodedKeepsNothing: a batch with a value that can't be encoded fails as a whole.
func TestCommitThatCantBeEncodedKeepsNothing(t *testing.T) {
	t.Parallel()
	s := openInside(t)
	never := time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) // JSON has no such year
	for name, tr := range map[string]turn.Transition{
		"a log's field":             {Decision: &turn.Decision{Seq: 1, Rules: []turn.RuleDecision{{Logs: []turn.Log{{Fields: map[string]any{"x": math.NaN()}}}}}}},
		"a rule's time":             {Decision: &turn.Decision{Seq: 1, Rules: []turn.RuleDecision{{Rerun: never}}}},
		"a timer without its chat":  {Timers: []chat.TimerChange{{Timer: chat.Timer{Pack: "p", Name: "t"}}}},
		"an arrival without its id": {Append: []turn.Arrival{simple("")}},
		"a request's time":          {Append: []turn.Arrival{{Event: event.Event{ID: "e", Type: "x"}, Forward: &turn.Forward{Request: chat.Request{Due: never}}}}},
	} {
		good := turn.Transition{States: []turn.State{{Pack: "p", Chat: name, Value: []byte("1")}}}
		if err := s.Commit(t.Context(), []turn.Transition{good, tr}); err == nil || s.Healthy() != nil {
			t.Errorf("%s: committed with %v; the store says it is %v", name, err, s.Healthy())
		}
		if v, err := s.State(t.Context(), "p", name); v != nil || err != nil {
			t.Errorf("%s: a part of the batch was kept: %s, %v", name, v, err)
		}
		if _, err := s.Append(t.Context(), tr.Append); len(tr.Append) > 0 && err == nil {
			t.Errorf("%s: appended", name)
		}
	}
	if got := s.LastSeq(); got != 0 {
		t.Errorf("last sequence %d", got)
	}
}
