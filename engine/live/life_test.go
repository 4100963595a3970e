package live

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// life is the life of one pack, played with Step alone: it answers what Step asks, and
// keeps what it wants to be kept. What a version is like is in its name:
//
//	v1       loads
//	veto1    loads, and can veto
//	send1    loads if send is granted
//	vsend1   the same, and can veto
//	unfit1   loads, and its specs fail
//	broken1  does not load
//	bveto1   does not load, and has a veto in it
//	v1~      looks half written
type life struct {
	s       Standing
	now     time.Time
	gate    bool
	revoked bool // send is not granted any more
	config  int
	diskOK  bool

	files  string // "": there are none
	alone  bool   // no other pack is there
	unread bool   // the folder can't be read

	// What the store keeps.
	row      PackState
	versions map[string]*KeptVersion
	pending  map[string]bool
	gone     bool // the pack is forgotten

	logged  []string
	dropped []string
	asked   []string        // of the world around: gate, look again
	passed  map[string]bool // versions that have passed the gate, as they are built
	wrong   string          // what must not be
	over    bool            // the trial is over
	mode    rules.Mode      // in the live set; "": the pack is not in it
}

func newLife(gate bool) *life {
	l := &life{now: noon, gate: gate, diskOK: true, versions: map[string]*KeptVersion{}, pending: map[string]bool{}, row: PackState{Pack: "p"}, gone: true, passed: map[string]bool{}}
	l.restart()
	return l
}

// restart is another process that finds what the store keeps, and reads the folder.
func (l *life) restart() {
	l.s = Standing{Back: map[string]bool{}}
	l.s.PackState = PackState{Pack: "p"}
	if !l.gone {
		l.s.PackState, l.s.Gone, l.s.LastVeto = l.row, true, l.row.Live != ""
		l.s.PendingKept = l.pending[""]
		for name, v := range l.versions {
			if !v.RolledBack.IsZero() && !l.row.acts(name) && !l.pending[name] {
				l.s.Back[name] = true
			}
		}
	}
	l.s.Config = l.configured()
	l.read(true)
	l.note(&Commands{Drop: l.s.owed()})
	l.timeUp()
}

// timeUp is the Manager's when it is woken up, which is not before the time.
func (l *life) timeUp() {
	for range 2 { // the disk may be full
		if end := l.s.ends(); !end.IsZero() && !l.now.Before(end) {
			l.give(TimeUp{})
		}
	}
}

func (l *life) configured() PackConfig {
	return PackConfig{Revision: l.config, Gate: l.gate, Settle: 2 * time.Second}
}

// reconfigure grants send, or takes it back.
func (l *life) reconfigure(granted bool) {
	l.revoked = !granted
	l.config++
	l.s.Config = l.configured()
	l.read(false)
}

// tend ends a reading or a command, as Manager.swap does.
func (l *life) tend() {
	l.loadCandidate()
	l.give(Swap{Mode: l.mode, Passed: l.over})
	l.over = false
	l.mode = ""
	if l.s.inSet() {
		l.mode, _ = l.s.modeNow()
	}
}

// deepCopy copies a standing with what it points to, which Standing.clone shares.
func deepCopy(s Standing) Standing {
	c := s.clone()
	for _, try := range []**Try{&c.Trying, &c.Tried} {
		if *try != nil {
			copied := **try
			copied.Diagnostics = slices.Clone(copied.Diagnostics)
			*try = &copied
		}
	}
	if c.Trial != nil {
		trial := *c.Trial
		c.Trial = &trial
	}
	c.Warnings, c.Unfit, c.Complete = slices.Clone(c.Warnings), slices.Clone(c.Unfit), slices.Clone(c.Complete)
	c.Verdict.Diagnostics = slices.Clone(c.Verdict.Diagnostics)
	return c
}

// give is Manager.give.
func (l *life) give(in Input) {
	for in != nil {
		l.now = l.now.Add(time.Millisecond)
		before := deepCopy(l.s)
		next, out := Step(l.s, in, l.now)
		if !reflect.DeepEqual(before, l.s) {
			l.wrong = fmt.Sprintf("Step has changed its argument by %T", in)
		}
		if !keepsNothing(&out.Keep) && !l.diskOK {
			l.diskOK = true
			next, out = Step(l.s, NotKept{in}, l.now)
			if !keepsNothing(&out.Keep) {
				l.wrong = fmt.Sprintf("what can't be kept is to be kept again: %+v", out.Keep)
			}
		}
		l.keep(&out.Keep)
		l.checkGated(in, &next)
		l.s = next
		if !out.Wake.Equal(l.s.ends()) {
			l.wrong = "nobody is woken up when a mode for a time ends"
		}
		l.note(&out)
		in = nil
		switch {
		case out.Compile != nil:
			in = l.compiled(*out.Compile)
		case out.Recall != nil:
			in = l.recalled(*out.Recall)
		}
	}
}

func keepsNothing(k *Keep) bool {
	return k.State == nil && k.Version == nil && k.Candidate == nil && len(k.Marks) == 0 && len(k.Pending) == 0
}

// checkGated finds versions that go live by an edit and have not passed the gate.
func (l *life) checkGated(in Input, next *Standing) {
	now := next.Version
	if !l.gate || !now.Runs() || now.Hash == l.s.Version.Hash {
		return
	}
	switch in := in.(type) {
	case Rollback, Recalled: // what was live before
	case Compiled:
		if !in.Known || l.s.Live != now.Hash {
			l.wrong = now.Hash + " is live without having passed the gate"
		}
	default:
		if !l.passed[now.Built] {
			l.wrong = fmt.Sprintf("%s is live by %T without having passed the gate", now.Hash, in)
		}
	}
}

func (l *life) keep(k *Keep) {
	save := func(name string) *KeptVersion {
		if l.versions[name] == nil {
			l.versions[name] = &KeptVersion{Pack: "p", Version: name, Since: l.now}
		}
		return l.versions[name]
	}
	if k.Version != nil {
		v := save(k.Version.Hash)
		v.Last, v.RolledBack, v.Candidate = l.now, time.Time{}, false
	}
	if k.Candidate != nil {
		if l.versions[k.Candidate.Hash] == nil {
			save(k.Candidate.Hash).Candidate = true
		}
	}
	for version, live := range k.Marks {
		if v := save(version); live {
			v.Last, v.RolledBack, v.Candidate = l.now, time.Time{}, false
		} else {
			v.RolledBack = l.now
		}
	}
	maps.Copy(l.pending, k.Pending)
	if k.State != nil {
		l.row, l.gone = *k.State, false
	}
}

// note remembers what is to be done without an answer.
func (l *life) note(out *Commands) {
	for _, d := range out.Drop {
		if d.Version != "" && d.Version == l.s.Version.Hash {
			l.wrong = "the pending work of the live version is dropped: " + d.Version
		}
		what := strings.TrimSpace(d.Version + " " + string(d.Why))
		if d.Rule != "" {
			what = "rule " + d.Rule + " " + what
		}
		if !slices.Contains(l.dropped, what) {
			l.dropped = append(l.dropped, what)
		}
		if d.Forget {
			l.row, l.gone = d.Rest, d.Rest.blank()
		}
	}
	for i := range out.Log {
		l.logged = append(l.logged, logName(out.Log[i].Message))
	}
	if out.RunGate {
		l.asked = append(l.asked, "gate runs")
	}
	if !out.LookAgain.IsZero() {
		l.asked = append(l.asked, "looks again in "+out.LookAgain.Sub(l.now).Round(100*time.Millisecond).String())
	}
}

// logName is a short name for a line of the log.
func logName(message string) string {
	for _, name := range []struct{ of, is string }{
		{"an edit is not live: pinned", "pinned"}, {"an edit is not live: rolled back", "pinned"}, {"an edit is not live", "not live"}, {"the files match", "as before"},
		{"an edit looks half written", "half written"}, {"an edit restores", "restores"}, {"a version that was live can't", "lost"}, {"a permission of", "needs less"},
		{"rolled back", "rolled back"}, {"a rollback was undone", "rolled back"}, {"pack removed by", "removed by command"}, {"pack removed", "removed"}, {"the files of a pack are gone", "kept"},
	} {
		if strings.HasPrefix(message, name.of) {
			return name.is
		}
	}
	return message
}

// read has the folder read.
func (l *life) read(starting bool) {
	switch {
	case l.unread, l.files == "":
		if !l.s.inSet() && l.gone {
			return // nothing is known of the pack
		}
		l.give(Missing{Unread: l.unread, Others: !l.alone})
	default:
		in := Found{Edit: l.edit(), Starting: starting}
		if v := l.versions[in.Edit.Version]; v != nil {
			in.Back = v.RolledBack
		}
		in.Before = l.record()
		l.give(in)
	}
}

func (l *life) edit() Edit {
	name := strings.TrimSuffix(l.files, "~")
	e := Edit{Version: name, Built: l.built(name), Key: l.built(l.files), Content: l.files, Path: "p.lua", MayVeto: canVeto(name)}
	if e.Files = []rules.File{{Name: name}}; l.files != name {
		e.Half = HalfSign{File: "p.lua", Why: "it is cut"}
		e.Version += "~"
	}
	return e
}

// built hashes a version under the configuration.
func (l *life) built(name string) string { return fmt.Sprint(name, " ", !l.revoked) }

func (l *life) version(name string) Version {
	return Version{Hash: name, Built: l.built(name), CanVeto: canVeto(name), Reads: rules.Rate{N: 3, Per: 10 * time.Minute}, Rules: []string{"r"}}
}

func canVeto(name string) bool {
	return strings.Contains(name, "veto") || strings.HasPrefix(name, "vsend")
}

// loads reports whether a version loads.
func (l *life) loads(name string) (Kind, bool) {
	switch {
	case strings.HasPrefix(name, "b"), strings.HasSuffix(name, "~"):
		return LoadFails, false
	case strings.Contains(name, "send") && l.revoked:
		return LacksPermission, false
	}
	return FilesLive, true
}

func (l *life) compiled(e Edit) Input {
	in := Compiled{Edit: e, MayVeto: e.MayVeto, Peers: Peers{Before: l.record()}}
	kept := l.versions[e.Version]
	kind, ok := l.loads(e.Version)
	if !ok {
		if in.Refused.Kind = kind; kind == LacksPermission {
			in.Refused.Lacks = []string{"send"}
		}
		in.Refused.Diagnostics = diag.List{{Severity: diag.SeverityError, Message: e.Version}}
		return in
	}
	in.Version = l.version(e.Version)
	if kept != nil {
		in.Known, in.Back, in.Last = true, kept.RolledBack, kept.Last
		for _, v := range l.kept() {
			if v != kept && !v.Candidate && v.RolledBack.IsZero() {
				in.Resume = &Trial{Version: e.Version, Before: v.Version}
				break
			}
		}
	}
	return in
}

func (l *life) record() Record {
	if v := l.versions[l.s.Version.Hash]; v != nil {
		return v.record()
	}
	return Record{}
}

// gated is the verdict of the gate on the edit that is tried.
func (l *life) gated() {
	if l.s.Trying == nil {
		return
	}
	in := Gated{Peers: Peers{Before: l.record()}}
	if name := l.s.Trying.Version.Hash; strings.HasPrefix(name, "unfit") {
		in.Refused = SpecsFail
	} else {
		l.passed[l.s.Trying.Version.Built] = true
	}
	l.give(in)
}

func (l *life) recalled(r Recall) Input {
	in := Recalled{Recall: r, Granted: true, LiveGranted: !l.revoked || !strings.Contains(l.s.Version.Hash, "send")}
	if l.versions[r.Version] == nil {
		in.Lost = Lost{Pack: "p", Version: r.Version}
		return in
	}
	if _, ok := l.loads(r.Version); ok {
		if in.Fitted = (Fitted{Version: l.version(r.Version), Since: l.now}); l.s.loaded(in.Fitted.Version.Built) {
			in.Same = true
		}
		return in
	}
	in.Lost = Lost{Pack: "p", Version: r.Version, Diagnostics: diag.List{{Severity: diag.SeverityError, Message: "lacks send"}}}
	in.MayVeto, in.Granted = canVeto(r.Version), false
	for _, v := range l.kept() {
		if _, ok := l.loads(v.Version); ok && !v.Candidate && v.RolledBack.IsZero() && v.Version != r.Version {
			in.Less = Fitted{Version: l.version(v.Version), Since: v.Last}
			break
		}
	}
	return in
}

// kept lists the versions that are kept, the one that was live last first.
func (l *life) kept() []*KeptVersion {
	return slices.SortedFunc(maps.Values(l.versions), func(a, b *KeptVersion) int { return b.Last.Compare(a.Last) })
}

// rollback rolls back to a version, by default the one before. It reports whether
// there is one that loads.
func (l *life) rollback(to string, in Rollback) bool {
	for _, v := range l.kept() {
		if to == "" && v.Version != l.s.Live && v.Version != l.s.Version.Hash && !v.Candidate && v.RolledBack.IsZero() {
			to = v.Version
		}
	}
	if _, ok := l.loads(to); !ok || l.versions[to] == nil {
		return false
	}
	in.To = Fitted{Version: l.version(to)}
	l.give(in)
	return true
}

// undo undoes a rollback.
func (l *life) undo() bool {
	name := l.s.Files.Version
	switch {
	case l.s.undoable() != nil:
		return false
	case l.s.Pinned == "" && l.s.Version.Hash == name:
	case l.versions[name] != nil:
		return l.rollback(name, Rollback{Undo: true, Cause: Cause{Kind: Undone}})
	case l.s.Pinned != "":
		l.give(Rollback{Undo: true})
	}
	l.read(false)
	return true
}

// until says how long a mode holds, and what returns then.
func (l *life) until(w *Switch) string {
	if w.Until.IsZero() {
		return ""
	}
	return " for " + w.Until.Sub(l.now).Round(time.Second).String() + ", then " + string(w.Then)
}

// stands says how the pack stands, and what was done since this was asked last.
func (l *life) stands() string {
	live := l.s.Version.Hash
	if live == "" {
		live = "none"
	}
	parts := []string{live}
	add := func(on bool, what string) {
		if on {
			parts = append(parts, what)
		}
	}
	mode, by := l.s.modeNow()
	add(mode != rules.Live, string(mode)+" ("+by+")")
	for _, w := range l.s.switches() {
		add(w.Rule != "" || !w.Until.IsZero(), strings.TrimSpace(w.Rule+" "+string(w.Mode)+l.until(&w)))
	}
	add(l.s.Verdict.Kind != FilesLive, l.s.Verdict.String())
	add(l.s.blocks(), "reads are blocked")
	add(l.s.Trial != nil, "on trial")
	add(len(l.logged) > 0, "logged: "+strings.Join(l.logged, ", "))
	add(len(l.dropped) > 0, "dropped: "+strings.Join(l.dropped, ", "))
	parts = append(parts, l.asked...)
	l.logged, l.dropped, l.asked = nil, nil, nil
	return strings.Join(parts, "; ")
}
