package live

import (
	"log/slog"
	"slices"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Step moves a pack's standing by one input, and returns what follows from it. It is
// pure: it does no I/O and reads no clock. It never fails: what can't be done is a
// verdict with a reason.
func Step(s Standing, in Input, now time.Time) (Standing, Commands) {
	t := &step{s: s.clone(), now: now}
	in.apply(t)
	t.out.Wake = t.s.ends()
	return t.s, t.out
}

// apply makes the step of the lost input again, and keeps nothing.
func (in NotKept) apply(t *step) {
	if t.unkept = true; in.Input == nil {
		t.fallBack()
	} else {
		in.Input.apply(t)
	}
}

// step is one call of Step: the standing being changed and the commands so far.
type step struct {
	s      Standing
	now    time.Time
	out    Commands
	unkept bool // nothing can be kept: the step is made for the second time
}

// keep takes a state over and adds it to Commands.Keep. If the store has failed it
// returns false and changes nothing.
func (t *step) keep(state PackState) bool {
	if t.unkept {
		t.out.Keep = Keep{}
		return false
	}
	t.s.PackState, t.out.Keep.State = state, &state
	return true
}

func (t *step) drop(d Drop) {
	d.Pack = t.s.Pack
	t.out.Drop = append(t.out.Drop, d)
}

// take makes a version live.
func (t *step) take(v Version, diags diag.List) {
	t.dropRules(&v)
	s := &t.s
	delete(s.Back, v.Hash) // what it asks for from now on counts
	s.Version, s.Revision, s.Lost, s.Unfit, s.Defaults, s.InsteadOf = v, s.Config.Revision, Lost{}, nil, false, ""
	s.Warnings, s.Verdict.Diagnostics = diags, diags
	s.LastVeto = v.CanVeto
	if s.Files.Version == v.Hash {
		s.Verdict, s.Logged = Verdict{Diagnostics: diags}, Logged{}
	}
	t.logUnmatched(diags)
}

// dropRules drops reads of rules that the pack will not have any more. A version that
// was live when the process last ran, and was not loaded since, may have had any
// rules.
func (t *step) dropRules(to *Version) {
	was := &t.s.Version
	switch {
	case slices.ContainsFunc(t.out.Drop, func(d Drop) bool { return d.Why == DropRuleDeleted }):
	case !was.Runs() && (t.s.Live == "" || t.s.Live == to.Hash):
	case was.Runs() && (was.Built == to.Built || t.s.KeptOf == was.Hash ||
		!slices.ContainsFunc(was.Rules, func(name string) bool { return !slices.Contains(to.Rules, name) })):
	default:
		t.out.Keep.RulesGone = true
		t.drop(Drop{Why: DropRuleDeleted})
	}
}

// giveUp ends the trying of an edit.
func (t *step) giveUp() {
	if t.s.Trying != nil {
		t.s.Trying, t.out.StopGate = nil, true
	}
}

// refuse leaves the last good version live, and logs why once.
func (t *step) refuse(try Try) {
	s := &t.s
	try.Revision = s.Config.Revision
	// The configuration is not compared: under another one the edit is still the same.
	logged := Logged{Content: try.Content, Verdict: try.Refused}
	news := !s.Logged.same(logged)
	t.giveUp()
	s.Logged, s.Tried, s.Verdict = logged, &try, try.Refused
	switch {
	case t.fallBack():
		t.out.Recall.Refused = news
	case news:
		t.logNotLive()
	}
}

// fallBack makes sure that the version that is live, or was last, is live under the
// configuration as it is now. It reports whether that has to be loaded first.
func (t *step) fallBack() bool {
	s := &t.s
	version := s.Live
	switch {
	case s.Version.Runs() && s.InsteadOf != "":
		version = s.InsteadOf
	case s.Version.Runs():
		version = s.Version.Hash
	}
	return t.recall(version)
}

// recall has a version loaded, if it is not the live one.
func (t *step) recall(version string) bool {
	s := &t.s
	if version == "" || s.Version.Runs() && (s.Version.Hash == version || s.InsteadOf == version) && s.Revision == s.Config.Revision {
		return false
	}
	t.out.Recall = &Recall{Version: version}
	return true
}

// promote makes a version live that was not. The store keeps it first, so that a later
// rollback can find it.
func (t *step) promote(try Try) {
	s, v := &t.s, try.Version
	try.Revision = s.Config.Revision
	s.Tried = &try // its specs need not run again if it can't be kept
	trial := trialOf(&s.Version, &v, &try.Before)
	state := s.PackState
	state.Live, state.Settings = v.Hash, v.Settings
	candidate := state.Candidate
	state = state.overtaken()
	t.dropRules(&v)
	t.out.Keep.Version = &v
	fresh := s.Live == ""
	if !t.keep(state) {
		t.out.Drop = nil
		s.Verdict.Kind = KeepFailed
		t.fallBack()
		return
	}
	s.Since, s.Tried = t.now, nil
	if candidate != s.Candidate {
		s.Beside, s.BesideLost = Version{}, Lost{}
		t.log(slog.LevelInfo, "a candidate ended: an edit made the same version live", "candidate", rules.ShortOf(candidate))
	}
	if !try.Restores.IsZero() {
		t.logRestores(v.Hash, try.Restores)
	}
	if fresh && try.Like.Pack != "" {
		try.Diagnostics = append(slices.Clip(try.Diagnostics), try.Like.Warning)
		t.log(slog.LevelWarn, "a new pack is nearly the same as one that is live: both run", "file", try.Like.Warning.File, "like", try.Like.Pack, "hint", try.Like.Warning.Hint)
	}
	t.take(v, try.Diagnostics)
	s.Trial = trial
}

// trialOf returns the trial that a version is put on: nil if there is none to go back
// to that did better.
func trialOf(before, now *Version, record *Record) *Trial {
	if !before.Runs() || before.Hash == now.Hash || record.Version != before.Hash || record.failing() {
		return nil
	}
	return &Trial{Version: now.Hash, Before: before.Hash}
}

// failing reports whether a version failed on more events than a new one may.
func (r *Record) failing() bool { return r.Failures*trialShare > r.Events }

// logUnfit notes what does not fit the version that was made live in the settings of
// chertd.yaml, and logs it once. was and before are the version and what did not fit
// it until then.
func (t *step) logUnfit(f *Fitted, was string, before diag.List) {
	t.s.Unfit, t.s.Defaults = f.Unfit, f.Defaults
	if len(f.Unfit) == 0 || was == t.s.Version.Hash && slices.Equal(before, f.Unfit) {
		return
	}
	t.log(slog.LevelError, "a version "+t.s.whySettings(), "version", rules.ShortOf(t.s.Version.Hash), "err", f.Unfit,
		"hint", "correct the settings in chertd.yaml, then run: chertd reload --settings")
}

// keptSettings are what is to be kept of the pack's settings while the version is
// live.
func (s *Standing) keptSettings(v *Version, unfit diag.List) string {
	if len(unfit) > 0 && s.Settings != "" {
		return s.Settings
	}
	return v.Settings
}

// apply makes a kept version live, if it is not: by its files as they were, under
// the configuration as it is now. If that is not possible a version that is live
// stays as it is, but not with grants that were taken back.
func (in Recalled) apply(t *step) {
	s := &t.s
	lost, insteadOf := s.Lost, s.InsteadOf
	switch {
	case in.Failed:
		s.LastVeto = s.LastVeto || in.MayVeto
	case in.Same:
		s.Revision, s.Lost, s.Unfit, s.Defaults = s.Config.Revision, Lost{}, nil, false
	case in.Fitted.Version.Runs():
		t.takeFitted(&in.Fitted)
	default:
		t.lose(&in)
	}
	// If the configuration is to blame the log says already what it has done.
	blamed := s.Files.Version == s.Live && (!s.Lost.same(lost) || s.InsteadOf != insteadOf)
	if in.Recall.Refused && !blamed {
		t.logNotLive()
	}
}

// takeFitted makes a kept version live as it was fitted, or lets it be if it is.
func (t *step) takeFitted(f *Fitted) {
	s := &t.s
	was, before := s.Version.Hash, s.Unfit
	if s.loaded(f.Version.Built) {
		s.Revision, s.Lost = s.Config.Revision, Lost{}
		t.logUnfit(f, was, before)
		return
	}
	logged, verdict := s.Logged, s.Verdict // of the files, which this is not about
	t.take(f.Version, verdict.Diagnostics)
	s.Since, s.Warnings, s.Logged, s.Verdict = f.Since, nil, logged, verdict
	t.logUnfit(f, was, before)
}

// notGranted is Drop.By of a version that can't be loaded any more, or needs permissions that
// chertd.yaml took back.
const notGranted = "as that version can't be loaded, or needs permissions that chertd.yaml does not grant"

// lose records that the version that should be live can't be loaded.
func (t *step) lose(in *Recalled) {
	s, version := &t.s, in.Recall.Version
	s.LastVeto = in.Lost.Diagnostics == nil || in.MayVeto // nobody can know of one that is not kept
	if in.Less.Version.Runs() {
		t.takeLess(in)
		return
	}
	news := !s.Lost.same(in.Lost)
	s.Lost = in.Lost
	switch {
	case s.Version.Runs() && (s.Version.Hash != version || !in.LiveGranted):
		t.drop(Drop{Version: s.Version.Hash, Why: DropOff, By: notGranted})
		s.Version = Version{}
	case !s.Version.Runs() && news && !in.Granted:
		t.drop(Drop{Version: version, Why: DropOff, By: notGranted})
	}
	if news {
		t.logLost(version)
	}
}

// takeLess makes the last good version live that needs no more than is granted, in
// the place of one that does. What is kept of the pack stays as it is: once the grant
// is back, so is the version.
func (t *step) takeLess(in *Recalled) {
	s, version := &t.s, in.Recall.Version
	could := in.MayVeto
	if s.Version.Runs() {
		could = s.Version.CanVeto
	}
	t.drop(Drop{Version: version, Why: DropOff, By: notGranted})
	was, before := s.Version.Hash, s.Unfit
	t.take(in.Less.Version, s.Verdict.Diagnostics)
	s.InsteadOf, s.Since, s.Warnings = version, in.Less.Since, nil
	s.rolledBack(version)
	t.logUnfit(&in.Less, was, before)
	t.logLess(in, could && !in.Less.Version.CanVeto)
}
