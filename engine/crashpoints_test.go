package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// crashPoint is a place at which the daemon is killed.
type crashPoint struct {
	name string
	// need is what the load must do so that the daemon comes there; "": nothing more.
	need string
}

// crashPoints are all points of the matrix: before and after each write of the store, each
// boundary of its transactions, each message on the wire, and each step of an edit.
var crashPoints = slices.Concat(
	storePoints(),
	[]crashPoint{
		{name: sqlite.BeforeMigration}, {name: sqlite.AfterMigration},
		{name: sqlite.AtStatement},
		{name: sqlite.BeforeCommit}, {name: sqlite.AfterCommit},
		{name: sqlite.BeforeSync}, {name: sqlite.AfterSync},
		{name: sqlite.BeforeCheckpoint, need: "bulk"}, {name: checkpointing, need: "bulk"},
		{name: sqlite.BeforeTruncation}, {name: truncating},
		{name: "gate.before"}, {name: "gate.after"}, {name: "edit.live"},
	},
	relayPoints("delivery"), relayPoints("call"), relayPoints("log"),
)

// While the WAL is copied there is no hook: these kill a moment after the copy began.
const (
	checkpointing = "checkpoint.during"
	truncating    = "truncation.during"
)

// storeWrites are the methods of store.Store that write, with what makes the daemon call them.
var storeWrites = map[string]string{
	"Append": "", "Commit": "", "Close": "",
	"AppendEarly": "", "DropEarly": "", "SetLogCursor": "",
	"Quarantine": "quarantine", "DropQuarantined": "quarantine",
	"SetPaused": "pause", "SetClockOffset": "skew", "SetCallPause": "ratelimit",
	"SaveVersion": "spare", "SetPackState": "spare",
	"SetPendingKept": "spare", "SetRulesDeleted": "spare", "ForgetPack": "spare", "SetIgnoreFile": "ignore",
	"SetLineStop": "aside", "SetUnsupportedLine": "aside", "DropUnsupportedLine": "aside", "SetLearnedRate": "aside",
	"SetSelectionHold": "aside", "DropSelectionHold": "aside",
	"EraseTexts": "aside", "Scrub": "aside", "ChangeList": "aside", "EraseListMember": "aside", "PruneListHistory": "aside",
	"PruneEvents": "prune", "PruneTexts": "prune", "PruneSeen": "prune", "MarkDay": "prune",
}

func storePoints() (list []crashPoint) {
	for method, need := range storeWrites {
		list = append(list, crashPoint{"store." + method + ".before", need}, crashPoint{"store." + method + ".after", need})
	}
	slices.SortFunc(list, func(a, b crashPoint) int { return strings.Compare(a.name, b.name) })
	return list
}

// relayPoints are those of a relay: before and after it passes on a request or an answer.
func relayPoints(kind string) (list []crashPoint) {
	for _, what := range []string{".request.before", ".request.after", ".answer.before", ".answer.after"} {
		list = append(list, crashPoint{name: kind + what})
	}
	return list
}

// Every method of the store that writes is a point: the others only read.
func TestCrashPointsCoverTheStore(t *testing.T) {
	t.Parallel()
	reads := strings.Fields(`Journaled Pending Unhandled Chats States KVs KVList KVUsage State KV CallLines CallsDue TimersDue
		Healthy LastSeq Paused ClockOffset CallPause ScheduleDone ReadCount Version Versions PackStates IgnoreFile Concerned Comparison MissedPacks
		Missed Vetoes BlockedReads Backlog Records LogCursor Early Stats Event Events Actions Holds Postponed Quarantined QuarantinedAfter
		Dead DeadAfter DeadGroups ActionsByID Attempts KVPacks StatePacks LearnedRate LineStops UnsupportedLines RuleTotals EventBySeq MessageEvents TracedEvents EventsNaming Lists ListMembers ListHistory ListMentions
		WaitingLines WaitingChats NoticeChats CountWaiting BlockedChats CountChats SelectionHolds`)
	of := reflect.TypeFor[store.Store]()
	for i := range of.NumMethod() {
		name := of.Method(i).Name
		if _, writes := storeWrites[name]; !writes && !slices.Contains(reads, name) {
			t.Errorf("%s of store.Store is neither in storeWrites nor known to read only: give crashStore a method that calls its points", name)
		}
	}
}

// points counts how often the process comes to each point, and kills it at one of them.
type points struct {
	armed string        // the point; "": none
	nth   int           // the hit at which the process is killed
	delay time.Duration // of the points within a checkpoint

	mu   sync.Mutex
	hits map[string]int
}

// Environment of a process of the matrix.
const (
	crashMatrix = "CHERTD_TEST_MATRIX" // set: the daemon is one of the matrix
	crashAt     = "CHERTD_TEST_CRASH_AT"
	crashNth    = "CHERTD_TEST_CRASH_NTH"
	crashDelay  = "CHERTD_TEST_CRASH_DELAY"
)

func pointsOfEnv() (*points, error) {
	p := &points{hits: map[string]int{}, armed: os.Getenv(crashAt)}
	if p.armed == "" {
		return p, nil
	}
	var err error
	if p.nth, err = strconv.Atoi(os.Getenv(crashNth)); err != nil {
		return nil, err
	}
	p.delay, err = time.ParseDuration(os.Getenv(crashDelay))
	return p, err
}

// at notes that the process is at a point, and does not return from the armed hit.
func (p *points) at(name string) {
	p.mu.Lock()
	p.hits[name]++
	hit := name == p.armed && p.hits[name] == p.nth
	p.mu.Unlock()
	switch {
	case hit && (name == checkpointing || name == truncating):
		go func() {
			time.Sleep(p.delay) // how far the copy is, is the test's dice
			die()
		}()
	case hit:
		die()
	}
	switch name {
	case sqlite.BeforeCheckpoint:
		p.at(checkpointing)
	case sqlite.BeforeTruncation:
		p.at(truncating)
	}
}

// around notes that the process is before a step, and returns a function for after it.
func (p *points) around(name string) (after func()) {
	p.at(name + ".before")
	return func() { p.at(name + ".after") }
}

// die is kill -9 of this process.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// report prints how often the process came to each point.
func (p *points) report() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := json.Marshal(p.hits)
	fmt.Printf("hits %s\n", b)
	return err
}

// relay listens on loopback and passes connections on to an address.
type relay struct {
	*points
	kind   func(request []byte) string // of the points of a request, and of its answer
	target string                      // host:port
	at     string                      // host:port on which it listens
}

// startRelay starts a relay, which ends with the process.
func startRelay(p *points, to string, kind func(request []byte) string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{points: p, kind: kind, target: to, at: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
	return r, nil
}

func (r *relay) serve(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer to.Close()
	var mu sync.Mutex
	kind := ""
	go func() {
		pass(from, to, func(b []byte) func() {
			mu.Lock()
			defer mu.Unlock()
			kind = r.kind(b)
			return r.around(kind + ".request")
		})
		to.(*net.TCPConn).CloseWrite()
	}()
	pass(to, from, func([]byte) func() {
		mu.Lock()
		defer mu.Unlock()
		return r.around(kind + ".answer")
	})
}

// pass copies what is read, with around before each piece and its result after it.
func pass(from io.Reader, to io.Writer, around func([]byte) func()) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			after := around(b[:n])
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
			after()
		}
		if err != nil {
			return
		}
	}
}

func hostOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return u.Host, nil
}

// crashStore is a store with points around everything that writes.
type crashStore struct {
	store.Store
	p *points
}

func (s crashStore) around(method string) func() { return s.p.around("store." + method) }

func (s crashStore) Append(ctx context.Context, list []turn.Arrival) ([]store.Receipt, error) {
	defer s.around("Append")()
	return s.Store.Append(ctx, list)
}

func (s crashStore) Commit(ctx context.Context, batch []turn.Transition) error {
	defer s.around("Commit")()
	return s.Store.Commit(ctx, batch)
}

func (s crashStore) Close() error {
	defer s.around("Close")()
	return s.Store.Close()
}

func (s crashStore) AppendEarly(ctx context.Context, list []turn.Arrival) ([]store.Receipt, error) {
	defer s.around("AppendEarly")()
	return s.Store.AppendEarly(ctx, list)
}

func (s crashStore) DropEarly(ctx context.Context, through int64) error {
	defer s.around("DropEarly")()
	return s.Store.DropEarly(ctx, through)
}

func (s crashStore) SetLogCursor(ctx context.Context, log string, read time.Time) error {
	defer s.around("SetLogCursor")()
	return s.Store.SetLogCursor(ctx, log, read)
}

func (s crashStore) Quarantine(ctx context.Context, q store.Quarantined) error {
	defer s.around("Quarantine")()
	return s.Store.Quarantine(ctx, q)
}

func (s crashStore) DropQuarantined(ctx context.Context, ids []int64) error {
	defer s.around("DropQuarantined")()
	return s.Store.DropQuarantined(ctx, ids)
}

func (s crashStore) SetPaused(ctx context.Context, paused bool) error {
	defer s.around("SetPaused")()
	return s.Store.SetPaused(ctx, paused)
}

func (s crashStore) SetClockOffset(ctx context.Context, offset time.Duration) error {
	defer s.around("SetClockOffset")()
	return s.Store.SetClockOffset(ctx, offset)
}

func (s crashStore) SetCallPause(ctx context.Context, credential string, pause store.CallPause) error {
	defer s.around("SetCallPause")()
	return s.Store.SetCallPause(ctx, credential, pause)
}

func (s crashStore) SaveVersion(ctx context.Context, v live.KeptVersion) error {
	defer s.around("SaveVersion")()
	return s.Store.SaveVersion(ctx, v)
}

func (s crashStore) SetPackState(ctx context.Context, state live.PackState) error {
	defer s.around("SetPackState")()
	return s.Store.SetPackState(ctx, state)
}

func (s crashStore) ForgetPack(ctx context.Context, pack string) error {
	defer s.around("ForgetPack")()
	return s.Store.ForgetPack(ctx, pack)
}

func (s crashStore) SetPendingKept(ctx context.Context, pack, version string, kept bool) error {
	defer s.around("SetPendingKept")()
	return s.Store.SetPendingKept(ctx, pack, version, kept)
}

func (s crashStore) SetRulesDeleted(ctx context.Context, pack string, deleted bool) error {
	defer s.around("SetRulesDeleted")()
	return s.Store.SetRulesDeleted(ctx, pack, deleted)
}

func (s crashStore) SetIgnoreFile(ctx context.Context, content []byte) error {
	defer s.around("SetIgnoreFile")()
	return s.Store.SetIgnoreFile(ctx, content)
}

func (s crashStore) SetLineStop(ctx context.Context, credential string, stop store.LineStop) error {
	defer s.around("SetLineStop")()
	return s.Store.SetLineStop(ctx, credential, stop)
}

func (s crashStore) ChangeList(ctx context.Context, c store.ListChange) error {
	defer s.around("ChangeList")()
	return s.Store.ChangeList(ctx, c)
}

func (s crashStore) EraseListMember(ctx context.Context, member string, at time.Time) (int, error) {
	defer s.around("EraseListMember")()
	return s.Store.EraseListMember(ctx, member, at)
}

func (s crashStore) PruneListHistory(ctx context.Context, before time.Time, limit int) (int, error) {
	defer s.around("PruneListHistory")()
	return s.Store.PruneListHistory(ctx, before, limit)
}

func (s crashStore) SetUnsupportedLine(ctx context.Context, l store.UnsupportedLine) error {
	defer s.around("SetUnsupportedLine")()
	return s.Store.SetUnsupportedLine(ctx, l)
}

func (s crashStore) SetSelectionHold(ctx context.Context, h chat.SelectionHold) error {
	defer s.around("SetSelectionHold")()
	return s.Store.SetSelectionHold(ctx, h)
}

func (s crashStore) DropSelectionHold(ctx context.Context, id int64) error {
	defer s.around("DropSelectionHold")()
	return s.Store.DropSelectionHold(ctx, id)
}

func (s crashStore) DropUnsupportedLine(ctx context.Context, line string) error {
	defer s.around("DropUnsupportedLine")()
	return s.Store.DropUnsupportedLine(ctx, line)
}

func (s crashStore) SetLearnedRate(ctx context.Context, credential string, r store.LearnedRate) error {
	defer s.around("SetLearnedRate")()
	return s.Store.SetLearnedRate(ctx, credential, r)
}

func (s crashStore) EraseTexts(ctx context.Context, seqs []int64) (int, error) {
	defer s.around("EraseTexts")()
	return s.Store.EraseTexts(ctx, seqs)
}

func (s crashStore) Scrub(ctx context.Context) error {
	defer s.around("Scrub")()
	return s.Store.Scrub(ctx)
}

func (s crashStore) PruneEvents(ctx context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error) {
	defer s.around("PruneEvents")()
	return s.Store.PruneEvents(ctx, before, after, limit)
}

func (s crashStore) PruneTexts(ctx context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error) {
	defer s.around("PruneTexts")()
	return s.Store.PruneTexts(ctx, before, after, limit)
}

func (s crashStore) PruneSeen(ctx context.Context, before time.Time, after store.Cursor, limit int) (store.Pruned, error) {
	defer s.around("PruneSeen")()
	return s.Store.PruneSeen(ctx, before, after, limit)
}

func (s crashStore) MarkDay(ctx context.Context, now time.Time) error {
	defer s.around("MarkDay")()
	return s.Store.MarkDay(ctx, now)
}
