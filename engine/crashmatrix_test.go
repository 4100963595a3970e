package engine

import (
	"cmp"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

var (
	crashSeeds = flag.Int("crash.seeds", 0, "with how many seeds TestCrashMatrix kills the daemon at each point; 0: at a few points, with one")
	crashSeed  = flag.Uint64("crash.seed", 0, "the first seed of TestCrashMatrix; 0: the clock's")
	crashOnly  = flag.String("crash.points", "", "a regular expression: the points of TestCrashMatrix")
)

const (
	// matrixMessages is how many messages people write in the life that is killed at a point,
	// and fewMessages in those beside it.
	matrixMessages, fewMessages = 140, 40
	// matrixFew is at how many points the daemon is killed without the flag.
	matrixFew = 4
	// matrixParallel is how many cases run at a time.
	matrixParallel = 4
)

// everything is all that a load can do besides and that takes little time.
const everything = "skew quarantine pause ignore spare prune aside"

// The daemon is killed at named points: before and after each write, commit, sync, copy of
// the WAL, migration, request and answer, and step of an edit; sometimes again while it
// recovers. After each kill everything that was acknowledged is there, effects have their
// events, and counters are exact. In the end each message is handled once, in the order of
// its chat, timers have fired once, what was to be read or sent is, and a call was made again
// only if it was in flight at a kill. No point is dead: a load comes to each.
//
//	go test ./engine -run TestCrashMatrix -v -crash.seeds 20 -timeout 3h
func TestCrashMatrix(t *testing.T) {
	first := cmp.Or(*crashSeed, uint64(time.Now().UnixNano()))
	fresh, later := profile(t, first)
	for _, p := range crashPoints {
		if fresh[p.name]+later[p.name] == 0 {
			t.Errorf("the daemon never comes to the point %s", p.name)
		}
	}
	if t.Failed() {
		return
	}
	only, err := regexp.Compile(*crashOnly)
	if err != nil {
		t.Fatal(err)
	}
	chosen := slices.DeleteFunc(slices.Clone(crashPoints), func(p crashPoint) bool { return !only.MatchString(p.name) })
	seeds := *crashSeeds
	if seeds == 0 {
		seeds = 1
		random := rand.New(rand.NewPCG(first, 0))
		random.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		chosen = chosen[:min(len(chosen), matrixFew)]
	}
	table := &crashTable{rows: map[string]*crashRow{}}
	slots := make(chan struct{}, matrixParallel)
	t.Run("at", func(t *testing.T) {
		for seed := range seeds {
			for _, p := range chosen {
				t.Run(fmt.Sprintf("%s/%d", p.name, first+uint64(seed)), func(t *testing.T) {
					t.Parallel()
					slots <- struct{}{}
					defer func() { <-slots }()
					crashAtPoint(t, p, first+uint64(seed), fresh, later, table)
				})
			}
		}
	})
	table.print(t)
	for _, p := range chosen {
		if r := table.rows[p.name]; *crashSeeds >= 5 && (r == nil || r.reached == 0) {
			t.Errorf("no process was killed at %s", p.name)
		}
	}
}

// profile runs daemons, kills one, and lets others end, and returns how often the first and
// the others came to each point. On a busy machine one may miss a point.
func profile(t *testing.T, seed uint64) (fresh, later map[string]int) {
	t.Helper()
	c := newMatrixCase(t, seed)
	var f found
	r := c.run(crashLife{messages: matrixMessages, need: everything})
	if fresh = r.hits; fresh == nil {
		t.Fatal("the first process did not tell to which points it came")
	}
	c.afterKill(&f, "after the first life")
	bulk := c.run(crashLife{need: "bulk"})
	for _, p := range crashPoints {
		if p.need == "bulk" {
			fresh[p.name] = bulk.hits[p.name]
		}
	}
	c.afterKill(&f, "after many messages")
	c.writeWhileNoneRuns(2 * matrixSenders)
	later = map[string]int{}
	missed := func(p crashPoint) bool { return fresh[p.name]+later[p.name] == 0 }
	for range 3 {
		r := c.run(crashLife{messages: fewMessages, need: "ratelimit " + everything, settle: true, end: true})
		for name, n := range r.hits {
			later[name] = max(later[name], n)
		}
		if r.hits == nil || !slices.ContainsFunc(crashPoints, missed) {
			break
		}
	}
	c.atTheEnd(&f)
	f.report(c, "without a point")
	return fresh, later
}

// crashAtPoint kills a daemon at a point, and checks what is left.
func crashAtPoint(t *testing.T, p crashPoint, seed uint64, fresh, later map[string]int, table *crashTable) {
	h := fnv.New64a()
	h.Write([]byte(p.name))
	c := newMatrixCase(t, seed^h.Sum64())
	c.tryOnly = !strings.HasPrefix(p.name, "store.ForgetPack") && !strings.HasPrefix(p.name, "store.SetRulesDeleted")
	var f found
	reached := false
	t.Logf("go test ./engine -run TestCrashMatrix -crash.seeds 1 -crash.seed %d -crash.points '^%s$'", seed, regexp.QuoteMeta(p.name))

	hits := fresh
	if fresh[p.name] == 0 || later[p.name] > 0 && c.random.IntN(2) == 0 {
		hits = later
		c.run(crashLife{messages: fewMessages, after: time.Duration(150+c.random.IntN(250)) * time.Millisecond})
		c.afterKill(&f, "after the first life")
		c.whileNoneRuns()
	}
	nth := c.hit(p.name, hits)
	r := c.run(crashLife{at: p.name, nth: nth, messages: matrixMessages, need: p.need, settle: true})
	reached = r.reached
	c.afterKill(&f, "at "+p.name)
	c.whileNoneRuns()
	if c.random.IntN(3) == 0 {
		second := crashPoints[c.random.IntN(len(crashPoints))]
		nth := 1 + (c.hit(second.name, later)-1)/4
		t.Logf("and again at %s, the %d. time", second.name, nth)
		c.run(crashLife{at: second.name, nth: nth, messages: fewMessages, need: second.need})
		c.afterKill(&f, "at "+second.name)
	}
	c.editor.complete()
	if r := c.run(crashLife{messages: fewMessages, settle: true, end: true}); r.hits == nil {
		t.Error("the last process had to be killed")
	}
	c.atTheEnd(&f)
	f.report(c, fmt.Sprintf("killed at %s, the %d. time", p.name, nth))
	table.add(p.name, reached, c.kills, &f)
}

// hit chooses at which hit of a point to kill, by the hits in another life. This one may be
// faster and have fewer, so that the first ones are chosen more often.
func (c *matrixCase) hit(point string, hits map[string]int) int {
	most := float64(hits[point]) * 0.8
	if strings.HasPrefix(point, "log.") {
		most = 2 // the log is read once a second, and lives differ in length
	}
	share := c.random.Float64()
	return 1 + int(most*share*share)
}

// whileNoneRuns writes messages that only Chert's log has, and sometimes cuts a rule file.
func (c *matrixCase) whileNoneRuns() {
	c.writeWhileNoneRuns(c.random.IntN(3 * matrixSenders))
	c.editor.complete()
	if c.everLive && c.random.IntN(2) == 0 {
		c.editor.cut()
	}
}

// writeWhileNoneRuns writes messages, whose deliveries fail, to the chats of all senders and
// to others: newer ones must not be handled before them.
func (c *matrixCase) writeWhileNoneRuns(messages int) {
	for i := range messages {
		<-c.load.next(i % matrixSenders)
	}
}

// crashTable is what the matrix has found, by point.
type crashTable struct {
	mu   sync.Mutex
	rows map[string]*crashRow
}

type crashRow struct {
	cases, reached, kills, events, lost, doubled, again, inFlight, wrong int
}

func (t *crashTable) add(point string, reached bool, kills int, f *found) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[point]
	if r == nil {
		r = &crashRow{}
		t.rows[point] = r
	}
	if reached {
		r.reached++
	}
	r.sum(&crashRow{cases: 1, kills: kills, events: f.events, lost: f.lost, doubled: f.doubled, again: f.again, inFlight: f.inFlight, wrong: len(f.wrong)})
}

func (r *crashRow) sum(o *crashRow) {
	r.cases += o.cases
	r.kills += o.kills
	r.events += o.events
	r.lost += o.lost
	r.doubled += o.doubled
	r.again += o.again
	r.inFlight += o.inFlight
	r.wrong += o.wrong
}

func (t *crashTable) print(to *testing.T) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "point\tcases\treached\tkills\tevents\tlost\tdoubled\tcalls again\tin flight\twrong\t")
	line := func(name string, r *crashRow) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, r.cases, r.reached, r.kills, r.events, r.lost, r.doubled, r.again, r.inFlight, r.wrong)
	}
	var all crashRow
	for _, p := range crashPoints {
		if r := t.rows[p.name]; r != nil {
			line(p.name, r)
			all.reached += r.reached
			all.sum(r)
		}
	}
	line("all", &all)
	w.Flush()
	to.Logf("%d points\n%s", len(t.rows), b.String())
}
