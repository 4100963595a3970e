package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// column is a figure of the table.
type column int

const (
	cpu        column = iota // processor time an event, in seconds
	p50                      // webhook to call, in seconds
	p99                      // the same
	starting                 // until ready, in seconds
	recovering               // the same after kill -9, in seconds
	statusing                // `chertd status`, in seconds
	editing                  // until an edit is live, in seconds
	memory                   // resident, at most, in bytes
	disk                     // of the store's file, in bytes an event
	columns
)

// figures are the values of each column, one a round or try.
type figures [columns][]float64

func newFigures() *figures { return &figures{} }

func (f *figures) note(c column, v float64) { f[c] = append(f[c], v) }

// add appends the values of other figures.
func (f *figures) add(other *figures) {
	for c := range f {
		f[c] = append(f[c], other[c]...)
	}
}

// pair has the figures of a base and of a case, of the same rounds.
type pair struct{ base, other *figures }

// ratio returns the median of the rounds' ratios; ok is false if there are none.
func (p *pair) ratio(c column) (v float64, ok bool) {
	var all []float64
	for i := range p.base[c] {
		if p.base[c][i] > 0 {
			all = append(all, p.other[c][i]/p.base[c][i])
		}
	}
	return median(all)
}

// measuring compares setups.
type measuring struct {
	options
	dir     string
	program string
}

const (
	tries  = 3 // of a start and of an edit
	status = 5 // tries of `chertd status`
)

// group measures the cases of a group and prints its lines of the table. A case that
// fails is left out.
func (m *measuring) group(ctx context.Context, g *group) (err error) {
	base := newFigures()
	var rows []string
	for _, c := range g.cases {
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(os.Stderr, "%s %s: %s\n", time.Now().Format(time.TimeOnly), g.name, c.size)
		p, failed := m.compare(ctx, g.base, c)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%s, %s: %w", g.name, c.size, failed))
			continue
		}
		base.add(p.base)
		rows = append(rows, row(c.size, p))
	}
	if len(rows) > 0 {
		fmt.Println(baseRow(g, base))
		fmt.Println(strings.Join(rows, "\n"))
	}
	return err
}

// compare measures a base and a case in turns.
func (m *measuring) compare(ctx context.Context, base, other setup) (*pair, error) {
	p := &pair{base: newFigures(), other: newFigures()}
	var sides [2]side
	rate := min(base.load.rate(m.rate), other.load.rate(m.rate)) // the latency depends on it
	for i, s := range []setup{base, other} {
		d, err := newDaemon(ctx, m.program, filepath.Join(m.dir, []string{"base", "case"}[i]), s)
		if err != nil {
			return nil, err
		}
		defer d.close()
		sides[i] = side{daemon: d, m: m, rate: rate, figures: []*figures{p.base, p.other}[i]}
	}
	steps := []struct {
		times int
		do    func(*side, context.Context) error
	}{
		{tries, (*side).starts},
		{1, (*side).warm},
		{m.rounds, (*side).busy},
		{m.rounds, (*side).light},
		{status, (*side).asks},
		{tries, (*side).edits},
		{1, (*side).ends},
	}
	for _, step := range steps {
		for range step.times {
			for i := range sides {
				if err := step.do(&sides[i], ctx); err != nil {
					return nil, err
				}
			}
			slices.Reverse(sides[:])
		}
	}
	return p, nil
}

// side is the base or the case during a comparison.
type side struct {
	*daemon
	m       *measuring
	rate    float64 // of the light load, events a second
	figures *figures
}

// starts starts the process again and measures how long that takes.
func (s *side) starts(ctx context.Context) error {
	if err := s.stop(); err != nil {
		return err
	}
	took, err := s.start(ctx)
	s.figures.note(starting, took.Seconds())
	return err
}

// warm has some load, and waits until the daemon has nothing more to do.
func (s *side) warm(ctx context.Context) error {
	if err := s.sender.busy(ctx, max(s.load.slice(s.m.slice)/4, 1), s.m.conns); err != nil {
		return err
	}
	for idle := 0; idle < 2 && ctx.Err() == nil; {
		s.lap()
		time.Sleep(250 * time.Millisecond)
		if idle++; s.lap() > 2*tick {
			idle = 0
		}
	}
	return context.Cause(ctx)
}

// busy measures the processor time an event.
func (s *side) busy(ctx context.Context) error {
	n := s.load.slice(s.m.slice)
	if err := s.sender.busy(ctx, n, s.m.conns); err != nil {
		return err
	}
	s.figures.note(cpu, s.lap().Seconds()/float64(n))
	return nil
}

// light measures the latency.
func (s *side) light(ctx context.Context) error {
	took, err := s.sender.light(ctx, int(math.Ceil(s.rate*s.m.secs)), s.m.conns, s.rate)
	if err != nil {
		return err
	}
	slices.Sort(took)
	s.figures.note(p50, took[len(took)/2].Seconds())
	s.figures.note(p99, took[len(took)*99/100].Seconds())
	return nil
}

// asks measures `chertd status`.
func (s *side) asks(ctx context.Context) error {
	took, err := s.status(ctx)
	s.figures.note(statusing, took.Seconds())
	return err
}

// edits measures an edit, if the setup has one.
func (s *side) edits(ctx context.Context) error {
	if s.edit == "" {
		return nil
	}
	took, err := s.live(ctx, s.edit)
	s.figures.note(editing, took.Seconds())
	return err
}

// ends looks at what the daemon has used, kills it, and checks that it has lost nothing.
func (s *side) ends(ctx context.Context) error {
	s.figures.note(memory, residentPeak(s.process.Process.Pid))
	s.kill()
	took, err := s.start(ctx)
	if err != nil {
		return err
	}
	s.figures.note(recovering, took.Seconds())
	if err := s.check(ctx); err != nil {
		return err
	}
	if err := s.stop(); err != nil {
		return err
	}
	if s.fill.chats > 0 {
		s.figures.note(disk, s.filled/float64(s.fill.chats))
		return nil
	}
	bytes, err := s.onDisk()
	s.figures.note(disk, bytes/float64(s.events()))
	return err
}

// median returns the middle of values; ok is false if there are none.
func median(values []float64) (v float64, ok bool) {
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2], true
}
