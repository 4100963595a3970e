package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// namedFault is a fault that a test of the whole daemon must notice, whatever else does. The text
// old occurs once in its file.
type namedFault struct {
	name, file, old, instead string
}

// namedFaults are promises that a change could break without a package's own tests noticing it.
var namedFaults = []namedFault{
	// An event that is delivered twice is handled twice.
	{"dedupe-dropped", "engine/store/sqlite/journal.go",
		`seen(a.Event.ID); seq != 0 || err != nil {`, `seen(a.Event.ID); err != nil {`},
	// A kill between the answer to a call and its commit: the success is forgotten, and the call
	// is not made again.
	{"answer-lost-by-a-kill", "rules/chat/call.go",
		"	case Read:\n		call.Attempt = s.c.Retry.Attempts + 1\n	case React, Typing:\n", "	case Read, React, Typing:\n"},
	// The same kill: the success was recorded with the event, before there was an answer.
	{"answer-recorded-too-early", "rules/chat/outcomes.go",
		"			s.wait(a)\n",
		"			if s.wait(a); a.Kind == Read && !a.Due.After(s.now) {\n				a.Status, a.Ended = Done, s.now\n				s.put(a)\n			}\n"},
	// A veto that comes while a call gets its connection is not noticed.
	{"no-last-look", "engine/dispatch/flight.go",
		`return !d.awake() || d.c.Chats.Recalled(f.call)`, `return !d.awake()`},
	// Calls go out before Chert's retry_after is over.
	{"retry-after-halved", "engine/dispatch/pause.go",
		`until := now.Add(wait); until.After`, `until := now.Add(wait / 2); until.After`},
	// Calls do not wait for events that were missed.
	{"calls-in-a-gap", "engine/gap.go",
		`e.calls.HoldBack(true)`, `e.calls.HoldBack(false)`},
	// Deliveries in a gap are handled before the older events of the log.
	{"no-order-in-a-gap", "engine/earlygate.go",
		`keep = a.gap != nil`, `keep = false`},
	// The log counts as read before its events are journaled.
	{"cursor-before-its-rows", "engine/source/catchup.go",
		"		newest, err := c.apply(ctx, p.rows)\n",
		"		if err := c.cfg.SetCursor(ctx, w.until.Add(time.Minute)); err != nil {\n			return err\n		}\n		newest, err := c.apply(ctx, p.rows)\n"},
	// A hold of a rule does not hold.
	{"hold-dropped", "rules/chat/hold.go",
		`if h.Until.After(s.c.Hold.Until) {`, `if h.Until.IsZero() {`},
	// A candidate in shadow acts.
	{"shadow-acts", "rules/rollout.go",
		"p && !reaches:\n		return Shadow\n", "p && !reaches:\n		return Live\n"},
	// In the share of a candidate the live version runs, too.
	{"live-in-the-share", "rules/rollout.go",
		"p && reaches:\n		return Off\n", "p && reaches:\n		return Live\n"},
	// A rollback leaves what the candidate has pending.
	{"candidate-left-pending", "engine/live/step_candidate.go",
		"		if !keepPending {\n			t.s.rolledBack(version)", "		if keepPending {\n			t.s.rolledBack(version)"},
	// A learned rate stays when Chert accepts more.
	{"rate-never-raised", "engine/dispatch/climb.go",
		`if !l.held(now) {`, `if l.limit > 0 {`},
	// Reads with only_if go out without a question.
	{"condition-not-asked", "rules/chat/question.go",
		`s.known(a) && a.OnlyIf.why(s.c.Asked.Newest) == ""`, `(!s.known(a) || a.OnlyIf.why(s.c.Asked.Newest) == "")`},
	// The two conditions are taken for one another.
	{"conditions-swapped", "rules/chat/question.go",
		"NewestOutbound && c == IfUnanswered:\n		return WhyAnswered\n	case newest == NewestInbound && c == IfAnswered:",
		"NewestInbound && c == IfUnanswered:\n		return WhyAnswered\n	case newest == NewestOutbound && c == IfAnswered:"},
	// An answer to a question counts for too long.
	{"answer-counts-for-minutes", "rules/chat/question.go",
		`askedFor  = 5 * time.Second`, `askedFor  = 5 * time.Minute`},
	// It counts for messages that have come since.
	{"answer-outlives-a-message", "rules/chat/question.go",
		`Seq: flight.SentSeq, At: flight.HandedOut`, `Seq: flight.SentSeq + 1000, At: flight.HandedOut`},
	// Chert is asked again though its answer still counts.
	{"asked-again", "rules/chat/question.go",
		`(asked.At.Add(askedFor).After(s.now) ||`, `(asked.At.Add(askedFor / 20).After(s.now) ||`},
	// A read is dropped before it is due.
	{"condition-decided-early", "rules/chat/question.go",
		"!s.c.due(a).After(s.now) && s.c.mayCall(i) {\n			at[a.ID] = true", "s.c.mayCall(i) {\n			at[a.ID] = true"},
	// Questions count for no rate.
	{"questions-unpaced", "engine/dispatch/flight.go",
		`if failure != nil && failure.Local {`, `if call.Kind == chat.Question || failure != nil && failure.Local {`},
	// That a mode for a time has ended is not kept: it ends again after a restart.
	{"mode-end-not-kept", "engine/live/step_switch.go",
		"	before := s.PackState\n	if !t.keep(state) {\n", "	before := s.PackState\n	if s.PackState = state; t.unkept {\n"},
	// What a mode for a time has covered does not return.
	{"pack-mode-forgotten", "engine/live/switch.go",
		`p.Limit, p.Share = u.Author, u.Mode, u.Why`, `p.Limit, p.Share = u.Author, rules.Mode(""), u.Why`},
	{"rule-mode-forgotten", "engine/live/step_switch.go",
		`Rule: r.Rule, Mode: u.Mode, Author`, `Rule: r.Rule, Author`},
	// A mode for a time ends only after the start, though its time was up before.
	{"mode-ends-after-the-start", "engine/live/manager.go",
		`m.give(ctx, s, TimeUp{}, nil)`, `m.give(ctx, s, Swap{}, nil)`},
	// The clock is not read again while a mode for a time holds.
	{"set-clock-unnoticed", "engine/wait/wait.go",
		`left = min(left, LookAgain)`, `left = max(left, 0)`},
	// A rule in shadow acts.
	{"rule-in-shadow-acts", "rules/run.go",
		`if off = m.Mode == Off; !off {`, `if off = m.Mode == Off; off {`},
}

// fault returns the fault in its file as it is.
func (n *namedFault) fault() (fault, error) {
	source, err := os.ReadFile(n.file)
	if err != nil {
		return fault{}, err
	}
	if c := bytes.Count(source, []byte(n.old)); c != 1 {
		return fault{}, fmt.Errorf("fault %s: %s has %q %d times, want once: change it in .ci/mutate/named.go as the code has changed", n.name, n.file, n.old, c)
	}
	at := bytes.Index(source, []byte(n.old))
	return fault{
		file: n.file, line: 1 + bytes.Count(source[:at], []byte("\n")), words: n.name, source: source,
		start: at, end: at + len(n.old), instead: n.instead,
	}, nil
}

// runNamed tries the named faults that match words, and prints what the simulation says of each.
func (r *runner) runNamed(words string, seeds int) error {
	chosen, err := regexp.Compile(words)
	if err != nil {
		return err
	}
	var faults []fault
	for i := range namedFaults {
		f, err := namedFaults[i].fault() // of all, so that none becomes outdated
		if err != nil {
			return err
		}
		if chosen.MatchString(f.words) {
			faults = append(faults, f)
		}
	}
	for i := range faults {
		said, err := r.simulate(&faults[i], seeds)
		if err != nil {
			return err
		}
		if said == "" {
			r.unseen++
			said = "NOT SEEN"
		} else {
			r.seen++
		}
		fmt.Printf("%-26s %s\n", faults[i].words, said)
	}
	fmt.Printf("%d of %d faults seen\n", r.seen, r.seen+r.unseen)
	if r.unseen > 0 {
		return errors.New("the simulation does not notice these faults")
	}
	return nil
}

// wrong is how the simulation begins to say what is wrong.
var wrong = regexp.MustCompile(`seed \d+, step \d+ of \d+: (.*)`)

// simulate runs the simulation with a fault in the code until a seed fails, and returns what is
// wrong with it; "": nothing.
func (r *runner) simulate(f *fault, seeds int) (string, error) {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := f.overlay(dir)
	if err != nil {
		return "", err
	}
	test := filepath.Join(dir, "engine.test")
	if out, err := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", test, "./engine").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build fault %s: %w\n%s", f.words, err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	// With -test.v a failure is printed when it happens.
	cmd := exec.CommandContext(ctx, test, "-test.run=TestSimulation$", "-test.v", "-simulation.shrink=false", fmt.Sprint("-simulation.seeds=", seeds))
	cmd.Dir, cmd.Env = "engine", append(os.Environ(), "TMPDIR="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", err
	}
	said := ""
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for said == "" && lines.Scan() {
		said = wrong.FindString(lines.Text())
	}
	if said == "" {
		err = cmd.Wait()
	} else {
		cancel()
		_ = cmd.Wait() // it was killed
	}
	if err != nil {
		return "", fmt.Errorf("run the simulation on fault %s, for at most %v (-timeout): %w", f.words, r.timeout, err)
	}
	return said, nil
}
