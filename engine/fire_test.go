package engine

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

var (
	fireEdits = flag.Int("fire", 16, "how many edits TestReloadUnderFire makes; from 100 on it prints its figures and holds them to the budgets")
	fireSeed  = flag.Uint64("fire.seed", 1, "seed of TestReloadUnderFire; 0: by the clock")
	fireRate  = flag.Float64("fire.rate", 150, "events a second of TestReloadUnderFire and BenchmarkEditLive")
)

// Packs are edited, broken, fixed, moved, restored, rolled back and given code
// that fails, by a seeded driver, while events come in. No event is lost or handled twice;
// none is run by two versions of a pack; the code that runs is that of the
// version which the decision names; versions follow one another as they were
// written; memory and goroutines come back to what they were.
//
//	go test ./engine -run UnderFire -v -timeout 1h -fire 2000 -fire.seed 1
func TestReloadUnderFire(t *testing.T) {
	full := *fireEdits >= 100
	seed := *fireSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	f := newFire(t, rand.New(rand.NewPCG(seed, 0)))
	quiet, chats, backlog, slack := 30, 20, 8, int64(16<<20)
	if full {
		quiet, backlog, slack = 5000, 0, 4<<20 // what the simulator keeps is full from then on
	}
	stop := f.l.load(*fireRate, chats, backlog)
	calm := f.l.book.measure(quiet, time.Minute)
	if calm == nil {
		t.Fatal("the quiet daemon does not keep up with the load")
	}
	stop()
	heap, goroutines := residue()

	stop = f.l.load(*fireRate, chats, backlog)
	f.l.book.begin()
	for f.done < *fireEdits {
		what := f.burst()
		f.spans, f.whats = append(f.spans, f.l.book.begin()), append(f.whats, what)
	}
	f.finish()
	f.spans, f.whats = append(f.spans, f.l.book.begin()), append(f.whats, "the last")
	stop()
	fired := f.all()
	f.l.book.check(t)
	heapAfter, goroutinesAfter := residue()

	median := quantile(calm.toHandled, 0.5)
	late, lateCalm := above(fired.toHandled, median+50*time.Millisecond), above(calm.toHandled, median+50*time.Millisecond)
	t.Logf("%d edits (%s), %d sets went live, %d events; handled in p50 %s p99 %s max %s ms, quiet p50 %s p99 %s max %s ms",
		f.done, f.summary(), f.live(), fired.arrived,
		ms(quantile(fired.toHandled, 0.5)), ms(quantile(fired.toHandled, 0.99)), ms(quantile(fired.toHandled, 1)),
		ms(median), ms(quantile(calm.toHandled, 0.99)), ms(quantile(calm.toHandled, 1)))
	t.Logf("more than 50 ms over the quiet median: %d of %d under fire, %d of %d in quiet; heap %.1f MB before, %.1f after; goroutines %d, %d",
		late, len(fired.toHandled), lateCalm, len(calm.toHandled), float64(heap)/(1<<20), float64(heapAfter)/(1<<20), goroutines, goroutinesAfter)
	if full {
		t.Logf("the slowest:\n%s", strings.Join(f.slowest(12), "\n"))
	}
	// One or two may be about to end. A leak would be one per edit.
	if goroutinesAfter > goroutines+5 {
		t.Errorf("%d goroutines before, %d after", goroutines, goroutinesAfter)
	}
	// An edit keeps some hundred bytes here, in the books of this test; a pack
	// with a VM that was not let go of takes 20 KB a shard.
	if grown := int64(heapAfter) - int64(heap); grown > slack+int64(f.done)*4<<10 {
		t.Errorf("the heap has grown by %d KB after %d edits", grown>>10, f.done)
	}
	// A machine that is busy with other things delays events in quiet as well.
	if share := float64(late)/float64(len(fired.toHandled)) - float64(lateCalm)/float64(len(calm.toHandled)); full && share > 0.01 {
		t.Errorf("%.1f%% more of the events than in quiet were delayed by more than 50 ms", 100*share)
	}
}

// fire makes the edits and checks their results.
type fire struct {
	t      *testing.T
	l      *loaded
	random *rand.Rand
	packs  []*edited
	done   int
	counts map[string]int
	spans  []*span  // of what arrived during each burst
	whats  []string // that burst has done

	// Guarded by the ledger's lock.
	history map[string][]int  // numbers of a pack in the order they may go live
	at      map[string]int    // by shard and pack: index in history of what ran last
	numbers map[string]int    // by version: the number its code says
	seen    map[string]int    // by pack: what ran last
	hashes  map[string]string // by pack as it is called and number: the version
	seqs    [defaultShards]int64
}

// edited is a pack as the driver has it. Every version of it has a number,
// which its code logs.
type edited struct {
	name   string
	folder bool
	last   int   // the number given out last
	good   []int // numbers that were written, loaded, and did not fail
	moved  bool  // its name has another ending at the moment
}

func newFire(t *testing.T, random *rand.Rand) *fire {
	f := &fire{t: t, random: random, counts: map[string]int{},
		history: map[string][]int{}, at: map[string]int{}, numbers: map[string]int{}, seen: map[string]int{}, hashes: map[string]string{}}
	files := map[string]string{"read.lua": honest["read.lua"]}
	for i := range 5 {
		p := &edited{name: fmt.Sprint("pack", i), folder: i%2 == 1, last: 1, good: []int{1}}
		f.packs = append(f.packs, p)
		f.history[p.name] = []int{1}
		maps.Copy(files, p.files(1, ""))
	}
	f.l = newLoaded(t, rules.Options{}, files)
	f.l.book.judge = f.judge
	return f
}

// files returns the files of a version. In a folder each file says its number, and
// does not load with those of another.
func (p *edited) files(n int, extra string) map[string]string {
	rule := fmt.Sprintf("chert.on(\"message.received\", function(ev)\n  log.info(\"n\", { n = number })\n  %s\nend)\n", extra)
	if !p.folder {
		return map[string]string{p.file(): fmt.Sprintf("local number = %d\n%s%s", n, rule, rule)}
	}
	rule = fmt.Sprintf("local number = %d\nassert(require(\"number\") == number)\n%s", n, rule)
	return map[string]string{
		p.name + "/lib/number.lua": fmt.Sprintf("return %d\n", n),
		p.name + "/10-first.lua":   rule,
		p.name + "/20-second.lua":  rule,
	}
}

func (p *edited) file() string {
	if p.folder {
		return p.name
	}
	return p.pack() + ".lua"
}

// pack returns the pack's name as it is now: one that was moved has another.
func (p *edited) pack() string {
	if p.moved {
		return p.name + "-moved"
	}
	return p.name
}

// judge checks one decision. What a moved pack says counts for the pack.
func (f *fire) judge(h *Handled) string {
	shard := store.Slot(h.Entry.ShardKey()) % defaultShards
	if h.Entry.Seq <= f.seqs[shard] {
		return fmt.Sprintf("sequence %d came after %d on its shard", h.Entry.Seq, f.seqs[shard])
	}
	f.seqs[shard] = h.Entry.Seq
	names, versions := map[string]string{}, map[string]string{}
	said := map[string]int{}
	for _, r := range h.Decision.Rules {
		name := strings.TrimSuffix(r.Pack, "-moved")
		if name == "read" {
			continue
		}
		if other, ok := names[name]; ok && (other != r.Pack || versions[name] != r.Version) {
			return fmt.Sprintf("two versions of a pack ran: %s %s and %s %s", other, versions[name], r.Pack, r.Version)
		}
		names[name], versions[name] = r.Pack, r.Version
		n, ok := loggedNumber(&r)
		if r.Skipped == rules.SkippedSuspended {
			// It failed on other shards, whose events may not be reported yet.
			if n, ok = f.numbers[r.Version]; !ok {
				said[name]++
				continue
			}
		}
		if !ok {
			return fmt.Sprintf("a rule said nothing: %+v", r)
		}
		if before, ok := f.numbers[r.Version]; ok && before != n {
			return fmt.Sprintf("version %s of %s said %d, and %d before", r.Version, r.Pack, n, before)
		}
		f.numbers[r.Version] = n
		f.seen[name] = n
		f.hashes[fmt.Sprint(r.Pack, n)] = r.Version
		said[name]++
		key := fmt.Sprint(shard, name)
		i := f.at[key]
		for i < len(f.history[name]) && f.history[name][i] != n {
			i++
		}
		if i == len(f.history[name]) {
			return fmt.Sprintf("%s ran %d on shard %d after the %d. of %v", r.Pack, n, shard, f.at[key], f.history[name])
		}
		f.at[key] = i
	}
	for _, p := range f.packs {
		if said[p.name] != 2 {
			return fmt.Sprintf("%d rules of %s ran, want its 2: %+v", said[p.name], p.name, h.Decision.Rules)
		}
	}
	return ""
}

var failedNumber = regexp.MustCompile(`number (\d+) fails`)

// loggedNumber returns the number a rule's code has logged or failed with.
func loggedNumber(r *turn.RuleDecision) (int, bool) {
	if m := failedNumber.FindStringSubmatch(r.Error); m != nil {
		n, err := strconv.Atoi(m[1])
		return n, err == nil
	}
	if r.Error != "" || len(r.Logs) != 1 {
		return 0, false
	}
	n, err := strconv.Atoi(fmt.Sprint(r.Logs[0].Fields["n"]))
	return n, err == nil
}

// burst edits some packs together and waits for the results that must follow.
func (f *fire) burst() (did string) {
	var waits []func()
	for _, i := range f.random.Perm(len(f.packs))[:2+f.random.IntN(len(f.packs)-1)] {
		p := f.packs[i]
		var what string
		var wait func()
		switch roll := f.random.IntN(100); {
		case roll < 45:
			what, wait = "edited", f.edit(p)
		case roll < 65:
			what, wait = "broken", f.ruin(p)
		case roll < 75:
			what, wait = "fixed", f.restore(p, p.good[len(p.good)-1])
		case roll < 85:
			what, wait = "restored", f.restore(p, p.good[f.random.IntN(len(p.good))])
		case roll < 90:
			what, wait = "rolled back", f.rollBack(p)
		case roll < 97:
			what, wait = "made to fail", f.fail(p)
		case !p.folder && f.random.IntN(2) == 0:
			what, wait = "moved", f.move(p)
		default:
			what, wait = "touched", f.touch(p)
		}
		f.done++
		f.counts[what]++
		did += what + " " + p.pack() + ", "
		waits = append(waits, wait)
	}
	for _, wait := range waits {
		wait()
	}
	return did
}

// edit writes the next version.
func (f *fire) edit(p *edited) (wait func()) {
	p.last++
	n := p.last
	p.good = append(p.good, n)
	f.expect(p, n)
	f.save(p.files(n, ""))
	return f.runs(p, n)
}

// ruin writes something that does not load: the last good version stays live.
func (f *fire) ruin(p *edited) (wait func()) {
	p.last++
	files := p.files(p.last, "")
	last := slices.Max(slices.Collect(maps.Keys(files)))
	files[last] += "end end -- broken\n"
	from := f.l.news.count()
	f.save(files)
	return func() {
		f.l.news.wait(f.t, "the refusal of "+p.pack(), from, func(h headline) bool {
			return !h.live && strings.Contains(h.text, "pack="+p.pack()+" ")
		})
	}
}

// restore writes an earlier version again.
func (f *fire) restore(p *edited, n int) (wait func()) {
	f.expect(p, n)
	f.save(p.files(n, ""))
	return f.runs(p, n)
}

// fail writes a version that fails at each event. It is rolled back automatically.
func (f *fire) fail(p *edited) (wait func()) {
	before := f.running(p)
	p.last++
	n := p.last
	f.expect(p, n)
	f.expect(p, before)
	from := f.l.news.count()
	f.save(p.files(n, fmt.Sprintf("error(\"number %d fails\")", n)))
	return func() {
		f.l.news.wait(f.t, "the rollback of "+p.pack(), from, func(h headline) bool {
			return strings.HasPrefix(h.text, "rolled back") && strings.Contains(h.text, "pack="+p.pack()+" ")
		})
		f.runs(p, before)()
	}
}

// rollBack asks for an earlier version. The one that ran is not good any more:
// its files, written again, are refused.
func (f *fire) rollBack(p *edited) (wait func()) {
	from := f.running(p)
	p.good = slices.DeleteFunc(p.good, func(n int) bool { return n == from })
	if len(p.good) == 0 {
		return f.edit(p)
	}
	n := p.good[len(p.good)-1]
	f.l.book.mu.Lock()
	version, ran := f.hashes[fmt.Sprint(p.pack(), n)]
	f.l.book.mu.Unlock()
	if !ran || n == from { // not under this name
		return f.edit(p)
	}
	f.expect(p, n)
	if _, err := f.l.ask.Rollback(f.l.context, p.pack(), control.RollbackRequest{Version: version}); err != nil {
		f.t.Fatalf("roll %s back from %d to %d: %v", p.pack(), from, n, err)
	}
	return f.runs(p, n)
}

// move gives the pack another name.
func (f *fire) move(p *edited) (wait func()) {
	n := f.running(p)
	from := filepath.Join(f.l.dir, p.file())
	p.moved = !p.moved
	// A version that was refused under the old name is under the new one, too,
	// which has no last good version: write its files again.
	if err := os.Remove(from); err != nil {
		f.t.Fatal(err)
	}
	f.expect(p, n)
	f.save(p.files(n, ""))
	name := p.pack()
	return func() {
		f.l.news.wait(f.t, "the move to "+name, 0, func(h headline) bool { return h.live })
		f.runs(p, n)()
	}
}

// touch writes what is there.
func (f *fire) touch(p *edited) (wait func()) {
	for name := range p.files(0, "") {
		path := filepath.Join(f.l.dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			f.t.Fatal(err)
		}
		f.save(map[string]string{name: string(text)})
	}
	return func() {}
}

// save writes files as one editor or another would: in place, or aside and
// renamed.
func (f *fire) save(files map[string]string) {
	inPlace := f.random.IntN(2) == 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !inPlace {
			f.l.write(name, files[name])
			continue
		}
		if err := os.WriteFile(filepath.Join(f.l.dir, name), []byte(files[name]), 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
}

// expect notes that a version may run from now on.
func (f *fire) expect(p *edited, n int) {
	f.l.book.mu.Lock()
	defer f.l.book.mu.Unlock()
	f.history[p.name] = append(f.history[p.name], n)
}

// running returns the number of the version that runs once the last burst has ended. What
// was seen last may be an event of another shard, observed late, that ran before it.
func (f *fire) running(p *edited) int {
	f.l.book.mu.Lock()
	defer f.l.book.mu.Unlock()
	if h := f.history[p.name]; len(h) > 0 {
		return h[len(h)-1]
	}
	return 1
}

// runs waits until a version has run.
func (f *fire) runs(p *edited, n int) (wait func()) {
	return func() {
		f.t.Helper()
		f.l.book.await(f.t, fmt.Sprintf("number %d of %s to run", n, p.pack()), 30*time.Second, func() bool { return f.seen[p.name] == n })
	}
}

// finish makes a last edit of each pack and waits until all of them run.
func (f *fire) finish() {
	var waits []func()
	for _, p := range f.packs {
		waits = append(waits, f.edit(p))
	}
	for _, wait := range waits {
		wait()
	}
}

// all returns what arrived in all spans.
func (f *fire) all() *span {
	all := &span{}
	for _, s := range f.spans {
		all.arrived += s.arrived
		all.toHandled = append(all.toHandled, s.toHandled...)
	}
	return all
}

// slowest lists during which bursts events were delayed most.
func (f *fire) slowest(n int) (lines []string) {
	order := make([]int, len(f.spans))
	for i := range order {
		order[i] = i
	}
	worst := func(i int) time.Duration { return quantile(f.spans[i].toHandled, 1) }
	slices.SortFunc(order, func(i, j int) int { return int(worst(j) - worst(i)) })
	for _, i := range order[:min(n, len(order))] {
		lines = append(lines, fmt.Sprintf("burst %d: %s ms: %s", i, ms(worst(i)), f.whats[i]))
	}
	return lines
}

func (f *fire) live() (n int) {
	for _, h := range f.l.news.since(0) {
		if h.live {
			n++
		}
	}
	return n
}

func (f *fire) summary() string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(f.counts)) {
		all = append(all, fmt.Sprintf("%d %s", f.counts[what], what))
	}
	return strings.Join(all, ", ")
}

// residue returns what is left on the heap after a collection, and how many
// goroutines there are but those of connections, and those that have made a call and wait for
// another: as many as calls were on the wire at a time, at most chert.concurrency.
func residue() (heap uint64, goroutines int) {
	runtime.GC()
	runtime.GC()
	heap, _ = weight()
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	for _, g := range strings.Split(string(buf), "\n\n") {
		if !strings.Contains(g, "net/http.") && !strings.Contains(g, "dispatch.(*Dispatcher).flyAll") {
			goroutines++
		}
	}
	return heap, goroutines
}

// How long from the last byte of an edit until it is live, with 100 packs under
// load. The watch waits until the folder has been quiet for 100 ms.
//
//	go test ./engine -run '^$' -bench EditLive -benchtime 1000x
func BenchmarkEditLive(b *testing.B) {
	const packs = 100
	source := func(i, n int) string {
		return fmt.Sprintf("chert.on(\"message.received\", { chat = \"load-%d\" }, function(ev) log.info(\"%d\") end)\n", i, n)
	}
	files := map[string]string{"read.lua": honest["read.lua"]}
	for i := range packs - 1 {
		files[fmt.Sprintf("pack%d.lua", i)] = source(i, 0)
	}
	l := newLoaded(b, rules.Options{}, files)
	stop := l.load(*fireRate, packs, 0)
	if l.book.measure(100, time.Minute) == nil {
		b.Fatal("the quiet daemon does not keep up with the load")
	}
	var took []time.Duration
	l.book.begin()
	b.ResetTimer()
	for n := range b.N {
		i := n % (packs - 1)
		name := fmt.Sprintf("pack%d", i)
		from := l.news.count()
		l.write(name+".lua", source(i, n+1))
		written := time.Now()
		h := l.news.wait(b, "the edit of "+name, from, func(h headline) bool { return strings.Contains(h.text, name+".lua") })
		took = append(took, h.at.Sub(written))
	}
	b.StopTimer()
	s := l.book.begin()
	stop()
	l.book.check(b)
	report := func(q float64, unit string, of []time.Duration) { b.ReportMetric(float64(quantile(of, q))/1e6, unit) }
	report(0.5, "p50-ms", took)
	report(0.99, "p99-ms", took)
	report(1, "max-ms", took)
	report(0.99, "event-p99-ms", s.toHandled)
	b.ReportMetric(0, "ns/op")
}
