package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
)

// simWorld is a simulation: a daemon, a simulated Chert and the network between them, on virtual
// time and in one bubble of testing/synctest. Create it with newSimWorld in a bubble.
type simWorld struct {
	plan  simPlan
	dir   string
	began time.Time
	chert *chertsim.Sim
	ahead atomic.Int64 // how far the daemon's clock is ahead of the true one, in nanoseconds

	// Only for the goroutine of the steps.
	storeDir string
	stores   int
	edit     int // number of the last edit
	fileEdit int // number of the edit in the files
	broken   bool
	skew     time.Duration  // of Chert's clock
	remains  sync.WaitGroup // of runs that were killed, and of requests that nobody waits for

	mu       sync.Mutex // guards all below
	book     simBook
	lines    []simLine
	nth      map[string]int // how many things of a kind there were
	air      simAir
	run      *simRun   // nil: the daemon is down
	paused   simMoment // since when an operator has paused all calls; zero: they are not
	step     int
	failure  *simFailure
	lateVeto *simVetoed // nil: none is to come
}

// simVetoed is a call that gets a veto once it has begun, and whose connection takes until that is
// journaled.
type simVetoed struct {
	chat      string
	begun     bool
	journaled chan struct{} // closed when the next message of the chat is journaled after that
	done      chan struct{} // closed when the call is about to be written
}

// simRun is one run of the daemon, from its start to its end.
type simRun struct {
	n     int
	m     *manager
	began simMoment
	// started is closed when it takes deliveries in.
	started chan struct{}
	dead    chan struct{} // closed when it is killed
	// impatient is set when calls go out without what may have been missed: it could not be
	// read for minutes. simWorld.mu guards it.
	impatient bool

	sqlite *sqlite.Store
	store  *simStore
	stop   context.CancelFunc
	ended  chan error
}

func (r *simRun) isDead() bool     { return isClosed(r.dead) }
func (r *simRun) hasStarted() bool { return isClosed(r.started) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// simFailure is the first thing that went wrong.
type simFailure struct {
	step int
	kind string // the same for all failures of a check
	what string
}

// simEpoch is what is added to the clock of a bubble, which begins in 2000.
var simEpoch = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC).Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))

// simCatchUpWait is how long calls wait for missed events.
const simCatchUpWait = 5 * time.Minute

func newSimWorld(dir string, plan simPlan) *simWorld {
	w := &simWorld{plan: plan, dir: dir, book: newSimBook(), nth: map[string]int{}, storeDir: filepath.Join(dir, "store0")}
	w.began = w.trueNow()
	w.chert = chertsim.New(chertsim.Config{Seed: plan.seed, Now: w.trueNow, Transport: simHook{w}, AllowLoopback: true})
	for _, id := range plan.chats() {
		w.chert.AddChat(chertsim.Chat{ID: id, Line: simLines[id]})
	}
	if _, err := w.chert.Subscribe("http://127.0.0.1:1/webhooks/chert", chertsim.DefaultWebhookSecret); err != nil {
		panic(err)
	}
	w.must("make the store", makeSimStore(w.storeDir))
	counts := strings.ReplaceAll(simCounts, "KV", "")
	if plan.kv {
		counts = strings.ReplaceAll(simCounts, "KV", `kv.incr("all") kv.incr(ev.id)`)
	}
	w.write("counts.lua", counts)
	if plan.night {
		w.write("night.lua", simNight)
	}
	w.writeWords("")
	return w
}

func (w *simWorld) trueNow() time.Time  { return time.Now().Add(simEpoch).UTC() }
func (w *simWorld) localNow() time.Time { return w.trueNow().Add(time.Duration(w.ahead.Load())) }

// fail notes that something went wrong. w.mu is held.
func (w *simWorld) fail(format string, args ...any) {
	if w.failure == nil {
		w.failure = &simFailure{w.step, format, fmt.Sprintf(format, args...)}
		w.trace("WRONG: %s", w.failure.what)
	}
}

func (w *simWorld) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure != nil
}

// must notes an error that nothing excuses.
func (w *simWorld) must(doing string, err error) {
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.fail("%s: %v", doing, err)
	}
}

// up returns the run that answers; nil: the daemon is down.
func (w *simWorld) up() *simRun {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.run
}

// moment returns this moment.
func (w *simWorld) moment() simMoment {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now()
}

func (w *simWorld) write(name, text string) {
	path := filepath.Join(w.dir, "rules", name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	w.must("write the rules", err)
}

// writeWords writes the next edit of simWords.
func (w *simWorld) writeWords(broken string) {
	w.edit++
	w.fileEdit, w.broken = w.edit, broken != ""
	w.write("words.lua", simWordsOf(w.edit, broken))
}

// start starts the daemon, and returns once it takes deliveries in.
func (w *simWorld) start() {
	w.stores++
	run := &simRun{n: w.stores, started: make(chan struct{}), dead: make(chan struct{}), ended: make(chan error, 1)}
	st, err := sqlite.Open(context.Background(), filepath.Join(w.storeDir, "chertd.db"), sqlite.Options{})
	if err != nil {
		w.must("open the store", err)
		return
	}
	run.sqlite, run.store = st, &simStore{Store: st, w: w, run: run}
	jitter := w.diceOf(fmt.Sprint("jitter ", run.n))
	var jitters sync.Mutex
	d := Daemon{
		API: chert.Config{
			BaseURL: "http://127.0.0.1:2" + chertsim.BasePath, Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret,
			Timeout: simTimeout, Transport: simWire{w, run},
		},
		Rate: w.plan.rate, Burst: w.plan.burst, Adaptive: true, Shards: w.plan.shards, Concurrency: w.plan.concurrency,
		Webhook:  Webhook{Listen: "in process", Path: "/webhooks/chert", Secrets: []string{chertsim.DefaultWebhookSecret}},
		CatchUp:  CatchUp{Every: time.Minute, Wait: simCatchUpWait},
		RulesDir: filepath.Join(w.dir, "rules"),
		Log:      slog.New(simLog{w, run}),
		Now:      w.localNow,
		jitter: func() float64 {
			jitters.Lock()
			defer jitters.Unlock()
			return jitter.Float64()
		},
		Started: func(Addresses) { close(run.started) },
	}
	run.began = w.moment()
	w.mu.Lock()
	if v := w.readFiles(); len(w.book.tried.spans) == 0 || v != w.book.versions() {
		w.runs(v, run.began)
	}
	w.mu.Unlock()
	var paused bool
	run.m, paused, err = d.prepare(context.Background(), run.store)
	if err != nil {
		w.must("prepare the daemon", err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	run.stop = stop
	w.mu.Lock()
	w.run = run // it may call before it takes deliveries in
	w.mu.Unlock()
	go func() { run.ended <- d.serve(ctx, run.m, paused, nil, Addresses{}, func() {}) }()
	<-run.started
	w.mu.Lock()
	w.trace("started")
	spans := w.book.tried.spans
	w.mu.Unlock()
	if spans[len(spans)-1].done.set() { // it was not killed within a command
		w.checkVersions(run, "the start")
	}
	w.checkModes(run, "the start")
}

// end waits for the end of a run that is to stop, and closes its store.
func (w *simWorld) end(run *simRun) {
	run.stop()
	w.must("run the daemon", <-run.ended)
	w.mu.Lock()
	w.run = nil
	w.trace("ended")
	w.mu.Unlock()
	w.must("close the store", run.sqlite.Close())
}

// stop stops the daemon as SIGTERM does.
func (w *simWorld) stop() {
	if run := w.up(); run != nil {
		w.end(run)
	}
}

// kill kills the daemon while it waits for something. The next run has the files as they are now.
func (w *simWorld) kill() {
	run := w.up()
	if run == nil {
		return
	}
	synctest.Wait()
	before := w.storeDir
	w.storeDir = filepath.Join(w.dir, fmt.Sprint("store", run.n))
	w.must("copy the store", copySimStore(before, w.storeDir))
	w.mu.Lock()
	w.modesKilled()
	close(run.dead)
	w.run = nil
	w.book.kills = append(w.book.kills, w.now())
	w.trace("killed")
	w.mu.Unlock()
	// What is left of it changes nothing that anybody sees.
	w.remains.Go(func() {
		run.stop()
		<-run.ended
		_ = run.sqlite.Close()
		w.must("remove the old store", os.RemoveAll(before))
	})
}

// emptySimStore returns the file of a store in which nothing is: to make its tables takes longer than
// to copy it.
var emptySimStore = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "simulation")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "chertd.db")
	st, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	if err := st.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func makeSimStore(dir string) error {
	file, err := emptySimStore()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "chertd.db"), file, 0o600)
}

// copySimStore copies the files of a store to which nobody writes at the moment.
func copySimStore(from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"chertd.db", "chertd.db-wal"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// simLog notes what a run logs.
type simLog struct {
	w   *simWorld
	run *simRun
}

func (l simLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l simLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l simLog) WithGroup(string) slog.Handler                    { return l }

func (l simLog) Handle(_ context.Context, r slog.Record) error {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.run.isDead() {
		return nil
	}
	if r.Level >= slog.LevelWarn {
		l.w.trace("log: %s", r.Message)
	}
	if r.Message == "a mode for a time ended" {
		l.w.modeLogged(l.run, r)
	}
	if strings.HasPrefix(r.Message, "missed events are not caught up in time") {
		l.run.impatient = true
	}
	return nil
}

var _ store.Store = (*simStore)(nil)

// do carries out a step.
func (w *simWorld) do(s *simStep) {
	run := w.up()
	switch s.kind {
	case simMessages:
		dice := w.diceOf(fmt.Sprint("pauses ", w.step))
		for _, text := range s.texts {
			w.receive(oneOf(dice, s.chat, s.chat, oneOf(dice, simChats...)), text)
			time.Sleep(simWhile(dice, 10*time.Microsecond, 2*time.Second))
		}
	case simFault:
		w.must("fail", w.chert.Fail(s.fault))
	case simLineDown:
		w.must("fail", w.chert.Fail(s.fault))
		for _, chat := range simCrowd {
			w.receive(chat, "read")
			time.Sleep(1234567 * time.Nanosecond)
		}
	case simWell:
		w.noteJump(0)
		w.chert.ClearFaults()
		w.skew = 0
		w.chert.SetSkew(0)
	case simWeather:
		w.mu.Lock()
		w.air = s.air
		w.mu.Unlock()
	case simMischief:
		w.must("set mischief", w.chert.SetMischief(s.late))
	case simLimit:
		w.chert.SetLimit(s.rate, s.burst)
	case simSkew:
		w.noteJump(0)
		w.mu.Lock()
		w.book.skewed = true
		w.mu.Unlock()
		w.skew = s.d
		w.chert.SetSkew(s.d)
	case simJump:
		w.noteJump(s.d)
	case simEdit, simBreak:
		w.reload(run, s.kind == simBreak)
	case simTry, simShare, simEndTry:
		if run != nil {
			w.try(run, s)
		}
	case simHold, simRelease:
		if run != nil {
			w.operate(run, s)
		}
	case simSignal:
		if run != nil {
			w.signal(run, s)
		}
	case simMode:
		if run != nil {
			w.setMode(run, s)
		}
	case simReply:
		w.reply(s.chat)
	case simHoldLine, simFreeLine:
		if run != nil {
			w.operateLine(run, s)
		}
	case simPause, simResume:
		if run != nil {
			w.pause(run, s.kind == simPause)
		}
	case simRestart:
		w.stop()
		time.Sleep(s.d)
		w.start()
		w.receiveAll(s, 10*time.Millisecond)
	case simCrash:
		w.kill()
		time.Sleep(s.d)
		w.start()
		w.receiveAll(s, 10*time.Millisecond)
	case simLateVeto:
		v := &simVetoed{chat: s.chat, journaled: make(chan struct{}), done: make(chan struct{})}
		w.setLateVeto(v)
		w.receive(s.chat, "read")
		select {
		case <-v.done:
		case <-time.After(20 * time.Second):
		}
		w.setLateVeto(nil)
	case simCrashBack, simCrashOn:
		hit := make(chan struct{})
		run.store.hit = hit
		run.store.after.Store(int64(s.after))
		run.store.armed.Store(&s.kind)
		w.receive(s.chat, s.texts[0])
		select {
		case <-hit:
		case <-time.After(time.Minute):
			run.store.armed.Store(nil)
		}
		w.kill()
		time.Sleep(s.d)
		w.start()
	}
}

// receiveAll has the messages of a step come in, with short pauses.
func (w *simWorld) receiveAll(s *simStep, pause time.Duration) {
	dice := w.diceOf(fmt.Sprint("short pauses ", w.step))
	for _, text := range s.texts {
		w.receive(s.chat, text)
		time.Sleep(simWhile(dice, 10*time.Microsecond, pause))
	}
}

func (w *simWorld) setLateVeto(v *simVetoed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lateVeto = v
}

// noteJump sets the local clock, and notes that it or Chert's is set.
func (w *simWorld) noteJump(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endLineHolds()
	w.noteEnds()
	w.ahead.Add(int64(d))
	w.endLineHolds()
	w.book.jumps = append(w.book.jumps, w.now())
	w.noteEnds()
}

// receive has a message come in at Chert.
func (w *simWorld) receive(chat, text string) {
	w.mu.Lock()
	m := &simMessage{id: fmt.Sprint("m", len(w.book.messages)+1), chat: chat, words: strings.Fields(text), recorded: w.now()}
	m.sent = m.recorded.at.Add(w.skew).Truncate(time.Millisecond)
	w.book.messages = append(w.book.messages, m)
	w.book.byID[m.id] = m
	w.book.writes(chat, m.recorded, false)
	w.trace("%s: message %s %q", chat, m.id, text)
	w.mu.Unlock()
	w.chert.Receive(chertsim.Incoming{Chat: chat, Text: text, EventID: m.id})
}

// reload edits the rules, and has the daemon read them if it is up.
func (w *simWorld) reload(run *simRun, broken bool) {
	text := ""
	if broken {
		text = "this is not Lua"
	}
	w.writeWords(text)
	if run == nil {
		return
	}
	w.mu.Lock()
	if v := w.readFiles(); v != w.book.versions() {
		w.book.tried.spans = append(w.book.tried.spans, simSpan{simVersions: v, begun: w.now()})
	}
	w.mu.Unlock()
	_, err := run.m.Reload(context.Background())
	w.must("reload", err)
	w.mu.Lock()
	defer w.mu.Unlock()
	notLive := ""
	for _, p := range run.m.gens.Standings() {
		if p.Name == "words" {
			notLive = p.NotLive
		}
	}
	switch {
	case broken != (notLive != ""):
		w.fail("edit %d, with an error: %t, is not live: %q", w.edit, broken, notLive)
	case !broken:
		w.book.tried.spans[len(w.book.tried.spans)-1].done = w.now()
	}
}

func (w *simWorld) pause(run *simRun, on bool) {
	if !on {
		w.mu.Lock()
		w.paused = simMoment{}
		w.mu.Unlock()
	}
	w.must("pause", run.m.Pause(context.Background(), on))
	w.mu.Lock()
	defer w.mu.Unlock()
	if on && !w.paused.set() {
		w.paused = w.now()
	}
}

// operate holds or releases a chat as an operator.
func (w *simWorld) operate(run *simRun, s *simStep) {
	begun := w.moment()
	var held control.Held
	var released control.Released
	var err error
	if s.kind == simHold {
		held, err = run.m.Hold(context.Background(), control.HoldRequest{Chat: s.chat, For: s.d.String(), Force: true})
	} else {
		released, err = run.m.Release(context.Background(), control.ReleaseRequest{Chat: s.chat})
		var unknown *control.UserError
		if errors.As(err, &unknown) {
			return
		}
	}
	w.must(string(s.kind), err)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case s.kind == simHold:
		w.book.vetoes[s.chat] = append(w.book.vetoes[s.chat], simVeto{begun, w.now()})
		w.held(s.chat, held.Hold.Until)
	case released.Held:
		if now := w.localNow(); w.book.holds[s.chat].After(now) {
			w.book.holds[s.chat] = now
		}
	}
}

// signal sends a signal as somebody outside does, each time with the same id.
func (w *simWorld) signal(run *simRun, s *simStep) {
	w.mu.Lock()
	in := control.SignalRequest{Name: "s", Chat: s.chat, ID: fmt.Sprint("r", len(w.book.signals)), Data: json.RawMessage(strconv.Quote(s.texts[0])), Force: true}
	g := &simSignalled{chat: s.chat, text: s.texts[0], begun: w.now()}
	w.book.signals[event.SignalPrefix+in.ID] = g
	w.mu.Unlock()
	since, _ := run.m.eng.Gap()
	g.early = !since.IsZero()
	for n := range s.texts {
		sent, err := run.m.Signal(context.Background(), in)
		w.must("signal", err)
		w.mu.Lock()
		if !g.acked.set() {
			g.acked = w.now()
		}
		since, _ := run.m.eng.Gap()
		g.early = g.early || !since.IsZero()
		if sent.Duplicate != (n > 0) {
			w.fail("signal %s, sent for the %d. time: duplicate is %t", in.ID, n+1, sent.Duplicate)
		}
		w.mu.Unlock()
	}
}

// operateLine holds all chats of a line, or ends that.
func (w *simWorld) operateLine(run *simRun, s *simStep) {
	begun, where := w.moment(), []string{"line=" + s.line}
	var held control.HeldSelection
	var err error
	if s.kind == simHoldLine {
		held, err = run.m.HoldSelection(context.Background(), control.HoldRequest{Where: where, For: s.d.String(), By: "alice", Force: true})
	} else {
		_, err = run.m.ReleaseSelection(context.Background(), control.ReleaseRequest{Where: where})
		var none *control.UserError
		if errors.As(err, &none) {
			return
		}
	}
	w.must(string(s.kind), err)
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.kind == simFreeLine {
		delete(w.book.lineHolds, s.line)
		return
	}
	w.book.lineHolds[s.line] = held.Until
	for chat, line := range simLines {
		if line == s.line {
			w.book.vetoes[chat] = append(w.book.vetoes[chat], simVeto{begun, w.now()})
		}
	}
}

// endLineHolds removes the holds of lines that have ended by the local clock. It is called around each change of
// the clock: what has ended does not begin again when the clock is set back. w.mu is held.
func (w *simWorld) endLineHolds() {
	now := w.localNow()
	for line, until := range w.book.lineHolds {
		if !now.Before(until) {
			delete(w.book.lineHolds, line)
		}
	}
}

// live carries out all steps, and then lets everything end well.
func (w *simWorld) live() {
	defer w.remains.Wait()
	defer w.chert.Close()
	w.start()
	for i := range w.plan.steps {
		if w.failed() {
			break
		}
		s := &w.plan.steps[i]
		w.mu.Lock()
		w.step = i
		w.trace("step %d: %s", i, s)
		w.mu.Unlock()
		w.do(s)
		time.Sleep(s.rest)
		synctest.Wait()
		w.checkStatus()
		if run := w.up(); run != nil {
			w.checkModes(run, "a while")
		}
	}
	if !w.failed() {
		w.mu.Lock()
		w.step = len(w.plan.steps)
		w.mu.Unlock()
		w.endWell()
	}
	w.stop()
}

// endWell ends all faults, and checks what must have become of everything after a while.
func (w *simWorld) endWell() {
	w.do(&simStep{kind: simWell})
	w.do(&simStep{kind: simWeather})
	w.do(&simStep{kind: simMischief})
	w.do(&simStep{kind: simLimit})
	w.do(&simStep{kind: simResume})
	if w.plan.night {
		w.awaitModes()
		for _, target := range simSwitched {
			w.do(&simStep{kind: simMode, target: target})
		}
	}
	w.mu.Lock()
	w.book.well = w.now()
	w.trace("all faults end")
	w.mu.Unlock()
	w.settle()
	w.mu.Lock()
	w.checkReads() // before further calls hide that one is missing
	w.mu.Unlock()
	w.rush()
	// Whatever it has been through, the daemon does what a message wants.
	for _, chat := range w.plan.chats() {
		w.receive(chat, "read")
		time.Sleep(1234567 * time.Nanosecond)
	}
	w.settle()
	w.checkStatus()
	w.checkStore()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkOrder()
	w.checkSignals()
	w.checkCalls()
	w.checkReads()
	if w.plan.asks {
		w.checkConditions()
	}
	w.checkCompared(w.run.m.store)
	if w.book.stopped != nil {
		w.fail("calls have stopped")
	}
}

// settle lets time pass until nothing is left to do.
func (w *simWorld) settle() {
	for range 300 {
		time.Sleep(time.Minute + 12345*time.Nanosecond)
		synctest.Wait()
		if w.settled() {
			return
		}
	}
}

// settled reports whether nothing is left to do.
func (w *simWorld) settled() bool {
	stats, err := w.run.m.store.Stats(context.Background())
	if err != nil || stats.Pending+stats.Actions["waiting"] > 0 {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(w.book.messages, func(m *simMessage) bool { return m.entry == nil || w.book.timerLeft(m) })
}
