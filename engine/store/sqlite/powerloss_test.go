//go:build !386 && !arm

package sqlite_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"chertd/engine/store/sqlite"
	"chertd/rules/turn"
)

var powerlosses = flag.Int("powerlosses", 6, "at how many moments TestPowerLossLosesNothingAcknowledged takes the power away")

// outage is a run of a store, up to a loss of power, and what follows.
type outage struct {
	base  map[string][]byte // the files before
	round int
	// What was acknowledged in earlier rounds.
	appended  map[string]string // the place of each event
	committed map[string]bool
	// What is wrong with the store, as a mutant.
	noSync, deaf, off bool
}

// run has events appended and committed from several goroutines, with a restart in between,
// and returns the trace.
func (o *outage) run(ctx context.Context, dir string) (_ *sqlite.Trace, err error) {
	path := filepath.Join(dir, "chertd.db")
	if err := writeFiles(path, o.base); err != nil {
		return nil, err
	}
	trace := sqlite.NewTrace(path, o.base)
	defer trace.Stop()
	trace.Deaf = o.deaf
	for start := range 2 {
		sync := trace.Sync
		if o.noSync {
			sync = func(*os.File) error { return nil }
		}
		s, err := sqlite.Open(ctx, path, sqlite.Small(sync))
		if err != nil {
			return nil, err
		}
		trace.SyncFolder() // by Open
		if o.off {
			if err := sqlite.SetOff(s); err != nil {
				return nil, err
			}
		}
		if err := o.load(ctx, s, trace, start); err != nil {
			return nil, err
		}
		if err := s.Close(); err != nil {
			return nil, err
		}
	}
	return trace, nil
}

// load marks what is acknowledged: "append ID SEQ" and "commit SEQ".
func (o *outage) load(ctx context.Context, s *sqlite.Store, trace *sqlite.Trace, start int) error {
	var all sync.WaitGroup
	errs := make(chan error, 3)
	for side := range cap(errs) {
		all.Go(func() {
			for i := range 12 {
				a := message(1, 1)
				a.Event.ID = fmt.Sprintf("%d.%d.%d.%d", o.round, start, side, i)
				receipts, err := s.Append(ctx, []turn.Arrival{a})
				if err != nil {
					errs <- err
					return
				}
				seq := receipts[0].Seq
				trace.Mark(fmt.Sprint("append ", a.Event.ID, " ", seq))
				if i%3 == 0 {
					continue // stays pending
				}
				if err := s.Commit(ctx, []turn.Transition{footprint(seq)}); err != nil {
					errs <- err
					return
				}
				trace.Mark(fmt.Sprint("commit ", seq))
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}

// after returns what is wrong with the files that a loss of power at a moment leaves, and
// the round that would follow.
func (o *outage) after(ctx context.Context, trace *sqlite.Trace, moment int, files map[string][]byte, dir string) (wrong []string, next outage) {
	next = outage{base: files, round: o.round + 1, appended: map[string]string{}, committed: map[string]bool{}}
	for id, seq := range o.appended {
		next.appended[id] = seq
	}
	for seq := range o.committed {
		next.committed[seq] = true
	}
	for _, mark := range trace.Marks(moment) {
		switch words := strings.Fields(mark); words[0] {
		case "append":
			next.appended[words[1]] = words[2]
		case "commit":
			next.committed[words[1]] = true
		}
	}
	report := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	path := filepath.Join(dir, "chertd.db")
	if err := writeFiles(path, files); err != nil {
		report("%v", err)
	}
	var ids []string
	for id := range next.appended {
		ids = append(ids, id)
	}
	if err := inspect(ctx, path, ids, next.committed, report); err != nil {
		report("%v", err)
		return wrong, next
	}
	checked, err := sqlite.Check(ctx, path, sqlite.CheckOptions{})
	if err != nil {
		report("%v", err)
	}
	for _, f := range checked.Findings {
		report("%s: %s", f.Where, f.What)
	}
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		report("%v", err)
		return wrong, next
	}
	defer s.Close()
	for id, seq := range next.appended {
		if r, _, err := s.Event(ctx, id); err != nil || fmt.Sprint(r.Seq) != seq {
			report("event %s was acknowledged as the %sth, and is the %dth: %v", id, seq, r.Seq, err)
		}
	}
	return wrong, next
}

func writeFiles(path string, files map[string][]byte) error {
	for suffix, content := range files {
		if err := os.WriteFile(path+suffix, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// TestPowerLossLosesNothingAcknowledged: whatever of the writes that were not synced a loss of
// power leaves, torn and in any order, the store opens, and has all that was acknowledged, at
// its place, and each commit whole or not at all; and it continues from there.
func TestPowerLossLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	const each = 6 // moments of a run
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	var o outage
	acknowledged, ops := 0, 0
	for done := 0; done < *powerlosses; {
		trace, err := o.run(t.Context(), t.TempDir())
		if err != nil {
			t.Fatalf("round %d: %v", o.round, err)
		}
		ops += trace.Len()
		var next outage
		for range each {
			moment := random.IntN(trace.Len() + 1)
			var wrong []string
			files := trace.Crash(moment, random)
			wrong, next = o.after(t.Context(), trace, moment, files, t.TempDir())
			if len(wrong) > 0 {
				kept, err := os.MkdirTemp("", "powerloss") // another run takes another course
				if err == nil {
					err = writeFiles(filepath.Join(kept, "chertd.db"), files)
				}
				t.Fatalf("round %d, power lost at op %d of %d, files in %s (%v):\n%s", o.round, moment, trace.Len(), kept, err, strings.Join(wrong, "\n"))
			}
			acknowledged += len(next.appended) + len(next.committed)
			done++
		}
		o = next
		if o.round%4 == 0 { // a store that grows without end takes longer without showing more
			o = outage{round: o.round}
		}
	}
	t.Logf("%d losses of power, %d ops, %d acknowledgements checked", *powerlosses, ops, acknowledged)
}

// TestPowerLossShowsAMissingSync: the test above finds what it is made to find.
func TestPowerLossShowsAMissingSync(t *testing.T) {
	if raceEnabled {
		t.Skip("it looks for losses, not for races, and takes minutes")
	}
	t.Parallel()
	for name, mutant := range map[string]outage{
		"the WAL is not synced before an answer": {noSync: true},
		"synchronous=OFF":                        {off: true},
		"no sync of SQLite's reaches the disk":   {deaf: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, 2))
			for n := 0; n < 10; n++ {
				trace, err := mutant.run(t.Context(), t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				for range 10 {
					moment := random.IntN(trace.Len() + 1)
					if wrong, _ := mutant.after(t.Context(), trace, moment, trace.Crash(moment, random), t.TempDir()); len(wrong) > 0 {
						t.Logf("caught: %s", wrong[0])
						return
					}
				}
			}
			t.Error("it was not caught")
		})
	}
}
