package engine

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/rules"
)

// simSwitched are the packs and the rules whose modes operators set.
var simSwitched = []string{"words/read", "words/later", "words/sure", "night", "night/dusk"}

// simSwitch is a mode that an operator has set of a pack or a rule.
type simSwitch struct {
	begun, done simMoment // done is zero until the command has ended, and it is known that it counts
	mode, base  rules.Mode
	until       time.Time // by the local clock; zero: it has no end
	// due is since when the local clock shows the end, by the true clock; zero: it does not.
	// shown is whether it ever did, also if it was set back since.
	due   time.Time
	shown bool
	lost  bool      // the daemon was killed when it may have ended the mode, and logged nothing of it
	ended simMoment // base is in force again; zero: it is not
}

const (
	// simModeLate is how late a mode may end: the daemon notices only after a while that the
	// clock was set.
	simModeLate = 20 * time.Second
	// simSwapTime is how long rules may run as before after the log has reported the end of a mode.
	simSwapTime = 50 * time.Millisecond
)

// newSimModes returns the steps of operators who set modes, and messages that these concern: mostly a mode
// without an end, one for a time, and what happens until that is over.
func newSimModes(dice *rand.Rand) (steps []simStep) {
	for range 1 + dice.IntN(3) {
		target := oneOf(dice, "words/read", "words/later", "words/sure", "night", "night", "night/dusk")
		if dice.IntN(2) == 0 {
			steps = append(steps, newSimMode(dice, target, 0))
		}
		for range 1 + dice.IntN(2) {
			steps = append(steps, newSimMode(dice, target, simWhile(dice, 5*time.Second, 2*time.Minute)))
		}
		steps = append(steps, newSimModeMessages(dice))
		switch end := dice.IntN(8); end {
		case 0, 1:
			steps = append(steps, simStep{kind: oneOf(dice, simRestart, simCrash), d: simWhile(dice, time.Second, time.Minute), rest: simWhile(dice, time.Millisecond, 15*time.Second)})
		case 2:
			steps = append(steps, simStep{kind: simJump, d: oneOf(dice, -2*time.Hour, -20*time.Second, 20*time.Second, 5*time.Minute), rest: simWhile(dice, time.Millisecond, 40*time.Second)})
		}
		if dice.IntN(2) == 0 {
			steps = append(steps, simStep{kind: simRest, rest: simWhile(dice, 5*time.Second, time.Minute)}, newSimModeMessages(dice))
		}
	}
	return steps
}

func newSimMode(dice *rand.Rand, target string, length time.Duration) simStep {
	s := simStep{kind: simMode, target: target, mode: oneOf(dice, rules.Off, rules.Shadow, rules.Live), d: length.Truncate(time.Second), rest: simWhile(dice, time.Millisecond, 5*time.Second)}
	switch dice.IntN(8) {
	case 0:
		s.after = 1 + dice.IntN(4) // it is killed at that transaction
	case 1:
		if length == 0 {
			s.mode = ""
		}
	}
	return s
}

func newSimModeMessages(dice *rand.Rand) simStep {
	s := simStep{kind: simMessages, chat: oneOf(dice, simChats...), rest: simWhile(dice, time.Millisecond, 5*time.Second)}
	for range 1 + dice.IntN(3) {
		s.texts = append(s.texts, oneOf(dice, "dusk", "dawn", "dawn", "dusk dawn", "dark", "owl", "dusk owl", "read dawn", "later", "later", "sure"))
	}
	return s
}

// setMode sets a mode as an operator, or is killed meanwhile.
func (w *simWorld) setMode(run *simRun, s *simStep) {
	pack, rule, _ := strings.Cut(s.target, "/")
	in := control.ModeRequest{Rule: rule, Mode: string(s.mode), Reset: s.mode == "", By: "anna"}
	length := s.d
	if length > 0 {
		if s.after > 0 {
			length += time.Minute // so that it does not end before it is known whether it counts
		}
		in.For = length.String()
	}
	w.mu.Lock()
	begun, base := w.now(), w.book.untimed(s.target)
	w.book.switched[s.target] = append(w.book.switched[s.target], &simSwitch{begun: begun, mode: s.mode, base: base})
	w.mu.Unlock()
	err := w.unlessKilled(run, s.after, func() error { _, err := run.m.SetMode(context.Background(), pack, in); return err })
	if errors.Is(err, errSimKilled) {
		w.start()
	} else {
		w.must("set a mode", err)
	}
	if run = w.up(); run == nil {
		return
	}
	got := switchOf(run, s.target)
	w.mu.Lock()
	list := w.book.switched[s.target]
	now := list[len(list)-1]
	now.done = w.now()
	if length > 0 && !got.Until.Before(begun.local.Add(length).Truncate(time.Millisecond)) && !got.Until.After(now.done.local.Add(length)) {
		now.until = got.Until // else it is by an earlier command, or none
	}
	if fits := w.book.shows(s.target, got) && (length > 0) == !now.until.IsZero(); err != nil && !fits {
		w.book.switched[s.target] = list[:len(list)-1] // it was killed before the command counted
	}
	w.mu.Unlock()
	w.checkModes(run, "a command")
}

// awaitModes lets modes for a time end that do soon.
func (w *simWorld) awaitModes() {
	for range 5 {
		w.mu.Lock()
		open := slices.ContainsFunc(simSwitched, func(target string) bool { return w.book.open(target) != nil })
		w.noteEnds()
		w.mu.Unlock()
		if !open {
			return
		}
		time.Sleep(30*time.Second + 12345*time.Nanosecond)
	}
}

// switchOf returns the mode that the daemon says is set of a pack or a rule; zero: none is.
func switchOf(run *simRun, target string) live.Switch {
	pack, rule, _ := strings.Cut(target, "/")
	for _, p := range run.m.gens.Standings() {
		for _, s := range p.Switches {
			if p.Name == pack && s.Rule == rule {
				return s
			}
		}
	}
	return live.Switch{}
}

// untimed returns the mode of a pack or a rule that a command without an end has set last.
func (b *simBook) untimed(target string) rules.Mode {
	list := b.switched[target]
	if len(list) == 0 {
		return ""
	}
	if s := list[len(list)-1]; s.until.IsZero() {
		return s.mode
	}
	return list[len(list)-1].base
}

// open returns the mode for a time that holds of a pack or a rule; nil: none does.
func (b *simBook) open(target string) *simSwitch {
	for _, s := range slices.Backward(b.switched[target]) {
		if !s.done.set() {
			continue // it is not known yet whether it counts
		}
		if s.until.IsZero() || s.ended.set() {
			return nil
		}
		return s
	}
	return nil
}

// shows reports whether what the daemon says of the mode of a pack or a rule is what the commands
// say.
func (b *simBook) shows(target string, got live.Switch) bool {
	want := live.Switch{Mode: b.untimed(target)}
	if list := b.switched[target]; len(list) > 0 {
		if s := list[len(list)-1]; !s.until.IsZero() && !s.ended.set() {
			want.Mode, want.Until, want.Then = s.mode, s.until, liveIfNone(s.base)
		}
	}
	if strings.Contains(target, "/") && want.Mode == rules.Live && want.Until.IsZero() {
		want.Mode = "" // it restricts nothing
	}
	return got.Mode == want.Mode && got.Until.Equal(want.Until) && got.Then == want.Then
}

func liveIfNone(mode rules.Mode) rules.Mode {
	if mode == "" {
		return rules.Live
	}
	return mode
}

// checkModes checks which modes the daemon says are set.
func (w *simWorld) checkModes(run *simRun, when string) {
	for _, target := range simSwitched {
		got := switchOf(run, target)
		w.mu.Lock()
		w.noteEnds()
		list := w.book.switched[target]
		if s := w.book.open(target); s != nil && s.lost {
			s.lost = false
			if got.Until.IsZero() {
				s.ended = w.now() // before the kill
			}
		}
		if n := len(list); n > 0 && list[n-1].done.set() && !w.book.shows(target, got) {
			s := list[n-1]
			w.fail("after %s %s is %q until %v, then %q; by command it is %q until %v, then %q, and has ended: %t", when, target, got.Mode, got.Until, got.Then, s.mode, s.until, s.base, s.ended.set())
		}
		w.mu.Unlock()
	}
}

// noteEnds notes which modes for a time have come to their end by the local clock, and checks that
// the daemon has ended them. It is called around each change of the clock. w.mu is held.
func (w *simWorld) noteEnds() {
	b, now := &w.book, w.trueNow()
	for _, target := range simSwitched {
		s := b.open(target)
		switch {
		case s == nil:
		case w.localNow().Before(s.until):
			s.due = time.Time{} // also if the clock was set back
		case s.due.IsZero():
			s.due, s.shown = now.Add(s.until.Sub(w.localNow())), true
			if n := len(b.jumps); n > 0 && b.jumps[n-1].at.After(s.due) {
				s.due = b.jumps[n-1].at
			}
		}
		if s == nil || s.due.IsZero() || w.run == nil || s.lost {
			continue
		}
		since := s.due
		if since.Before(w.run.began.at) {
			since = w.run.began.at
		}
		if now.Sub(since) > simModeLate {
			w.fail("the mode %s of %s has not ended at %v, and it is %v", s.mode, target, s.until, w.localNow())
		}
	}
}

// modeLogged notes that the log reports the end of a mode for a time. w.mu is held.
func (w *simWorld) modeLogged(run *simRun, r slog.Record) {
	target := ""
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "pack":
			target = a.Value.String() + target
		case "rule":
			target += "/" + a.Value.String()
		}
		return true
	})
	w.trace("the mode of %s ends", target)
	w.noteEnds()
	s, now := w.book.open(target), w.now()
	switch {
	case s == nil:
		w.fail("the log reports the end of a mode of %s, and none for a time holds", target)
	case now.local.Before(s.until) && !w.book.jumped(now.at, now.at):
		w.fail("the mode %s of %s ends at %v, and not at %v", s.mode, target, now.local, s.until)
	case run.hasStarted() && !s.due.IsZero() && s.due.Before(run.began.at):
		w.fail("the mode %s of %s ends after the start, and its time was up before", s.mode, target)
	default:
		s.ended = now
	}
}

// modesKilled notes that the daemon is killed: it may have ended a mode that it has not logged yet.
// w.mu is held.
func (w *simWorld) modesKilled() {
	w.noteEnds()
	for _, target := range simSwitched {
		if s := w.book.open(target); s != nil {
			s.lost = s.lost || s.shown
		}
	}
}
