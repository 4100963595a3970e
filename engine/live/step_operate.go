package live

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"chertd/rules"
)

// failedTrial returns the version to roll back to after a failed trial; "": another
// version is live by now, or an operator has pinned this one.
func (s *Standing) failedTrial(version string) string {
	if on := s.Trial; on != nil && on.Version == version && s.Version.Hash == version && s.Pinned == "" {
		return on.Before
	}
	return ""
}

// apply makes a stored version live by command, or because a trial has failed.
func (in Rollback) apply(t *step) {
	s, from, to := &t.s, t.s.Version, in.To.Version
	if !to.Runs() {
		t.keep(s.unpinned())
		return
	}
	if s.loaded(to.Built) {
		to = from
	}
	went := from.Runs() && from.Hash != to.Hash
	state := s.PackState
	state.Live, state.Settings = to.Hash, s.keptSettings(&to, in.To.Unfit)
	ended, was := func() {}, state.Candidate
	if in.Cause.Kind == ByCommand && was != "" {
		if was != to.Hash {
			ended = t.endShare(in.KeepPending)
		}
		state = state.without()
	}
	if state = state.overtaken().unpinned(); !in.Undo {
		state.Pinned, state.PinStays, state.PinnedWithoutFiles = to.Hash, in.Pin, s.Files.Version == ""
		if !in.Pin {
			state.PinnedOver = s.Files.Version
		}
	}
	keep := &t.out.Keep
	if keep.Marks == nil {
		keep.Marks, keep.Pending = map[string]bool{}, map[string]bool{}
	}
	keep.Marks[to.Hash] = true
	if went {
		keep.Pending[from.Hash] = in.KeepPending
		if !in.Undo {
			keep.Marks[from.Hash] = false
		}
	}
	if !t.keep(state) {
		return
	}
	if ended(); s.Candidate == "" {
		s.Beside, s.BesideLost = Version{}, Lost{}
	}
	t.giveUp()
	s.Tried, s.Verdict, s.Since, s.KeptOf = nil, Verdict{}, t.now, ""
	if from.Runs() && in.KeepPending {
		s.KeptOf = from.Hash
	}
	t.take(to, nil)
	t.logUnfit(&in.To, "", nil)
	if s.Files.Version != to.Hash {
		s.Verdict = s.verdictPinned(in.Cause)
		if s.Files.Version != "" {
			s.Logged = Logged{Content: s.Files.Content, Verdict: Verdict{Kind: Pinned, Pin: s.Pinned}} // logged below
		}
	}
	s.Trial = nil
	if went && !in.KeepPending {
		s.rolledBack(from.Hash)
		t.drop(Drop{Version: from.Hash, Why: DropRolledBack, By: in.Cause.String()})
	}
	t.logRolledBack(from.Hash, &in)
}

// undoable returns why a rollback of the pack can't be undone, nil if it can.
func (s *Standing) undoable() error {
	switch {
	case s.Gone || s.Files.Version == "":
		return ErrNoFiles
	case s.Pinned == "" && s.Verdict.Kind == FilesLive:
		return ErrNotRolledBack
	}
	return nil
}

// apply sets how the pack runs.
func (in SetMode) apply(t *step) {
	s := &t.s
	limited := in.Limit != (rules.Rate{})
	if now, _ := s.modeNow(); limited && (now != rules.Live || s.Version.Runs() && s.Version.raises(in.Limit)) {
		return
	}
	if limited {
		in.limit(t)
		return
	}
	state := s.PackState
	state.Until, state.Under = endOf(t.now, in.For), Under{}
	if !state.Until.IsZero() {
		state.Under = s.under()
	}
	in.At = t.now.UTC().Round(0).Truncate(time.Microsecond)
	state.Mode, state.Limit, state.Why, state.Share, state.Author = in.Mode, rules.Rate{}, "", in.Share, in.Author
	if in.Mode == "" {
		state.Author = Author{}
	}
	if !in.timed() && in.Mode == rules.Live && in.Share == 0 && s.beside() != nil {
		t.promoteCandidate(state)
		return
	}
	in.set(t, state)
}

// timed reports whether the mode has an end.
func (in *SetMode) timed() bool { return in.For > 0 }

// limit sends a pack that has reached its limit of reads to shadow. That ends a mode for a
// time; where what it covers is off or shadow, that is enough.
func (in SetMode) limit(t *step) {
	s := &t.s
	state := s.PackState
	if !state.Until.IsZero() {
		state = t.endTimed("the pack")
	}
	if mode := s.modeBy(state); mode == rules.Live {
		state.Mode, state.Limit, state.Why, state.Author = rules.Shadow, in.Limit, in.Limit.Reached(), Author{}
	}
	in.set(t, state)
}

// endTimed returns the state without its mode for a time, as what has reached its limit of
// reads ends that, and logs it.
func (t *step) endTimed(what string) PackState {
	if s := &t.s; !t.unkept {
		t.log(slog.LevelWarn, "a mode for a time ended: "+what+" has reached its limit of reads", append([]any{"was", s.Mode}, authorAttrs(s.Author, s.Until)...)...)
	}
	return t.s.afterwards()
}

// modeBy returns the mode that the pack has by another state.
func (s *Standing) modeBy(state PackState) rules.Mode {
	next := Standing{PackState: state, Version: s.Version, Files: s.Files, Config: s.Config}
	mode, _ := next.modeNow()
	return mode
}

// set keeps a state with another mode, and drops what is pending where the pack is not live.
func (in *SetMode) set(t *step, state PackState) {
	mode := t.s.modeBy(state)
	state.PendingKept = (mode != rules.Live || state.Share != 0) && in.KeepPending
	ended := func() {}
	if mode == rules.Live && state.Share == 0 {
		ended = t.endShare(in.KeepPending)
	}
	if t.out.Keep.Pending == nil {
		t.out.Keep.Pending = map[string]bool{}
	}
	t.out.Keep.Pending[""] = state.PendingKept
	if !t.keep(state) {
		return
	}
	ended()
	t.countShare()
	if !state.PendingKept {
		t.dropInactive()
	}
}

// countShare has requests of a candidate count from now on, if it is live in its share.
func (t *step) countShare() {
	if t.s.shareNow() != 0 {
		delete(t.s.Back, t.s.Candidate)
	}
}

// dropInactive drops what the pack has pending where it is not live.
func (t *step) dropInactive() {
	switch mode, _ := t.s.modeNow(); {
	case mode != rules.Live:
		t.drop(t.s.modeDrop())
	case t.s.shareNow() != 0:
		t.drop(t.s.outside())
	}
}

// raises reports whether the version has a higher limit of reads than the one that was
// reached, or no limit.
func (v *Version) raises(reached rules.Rate) bool {
	return reached != (rules.Rate{}) && (v.Reads.N == 0 || v.Reads.Raised(reached))
}

// apply stores the settings with which the version runs, ends shadow mode if the limit
// that caused it was raised, and drops the pending work of a pack that is no longer live.
func (in Swap) apply(t *step) {
	s := &t.s
	state := s.PackState
	if s.Version.Runs() && (s.Version.Hash == s.Live || s.InsteadOf != "") {
		state.Settings = s.keptSettings(&s.Version, s.Unfit)
	}
	ends := s.Version.Runs() && s.Mode == rules.Shadow && s.Version.raises(s.Limit)
	if ends {
		state.Mode, state.Limit, state.Why = "", rules.Rate{}, ""
		if state.Share != 0 {
			state.Mode = rules.Live // by the command that set the share
		}
	}
	if state != s.PackState {
		was := s.Why
		if t.keep(state) && ends {
			mode, by := s.modeNow()
			t.log(slog.LevelInfo, "shadow mode ends: the pack's limit of reads was raised", "was", was, "mode", mode, "by", by)
		}
	}
	t.countShare()
	if in.Passed {
		s.Trial = nil
	}
	mode, _ := s.modeNow()
	s.PendingKept = s.PendingKept && (mode != rules.Live || s.Share != 0)
	if in.Mode == rules.Live && s.inSet() && mode != rules.Live && !s.PendingKept {
		t.drop(t.s.modeDrop())
	}
}

// owed returns the drops that an earlier process may not have completed, or that are due
// since.
func (s *Standing) owed() (drops []Drop) {
	if mode, _ := s.modeNow(); mode != rules.Live && !s.PendingKept {
		return []Drop{s.modeDrop()}
	}
	if s.shareNow() != 0 && !s.PendingKept {
		drops = append(drops, s.outside())
	}
	for _, r := range s.RuleModes.All() {
		if r.restricts() && !r.PendingKept {
			drops = append(drops, Drop{Pack: s.Pack, Rule: r.Rule, Why: DropWhy(r.Mode), By: r.words()})
		}
	}
	for _, version := range slices.Sorted(maps.Keys(s.Back)) {
		drops = append(drops, Drop{Pack: s.Pack, Version: version, Why: DropRolledBack})
	}
	if s.RulesDeleted {
		drops = append(drops, Drop{Pack: s.Pack, Why: DropRuleDeleted})
	}
	return drops
}

// goneFor is how long a pack must be missing before it counts as removed.
const goneFor = 2 * time.Second

// apply decides about a pack whose files are gone. The pack is removed if the folder was
// read to its end, another pack remains, and its files stay gone for goneFor; else it is
// kept.
func (in Missing) apply(t *step) {
	s := &t.s
	never := s.Live == "" && !s.Version.Runs()
	t.giveUp()
	s.Tried, s.Half = nil, Half{}
	if in.Unread {
		// The files may still be there, so the time of their absence starts again.
		if !s.Missed.IsZero() {
			s.Missed = t.now
		}
		if never && s.Gone {
			return
		}
		s.Verdict = Verdict{Kind: FolderUnread}
		s.Gone, s.Unread = false, true
		t.fallBack()
		return
	}
	s.Unread = false
	why := Verdict{Kind: FilesGone, Ignored: in.Ignored}
	if in.IsIgnored {
		why.Kind = FilesIgnored
	}
	if never && (!s.mayVeto() || in.PathTaken) {
		// Its files are another's, by the name in pack.yaml, or it can be missed. What an
		// operator set of it stays.
		s.Gone, s.Files, s.Verdict = true, Edit{Mode: s.Files.Mode}, why
		t.out.Forget = s.blank()
		return
	}
	if !s.PinnedWithoutFiles && (in.Others || never) {
		if s.Missed.IsZero() {
			s.Missed = t.now
		}
		if !t.now.Before(s.Missed.Add(goneFor)) {
			t.logRemoved(why)
			Remove{}.apply(t)
			return
		}
		t.out.LookAgain = s.Missed.Add(goneFor)
	} else if !s.Gone && s.Version.Runs() {
		t.logGoneKept(why)
	}
	s.Gone, s.Files, s.Verdict = true, Edit{Mode: s.Files.Mode}, why
	t.fallBack()
}

// vetoed reports whether the pack is live and could veto reads, or blocks them because
// no version of it is.
func (s *Standing) vetoed() bool {
	mode, _ := s.modeNow()
	veto := s.mayVeto()
	if s.Version.Runs() {
		veto = s.Version.CanVeto
	}
	return veto && mode == rules.Live
}

// apply forgets a pack, except for the settings of operators, and drops its pending work.
// It forgets the pack last: if the process ends before, the next start finds it gone
// again.
func (in Remove) apply(t *step) {
	s := &t.s
	if in.Operator {
		t.logRemovedByCommand()
		s.PackState = PackState{Pack: s.Pack}
	}
	rest := s.PackState
	rest.Live, rest.Settings, rest.PendingKept, rest.RulesDeleted = "", "", false, false
	if rest.Candidate != "" {
		rest = rest.without()
	}
	by := "as its files were deleted"
	if in.Operator {
		by = Cause{Kind: ByCommand}.String()
	}
	t.drop(Drop{Why: DropRemoved, By: by, Forget: true, Rest: rest, KeepPending: in.KeepPending})
	t.s = Standing{PackState: rest, Path: s.Path, Gone: true, Verdict: Verdict{Kind: FilesGone}, Back: s.Back,
		Config: s.Config}
	t.out.Forget = rest.blank()
}
