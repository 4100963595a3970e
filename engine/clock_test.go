package engine

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/store/sqlite"
)

var localTime = time.Unix(1_800_000_000, 0)

func clockAt(local time.Time) *chertClock { return newClock(func() time.Time { return local }) }

// Answers that arrive together correct the clock once, not once each.
func TestClockLearnsOnceFromManyAnswers(t *testing.T) {
	t.Parallel()
	for range 2000 {
		c := clockAt(localTime)
		start := make(chan struct{})
		var learnt sync.WaitGroup
		for range 8 {
			learnt.Go(func() {
				<-start
				c.Learn(localTime.Add(10*time.Minute), false)
			})
		}
		close(start)
		learnt.Wait()
		if got := c.Offset(); got != 10*time.Minute {
			t.Fatalf("offset is %v, want 10m", got)
		}
	}
}

// TestSingleAnswerDoesNotCorrectTheClock: whatever a minority of answers says, the
// clock stays as most have it; a refusal for clock skew corrects it immediately,
// and answers that agree correct a wrong correction.
func TestSingleAnswerDoesNotCorrectTheClock(t *testing.T) {
	t.Parallel()
	answer := func(off time.Duration) func(*chertClock) bool {
		return func(c *chertClock) bool { return c.Learn(localTime.Add(off), false) }
	}
	skew := func(off time.Duration) func(*chertClock) bool {
		return func(c *chertClock) bool { return c.Learn(localTime.Add(off), true) }
	}
	none := func(c *chertClock) bool { return c.Learn(time.Time{}, true) }
	const hour = time.Hour
	for name, test := range map[string]struct {
		said      []func(*chertClock) bool
		want      time.Duration
		corrected int
	}{
		"one wrong answer":                  {[]func(*chertClock) bool{answer(-hour), answer(0)}, 0, 0},
		"two of them":                       {[]func(*chertClock) bool{answer(-hour), answer(-hour), answer(0), answer(-hour), answer(-hour)}, 0, 0},
		"wrong ones that do not agree":      {[]func(*chertClock) bool{answer(hour), answer(-hour), answer(hour), answer(-hour), answer(2 * hour)}, 0, 0},
		"a wrong one between two right":     {[]func(*chertClock) bool{answer(hour), answer(hour), answer(-hour), answer(hour)}, 0, 0},
		"three that agree":                  {[]func(*chertClock) bool{answer(hour), answer(hour + 2*time.Second), answer(hour - 2*time.Second)}, hour - 2*time.Second, 1},
		"three that drift apart":            {[]func(*chertClock) bool{answer(hour), answer(hour + 2*time.Second), answer(hour + 4*time.Second)}, 0, 0},
		"within the slack":                  {[]func(*chertClock) bool{answer(clockSlack), answer(clockSlack), answer(clockSlack), answer(-clockSlack)}, 0, 0},
		"just beyond it":                    {[]func(*chertClock) bool{answer(clockSlack + 1), answer(clockSlack + 1), answer(clockSlack + 1)}, clockSlack + 1, 1},
		"a refusal for clock skew":          {[]func(*chertClock) bool{skew(10 * time.Minute)}, 10 * time.Minute, 1},
		"one by less than the slack":        {[]func(*chertClock) bool{skew(clockSlack)}, 0, 0},
		"a refusal, and answers after it":   {[]func(*chertClock) bool{skew(hour), answer(0), answer(0), answer(0)}, 0, 2},
		"a refusal, and one answer after":   {[]func(*chertClock) bool{skew(hour), answer(0), answer(hour), answer(0), answer(0)}, hour, 1},
		"what was said before a refusal":    {[]func(*chertClock) bool{answer(0), skew(hour), answer(0), answer(0)}, hour, 1},
		"a day off, by answers":             {[]func(*chertClock) bool{answer(maxOffset), answer(maxOffset), answer(maxOffset)}, maxOffset, 1},
		"more than a day off":               {[]func(*chertClock) bool{answer(maxOffset + 1), answer(maxOffset + 1), answer(maxOffset + 1)}, 0, 0},
		"more than a day off, by a refusal": {[]func(*chertClock) bool{skew(-1000 * hour)}, -1000 * hour, 1},
		"no Date":                           {[]func(*chertClock) bool{none, none, none}, 0, 0},
		"a Date of 1970":                    {[]func(*chertClock) bool{skew(-localTime.Sub(time.Unix(0, 0)))}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, corrected := clockAt(localTime), 0
			for _, say := range test.said {
				if say(c) {
					corrected++
				}
			}
			if c.Offset() != test.want || corrected != test.corrected || !c.Now().Equal(localTime.Add(test.want)) {
				t.Errorf("offset %v after %d corrections, want %v after %d", c.Offset(), corrected, test.want, test.corrected)
			}
		})
	}
}

// TestClockRestored: what an earlier run has learned counts, until the answers
// say that the local clock was set right.
func TestClockRestored(t *testing.T) {
	t.Parallel()
	c := clockAt(localTime)
	c.Restore(time.Hour)
	if c.Learn(localTime.Add(time.Hour), false) || !c.Now().Equal(localTime.Add(time.Hour)) {
		t.Errorf("the clock was not restored: %v", c.Offset())
	}
	for range clockAgree {
		c.Learn(localTime, false)
	}
	if c.Offset() != 0 {
		t.Errorf("the offset stays %v though the local clock is right", c.Offset())
	}
}

// TestClockOffsetOutlivesARestart: what was learned is kept in the store, each
// time it changes and not otherwise.
func TestClockOffsetOutlivesARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chertd.db")
	var log bytes.Buffer
	kept := func(learn func(*chertClock, func(time.Time, bool) bool)) time.Duration {
		t.Helper()
		st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		c := clockAt(localTime)
		before, err := st.ClockOffset(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Restore(before)
		learn(c, keepOffset(c, st, slog.New(slog.NewTextHandler(&log, nil))))
		after, err := st.ClockOffset(t.Context())
		if err != nil || after != c.Offset() {
			t.Errorf("kept %v, %v; learned %v", after, err, c.Offset())
		}
		return before
	}
	kept(func(c *chertClock, learn func(time.Time, bool) bool) {
		if learn(localTime.Add(time.Hour), false) || !learn(localTime.Add(time.Hour), true) {
			t.Error("one answer is believed, or a refusal for clock skew is not")
		}
	})
	before := kept(func(c *chertClock, learn func(time.Time, bool) bool) {
		for range clockAgree {
			learn(localTime.Add(time.Minute), false)
		}
	})
	if before != time.Hour {
		t.Errorf("after a restart the offset is %v, want 1h", before)
	}
	if got := strings.Count(log.String(), "local clock differs"); got != 2 || !strings.Contains(log.String(), "offset=1h0m0s") {
		t.Errorf("logged %d times:\n%s", got, log.String())
	}
}
