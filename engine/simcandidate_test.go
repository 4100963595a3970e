package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// Steps with which operators try an edit of the rules.
const (
	simTry    simKind = "try"    // it runs as the candidate, in shadow
	simShare  simKind = "share"  // the candidate is live in a share of the chats, or in all
	simEndTry simKind = "endtry" // a rollback ends the candidate
)

// simVersions is which edits of simWords run. It is valid from the moment at which the command
// begins that makes it, until the one that follows has ended.
type simVersions struct {
	live      int
	candidate int         // 0: there is none
	share     rules.Share // in which the candidate is live; 0: in none
}

func (v simVersions) String() string {
	return fmt.Sprintf("edit %d, candidate %d in %d", v.live, v.candidate, v.share)
}

// simSpan is the time in which versions run.
type simSpan struct {
	simVersions
	begun, done simMoment // of the command, or of the start
}

// simCancelled is pending work of an edit that a command cancels.
type simCancelled struct {
	edit        int
	outside     rules.Share // its chats keep theirs; 0: none does
	begun, done simMoment   // done is zero if the daemon was killed before it answered
}

// simPair is a candidate and the live version with which it is compared.
type simPair struct{ candidate, live string }

// simTried has what is known of candidates.
type simTried struct {
	spans     []simSpan
	cancelled []simCancelled
	// in and out are, by candidate's chat, the smallest share in which the candidate alone ran
	// there, and the largest in which it did not. A chat is in or out of every share of a pack,
	// whichever version is its candidate.
	in, out  map[string]rules.Share
	at       map[string]int // by chat, the last of spans by which an entry was decided
	compared map[simPair]map[bool]int64
	muted    bool // rules were off or in shadow by command: what is compared then is not in the logs
	read     int  // the edit in the files that the daemon has read last
}

func newSimTried() simTried {
	return simTried{in: map[string]rules.Share{}, out: map[string]rules.Share{}, at: map[string]int{}, compared: map[simPair]map[bool]int64{}}
}

// newSimTries returns the steps of operators who try edits: each try has shares, and mostly an end.
func newSimTries(dice *rand.Rand) (steps []simStep) {
	for range 1 + dice.IntN(2) {
		steps = append(steps, simStep{kind: simTry})
		for range dice.IntN(4) {
			steps = append(steps, simStep{kind: simShare, share: oneOf(dice, "10%", "50%", "50%", "90%")})
		}
		if dice.IntN(4) > 0 {
			steps = append(steps, oneOf(dice, simStep{kind: simEndTry}, simStep{kind: simShare, share: "100%"}))
		}
	}
	for i := range steps {
		if dice.IntN(4) == 0 {
			steps[i].after = 1 + dice.IntN(4) // it is killed at that transaction
		}
		steps[i].rest = simWhile(dice, time.Millisecond, 15*time.Second)
	}
	return steps
}

// versions returns what runs. w.mu is held.
func (b *simBook) versions() simVersions { return b.tried.spans[len(b.tried.spans)-1].simVersions }

// runs notes that other versions run from a moment on. w.mu is held.
func (w *simWorld) runs(v simVersions, begun simMoment) {
	w.book.tried.spans = append(w.book.tried.spans, simSpan{v, begun, w.now()})
	w.trace("now runs %s", v)
}

// readFiles returns which versions run once the daemon has read the files. w.mu is held.
func (w *simWorld) readFiles() (v simVersions) {
	b := &w.book
	if len(b.tried.spans) > 0 {
		v = b.versions()
	}
	if b.tried.read != w.fileEdit && !w.broken {
		v.live = w.fileEdit
	}
	b.tried.read = w.fileEdit
	return v
}

var simEditForm = regexp.MustCompile(`local V = (\d+)`)

// editOf returns the number of the edit that a version is; 0: there is none.
func editOf(p *rules.Pack) int {
	if p == nil {
		return 0
	}
	for _, f := range p.Files {
		if m := simEditForm.FindSubmatch(f.Bytes); m != nil {
			n, _ := strconv.Atoi(string(m[1]))
			return n
		}
	}
	return -1
}

// checkVersions checks which versions run, and that the comparisons are counted.
func (w *simWorld) checkVersions(run *simRun, when string) {
	set := run.m.eng.Rules()
	got := simVersions{editOf(set.Pack("words")), editOf(set.Candidate("words")), set.Rollout("words").Share}
	w.mu.Lock()
	defer w.mu.Unlock()
	if want := w.book.versions(); got != want {
		w.fail("after %s runs %s, and not %s", when, got, want)
	}
}

// checkCompared compares the counts of the store with a recount of all decisions that are durable.
// w.mu is held.
func (w *simWorld) checkCompared(st store.Store) {
	for pair, want := range w.book.tried.compared {
		if w.book.tried.muted {
			continue
		}
		found, err := st.Comparison(context.Background(), "words", pair.candidate, pair.live, 0)
		got := map[bool]int64{}
		for result, n := range found.Results {
			got[result == turn.Agrees] += n
		}
		if err != nil || got[true] != want[true] || got[false] != want[false] {
			w.fail("comparison: %v, %d events agree and %d differ; by the decisions %d and %d (%v)", pair, got[true], got[false], want[true], want[false], err)
		}
	}
}

// try carries out a command about the candidate, or is killed meanwhile.
func (w *simWorld) try(run *simRun, s *simStep) {
	w.mu.Lock()
	from := w.book.versions()
	w.mu.Unlock()
	to, ctx := from, context.Background()
	var do func() error
	switch {
	case s.kind == simTry:
		w.edit++
		to.candidate, to.share = w.edit, 0
		text := simWordsOf(w.edit, "")
		do = func() error {
			_, err := run.m.Shadow(ctx, "words", control.CandidateRequest{Path: "words.lua", Files: []control.SentFile{{Name: "words.lua", Content: []byte(text)}}})
			return err
		}
	case from.candidate == 0:
		return
	case s.kind == simEndTry:
		to.candidate, to.share = 0, 0
		do = func() error { _, err := run.m.Rollback(ctx, "words", control.RollbackRequest{}); return err }
	case s.share == "100%":
		to = simVersions{live: from.candidate}
		do = func() error {
			_, err := run.m.SetMode(ctx, "words", control.ModeRequest{Mode: "live"})
			return err
		}
	default:
		to.share, _ = rules.ParseShare(s.share)
		do = func() error {
			_, err := run.m.SetMode(ctx, "words", control.ModeRequest{Mode: "live", Share: s.share})
			return err
		}
	}
	cancelled := -1
	w.mu.Lock()
	begun := w.now()
	w.book.tried.spans = append(w.book.tried.spans, simSpan{simVersions: to, begun: begun})
	if from.share != 0 && to.live != from.candidate && (to.candidate != from.candidate || to.share < from.share) {
		c := simCancelled{edit: from.candidate, begun: begun}
		if to.candidate == from.candidate {
			c.outside = to.share
		}
		cancelled = len(w.book.tried.cancelled)
		w.book.tried.cancelled = append(w.book.tried.cancelled, c)
	}
	w.mu.Unlock()

	err := w.unlessKilled(run, s.after, do)
	w.mu.Lock()
	if errors.Is(err, errSimKilled) {
		w.trace("killed before the answer")
		w.mu.Unlock()
		w.start()
		w.settleVersions(from, to)
		return
	}
	w.book.tried.spans[len(w.book.tried.spans)-1].done = w.now()
	if cancelled >= 0 {
		w.book.tried.cancelled[cancelled].done = w.now()
	}
	w.mu.Unlock()
	w.must(string(s.kind), err)
	w.checkVersions(run, string(s.kind))
	if cancelled >= 0 {
		w.checkCancelled(run, w.book.tried.cancelled[cancelled])
	}
	if s.kind == simShare {
		dice := w.diceOf(fmt.Sprint("tried ", w.step))
		for _, id := range simChats { // each shows whether it is in the share
			w.receive(id, oneOf(dice, "read", "later", "flip"))
			time.Sleep(simWhile(dice, time.Millisecond, 20*time.Millisecond))
		}
	}
}

// unlessKilled calls do, and kills the daemon at one of the transactions; 0: at none.
func (w *simWorld) unlessKilled(run *simRun, after int, do func() error) error {
	if after == 0 {
		return do()
	}
	hit, done := make(chan struct{}), make(chan error, 1)
	kind := simCrashBack
	run.store.hit = hit
	run.store.after.Store(int64(after - 1))
	run.store.armed.Store(&kind)
	w.remains.Go(func() { done <- do() })
	select {
	case err := <-done:
		if run.store.armed.CompareAndSwap(&kind, nil) {
			return err
		}
		<-hit // by something else, at the moment of the answer
	case <-hit:
	}
	w.kill()
	return errSimKilled
}

// settleVersions finds out which versions run after a kill before the answer to a command: as they
// were, or as the command wanted.
func (w *simWorld) settleVersions(from, to simVersions) {
	run := w.up()
	if run == nil {
		return
	}
	set := run.m.eng.Rules()
	got := simVersions{editOf(set.Pack("words")), editOf(set.Candidate("words")), set.Rollout("words").Share}
	w.mu.Lock()
	defer w.mu.Unlock()
	if got != from && got != to {
		w.fail("after a kill within a command runs %s, and neither %s nor %s", got, from, to)
	}
	last := &w.book.tried.spans[len(w.book.tried.spans)-1]
	last.done = w.now()
	w.runs(got, last.begun)
}

// checkCancelled checks that nothing of an edit waits in a chat in which its work was cancelled.
func (w *simWorld) checkCancelled(run *simRun, c simCancelled) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.plan.chats() {
		if !c.covers(id) {
			continue
		}
		list, err := run.m.store.Actions(context.Background(), store.ActionFilter{Chat: id, Limit: 1000})
		if err != nil {
			w.fail("read the actions of chat %s: %v", id, err)
		}
		for _, a := range list {
			if x := w.book.entries[a.ID.Seq]; x != nil && x.edit == c.edit && a.Pack == "words" && (a.Status == chat.Waiting || a.Status == chat.Blocked) {
				w.fail("action %s of the candidate is %s in chat %s after its end", a.ID, a.Status, id)
			}
		}
	}
}

// covers reports whether work in a chat is cancelled.
func (c *simCancelled) covers(id string) bool {
	return c.outside == 0 || !c.outside.Has("words", id)
}

// cancelled reports whether what an entry has requested, or the timer that it has set, is cancelled
// or may be. With by, only what was certainly cancelled by then counts.
func (b *simBook) cancelled(x *simEntry, by *simMoment) bool {
	return slices.ContainsFunc(b.tried.cancelled, func(c simCancelled) bool {
		if c.edit != x.edit || !c.covers(x.chat) {
			return false
		}
		if by != nil {
			return x.decided.before(c.begun) && c.done.set() && c.done.before(*by)
		}
		return !c.done.set() || x.journaled.before(c.done)
	})
}

// ranBy checks by which versions an entry was decided: outside of the share by the live one, with the
// candidate beside it; within by the candidate alone. w.mu is held.
func (w *simWorld) ranBy(x *simEntry, d *turn.Decision) {
	var live, beside []int
	pair := simPair{}
	for i := range d.Rules {
		r := &d.Rules[i]
		if r.Pack != "words" {
			continue
		}
		for _, l := range r.Logs {
			v, _ := l.Fields["v"].(float64)
			if r.Candidate != r.Shadow && !x.muted[r.Rule] {
				w.fail("entry %d: rule %s is in shadow: %t, and a candidate's: %t", x.seq, r.Rule, r.Shadow, r.Candidate)
			}
			if r.Candidate {
				beside, pair.candidate = append(beside, int(v)), r.Version
			} else {
				live, pair.live = append(live, int(v)), r.Version
				x.edit = int(v)
			}
		}
	}
	muted := slices.ContainsFunc(slices.Collect(maps.Keys(x.muted)), func(rule string) bool { return !slices.Contains(simNightRules, rule) })
	w.book.tried.muted = w.book.tried.muted || muted
	if len(live)+len(beside) == 0 || len(live) == 0 && muted {
		return // rules that an operator has turned off do not show their version
	}
	t := &w.book.tried
	live, beside = slices.Compact(live), slices.Compact(beside)
	var fit []int
	within := false
	for i := t.at[x.chat]; i < len(t.spans); i++ {
		s := &t.spans[i]
		ended := i+1 < len(t.spans) && t.spans[i+1].done.set() && t.spans[i+1].done.before(x.journaled)
		if ended || !s.begun.before(x.decided) {
			continue
		}
		out := slices.Equal(live, []int{s.live}) && (s.candidate == 0 && len(beside) == 0 || s.candidate != 0 && (slices.Equal(beside, []int{s.candidate}) || muted && len(beside) == 0))
		in := s.share != 0 && slices.Equal(live, []int{s.candidate}) && len(beside) == 0
		if out || in {
			fit, within = append(fit, i), in
		}
	}
	if len(fit) == 0 {
		w.fail("entry %d of chat %s is decided by edits %v, with %v in shadow; versions were %v", x.seq, x.chat, live, beside, t.spans[t.at[x.chat]:])
		return
	}
	t.at[x.chat] = fit[0]
	if s := &t.spans[fit[0]]; len(fit) == 1 && s.candidate != 0 && s.share != 0 {
		w.inShare(x.chat, s.share, within)
	}
	if len(beside) > 0 {
		if t.compared[pair] == nil {
			t.compared[pair] = map[bool]int64{}
		}
		differs := x.message != nil && x.message.has("flip") && !x.message.has("veto") && (live[0]-beside[0])%2 != 0
		t.compared[pair][!differs]++
	}
}

// inShare checks that a chat that is in a share is in every larger one, and in the same whenever.
func (w *simWorld) inShare(id string, share rules.Share, in bool) {
	t := &w.book.tried
	if in && (t.in[id] == 0 || share < t.in[id]) {
		t.in[id] = share
	}
	if !in {
		t.out[id] = max(t.out[id], share)
	}
	if t.in[id] != 0 && t.out[id] >= t.in[id] {
		w.fail("chat %s is in a share of %s, and not in one of %s", id, t.in[id], t.out[id])
	}
}

// simWordsOf returns an edit of simWords.
func simWordsOf(n int, broken string) string {
	return strings.NewReplacer("BROKEN", broken, "EDIT", fmt.Sprint(n)).Replace(simWords)
}
