package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules"
	"chertd/rules/turn"
)

// A machine whose clock was years ahead, and was then corrected, runs its schedules by
// the correct time, with and without a restart.
func TestSchedulesContinueAfterClockIsSetBack(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	r := &rig{t: t, dir: t.TempDir(), now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
	r.changed.L = &r.mu
	r.write("p.lua", `
chert.every("15m", { name = "often" }, function(ev) end)
chert.every("0 * * * *", { name = "hourly" }, function(ev) end)`)
	ahead.Store(int64(4 * 365 * 24 * time.Hour))
	r.start()
	running := schedules{e: r.eng}
	if _, err := running.turn(context.Background()); err != nil {
		t.Fatal(err)
	}
	ahead.Store(0)
	for name, s := range map[string]*schedules{"as it runs": &running, "after a restart": {e: r.eng}} {
		wait, err := s.turn(context.Background())
		if err != nil || wait < 0 || wait > 15*time.Minute {
			t.Errorf("%s: the next run is in %v (%v), want one within 15m", name, wait, err)
		}
		for _, rule := range s.set.Schedules() {
			if in := time.Until(rule.Schedule.Next(s.last[scheduleOf(rule)])); in > time.Hour {
				t.Errorf("%s: %s runs in %v", name, rule.Name, in)
			}
		}
	}
}

// scheduler is a daemon of which only the schedules run, on a clock of its own. It
// can be killed around any commit.
type scheduler struct {
	store.Store
	t    *testing.T
	dir  string
	now  time.Time
	eng  *Engine
	s    *schedules
	log  bytes.Buffer
	runs []string // ids of the events that were journaled, in order
	kill func() (before, after bool)
}

var errStopped = errors.New("the process was killed")

func newScheduler(t *testing.T, now string, source string) *scheduler {
	t.Helper()
	p := &scheduler{t: t, dir: t.TempDir(), now: moment(t, now)}
	st, err := sqlite.Open(context.Background(), filepath.Join(p.dir, "chertd.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	p.Store = st
	p.start(source)
	return p
}

// start is a new process, whose first set of rules is source; "" is none.
func (p *scheduler) start(source string) {
	p.t.Helper()
	p.eng = New(Config{Store: p, Now: func() time.Time { return p.now }, Log: slog.New(slog.NewTextHandler(&p.log, nil)), Shards: 1})
	p.s = &schedules{e: p.eng}
	p.edit(source)
}

// edit makes source the rules of the process that runs.
func (p *scheduler) edit(source string) {
	p.t.Helper()
	files := map[string]string{"other.lua": `chert.on("nothing", function(ev) end)`}
	if source != "" {
		files["p/p.lua"] = source
	}
	if mode, rest, ok := strings.Cut(source, "\n"); ok && strings.HasPrefix(mode, "mode: ") {
		files["p/p.lua"], files["p/pack.yaml"] = rest, mode
	}
	dir := p.t.TempDir()
	r := rig{t: p.t, dir: dir}
	for name, text := range files {
		r.write(name, text)
	}
	set, diags := rules.Load([]string{filepath.Join(dir, "rules")}, rules.Options{}).Set()
	if diags.Errors() {
		p.t.Fatal(diags)
	}
	p.eng.Swap(set)
	p.turn()
}

// turn does what is due, as often as it takes if the process is killed.
func (p *scheduler) turn() {
	p.t.Helper()
	for range 1000 {
		_, err := p.s.turn(context.Background())
		if err == nil {
			return
		}
		if !errors.Is(err, errStopped) {
			p.t.Fatal(err)
		}
		p.s = &schedules{e: p.eng} // the next process knows what is on disk
	}
	p.t.Fatal("it was killed a thousand times")
}

func (p *scheduler) Commit(ctx context.Context, all []turn.Transition) error {
	var before, after bool
	if p.kill != nil {
		before, after = p.kill()
	}
	if before {
		return errStopped
	}
	if err := p.Store.Commit(ctx, all); err != nil {
		return err
	}
	for _, t := range all {
		for _, a := range t.Append {
			p.runs = append(p.runs, a.Event.ID)
		}
	}
	if after {
		return errStopped
	}
	return nil
}

func moment(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05 -0700", s+" +0000")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// journaled takes when the runs that were journaled were due.
func (p *scheduler) journaled() []string {
	p.t.Helper()
	var due []string
	for _, id := range p.runs {
		var unix int64
		if _, err := fmt.Sscanf(id[strings.LastIndexByte(id, '/'):], "/%d", &unix); err != nil {
			p.t.Fatalf("%s: %v", id, err)
		}
		due = append(due, time.Unix(unix, 0).UTC().Format("01-02 15:04:05"))
	}
	p.runs = nil
	return due
}

// Runs that were missed while the daemon was down are skipped or made up for by the
// rule's missed option, for durations and for cron.
func TestMissedRunsFollowTheRulesOption(t *testing.T) {
	t.Parallel()
	const cron, hours = `"0 9 * * *"`, `"1h"`
	for name, tt := range map[string]struct {
		schedule, missed string
		down, up         string // the last turn before, the first after
		want             []string
		log              string
	}{
		"cron, not said":               {cron, "", "01-05 12:00:00", "01-08 12:00:00", []string{"01-08 09:00:00"}, "a missed run of a schedule is made up for"},
		"cron, once":                   {cron, "once", "01-05 12:00:00", "01-08 12:00:00", []string{"01-08 09:00:00"}, "others=true"},
		"cron, once of one":            {cron, "once", "01-05 12:00:00", "01-06 12:00:00", []string{"01-06 09:00:00"}, "others=false"},
		"cron, skip":                   {cron, "skip", "01-05 12:00:00", "01-08 12:00:00", nil, "are skipped"},
		"cron, skip, just in time":     {cron, "skip", "01-05 12:00:00", "01-08 09:00:30", []string{"01-08 09:00:00"}, ""},
		"cron, skip, at the second":    {cron, "skip", "01-05 12:00:00", "01-08 09:00:00", []string{"01-08 09:00:00"}, ""},
		"cron, skip, a minute late":    {cron, "skip", "01-05 12:00:00", "01-08 09:01:01", nil, "are skipped"},
		"cron, all":                    {cron, "all", "01-05 12:00:00", "01-08 12:00:00", []string{"01-06 09:00:00", "01-07 09:00:00", "01-08 09:00:00"}, "runs=3"},
		"cron, nothing missed":         {cron, "all", "01-05 12:00:00", "01-06 08:59:59", nil, ""},
		"hours, not said":              {hours, "", "01-05 12:00:00", "01-05 15:30:00", []string{"01-05 15:00:00"}, "made up for"},
		"hours, skip":                  {hours, "skip", "01-05 12:00:00", "01-05 15:30:00", nil, "are skipped"},
		"hours, all":                   {hours, "all", "01-05 12:00:00", "01-05 15:30:00", []string{"01-05 13:00:00", "01-05 14:00:00", "01-05 15:00:00"}, "runs=3"},
		"seconds, once, a slow moment": {`"1s"`, "once", "01-05 12:00:00", "01-05 12:00:03", []string{"01-05 12:00:03"}, ""},
		"seconds, all, a slow moment":  {`"1s"`, "all", "01-05 12:00:00", "01-05 12:00:03", []string{"01-05 12:00:01", "01-05 12:00:02", "01-05 12:00:03"}, ""},
		"days, all":                    {`"1d"`, "all", "01-05 12:00:00", "01-07 12:00:00", []string{"01-06 00:00:00", "01-07 00:00:00"}, "runs=2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			option := ""
			if tt.missed != "" {
				option = fmt.Sprintf(", missed = %q", tt.missed)
			}
			source := fmt.Sprintf(`chert.every(%s, { name = "n"%s }, function(ev) end)`, tt.schedule, option)
			p := newScheduler(t, "2026-"+tt.down, source)
			if got := p.journaled(); got != nil {
				t.Fatalf("when it was new it ran at %q", got)
			}
			p.now = moment(t, "2026-"+tt.up)
			p.start(source)
			p.turn()
			if got := p.journaled(); !slices.Equal(got, tt.want) {
				t.Errorf("down at %s, up at %s: ran what was due at %q, want %q", tt.down, tt.up, got, tt.want)
			}
			if log := p.log.String(); tt.log == "" && strings.Contains(log, "missed") || !strings.Contains(log, tt.log) {
				t.Errorf("logged %q, want %q", log, tt.log)
			}
			// Once more, and after another restart: nothing is left.
			p.turn()
			p.start(source)
			if got := p.journaled(); got != nil {
				t.Errorf("it ran again: %q", got)
			}
		})
	}
}

// However long it was down, a schedule makes up for a thousand runs at most: the
// newest. What is left out is logged.
func TestMissedRunsAreBounded(t *testing.T) {
	t.Parallel()
	for _, schedule := range []string{`"1s"`, `"*/5 8-17 * * MON-FRI"`} {
		source := fmt.Sprintf(`chert.every(%s, { name = "n", missed = "all" }, function(ev) end)`, schedule)
		p := newScheduler(t, "2026-01-05 12:00:00", source)
		p.now = moment(t, "2026-12-15 12:00:00")
		p.start(source)
		got := p.journaled()
		if len(got) != rules.MaxMissedRuns || got[len(got)-1] != "12-15 12:00:00" || !slices.IsSorted(got) {
			t.Errorf("%s: %d runs, the last of %s", schedule, len(got), got[len(got)-1])
		}
		if log := p.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "more than 1000 runs") || !strings.Contains(log, "from=2026-12-") {
			t.Errorf("%s: logged %q", schedule, log)
		}
	}
}

// Killed at any commit, before or after it is durable, a schedule runs what is
// due once each, in order.
func TestMissedRunsSurviveBeingKilled(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 0))
		const source = `
chert.every("5m", { name = "all", missed = "all" }, function(ev) end)
chert.every("0 * * * *", { name = "hourly", missed = "all" }, function(ev) end)`
		p := newScheduler(t, "2026-01-05 12:00:00", source)
		begin := p.now
		p.kill = func() (before, after bool) { return random.IntN(3) == 0, random.IntN(3) == 0 }
		for range 10 {
			p.now = p.now.Add(time.Duration(random.IntN(2000)) * time.Minute)
			p.turn()
		}
		seen := map[string]bool{}
		var order []string
		for _, id := range p.runs {
			if !seen[id] {
				order = append(order, id)
			}
			seen[id] = true
		}
		want := int(p.now.Sub(begin)/(5*time.Minute)) + int(p.now.Sub(begin)/time.Hour)
		if len(order) != want || len(p.runs) != len(order) {
			t.Errorf("seed %d: %d runs, %d of them different, want %d", seed, len(p.runs), len(order), want)
		}
		for _, rule := range []string{"schedule:p/all/", "schedule:p/hourly/"} {
			own := slices.DeleteFunc(slices.Clone(order), func(id string) bool { return !strings.HasPrefix(id, rule) })
			if !slices.IsSorted(own) {
				t.Errorf("seed %d: %s did not run in order", seed, rule)
			}
		}
	}
}

// Runs while a pack was off or absent are not missed.
func TestRunsOfAnInactivePackAreNotMissed(t *testing.T) {
	t.Parallel()
	const rule = `chert.every("1h", { name = "n", missed = "all" }, function(ev) end)`
	for name, away := range map[string]string{"off": "mode: off\n" + rule, "removed": "", "without the rule": `chert.on("nothing", function(ev) end)`} {
		for _, restarts := range []bool{false, true} {
			p := newScheduler(t, "2026-01-05 12:00:00", rule)
			p.now = moment(t, "2026-01-05 12:30:00")
			p.edit(away)
			p.now = moment(t, "2026-01-05 17:30:00")
			if restarts {
				p.start(away)
			}
			p.edit(rule)
			p.now = moment(t, "2026-01-05 18:00:00")
			p.turn()
			if got := p.journaled(); !slices.Equal(got, []string{"01-05 18:00:00"}) {
				t.Errorf("%s from 12:30 to 17:30, restart %t: ran %q, want 18:00 alone", name, restarts, got)
			}
		}
	}
	// Off in chertd.yaml while it was down: the same.
	p := newScheduler(t, "2026-01-05 12:00:00", rule)
	p.now = moment(t, "2026-01-05 15:30:00")
	p.start("mode: off\n" + rule)
	p.edit(rule)
	if got := p.journaled(); got != nil {
		t.Errorf("off while down: ran %q", got)
	}
	// Broken, or not loaded yet, at a start: what it missed is made up for.
	p = newScheduler(t, "2026-01-05 12:00:00", rule)
	p.now = moment(t, "2026-01-05 14:30:00")
	p.start("")
	p.edit(rule)
	if got := p.journaled(); !slices.Equal(got, []string{"01-05 13:00:00", "01-05 14:00:00"}) {
		t.Errorf("not loaded at the start: ran %q", got)
	}
}
