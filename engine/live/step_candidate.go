package live

import (
	"log/slog"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// apply has a version run in shadow beside the live one. It begins in no chat.
func (in SetCandidate) apply(t *step) {
	s, state := &t.s, t.s.PackState
	ended := t.endShare(false)
	state = state.without()
	state.Candidate = in.Version.Hash
	if !in.Known {
		t.out.Keep.Candidate = &in.Version
	}
	if !t.keep(state) {
		return
	}
	ended()
	s.Beside, s.BesideRevision, s.BesideLost = in.Version, s.Config.Revision, Lost{}
	t.log(slog.LevelInfo, "a candidate runs in shadow beside the live version", "candidate", rules.ShortOf(in.Version.Hash), "live", rules.ShortOf(s.Version.Hash))
}

// apply ends what is tried, and keeps the live version.
func (in EndCandidate) apply(t *step) {
	s, state := &t.s, t.s.PackState
	was, share := state.Candidate, state.Share
	switch {
	case was != "":
		ended := t.endShare(in.KeepPending)
		if t.keep(state.without()) {
			ended()
			s.Beside, s.BesideLost = Version{}, Lost{}
			t.log(slog.LevelInfo, "a candidate ended", "candidate", rules.ShortOf(was), "share", shareOf(share), "live", rules.ShortOf(s.Version.Hash))
		}
	case share != 0:
		// The pack is live in these chats only. In all of them it was in shadow before.
		state.Mode, state.Share, state.Limit, state.Why = rules.Shadow, 0, rules.Rate{}, ""
		state.Author, state.Until, state.Under = Author{}, time.Time{}, Under{}
		state.PendingKept = in.KeepPending
		t.out.Keep.Pending = map[string]bool{"": state.PendingKept}
		if t.keep(state) && !state.PendingKept {
			t.dropInactive()
		}
	}
}

// apply ends the share of the candidate, and says why.
func (in LimitCandidate) apply(t *step) {
	s := &t.s
	c := s.beside()
	if c == nil || s.Share == 0 || c.raises(in.Limit) {
		return
	}
	state, share := s.PackState, s.Share
	ended := t.endShare(false)
	if !state.Until.IsZero() {
		state = t.endTimed("the candidate")
	}
	if state.Share, state.PendingKept = 0, false; s.modeBy(state) == rules.Live {
		state.Limit = in.Limit
	}
	t.out.Keep.Pending[""] = false
	if t.keep(state) {
		ended()
		t.dropInactive()
		t.log(slog.LevelError, "candidate switched to shadow: the live version runs in all chats", "candidate", rules.ShortOf(c.Hash), "share", shareOf(share), "live", rules.ShortOf(s.Version.Hash),
			"why", in.Limit.Reached(), "hint", diag.PackCommand("mode", s.Pack, "live", "--share="+share.String())+" makes it live again; the count then starts from zero")
	}
}

// limitReached returns the limit for which the share of the candidate ended; zero: it did not.
func (p *PackState) limitReached() rules.Rate {
	if p.Candidate == "" || p.Share != 0 || p.Mode == rules.Shadow {
		return rules.Rate{}
	}
	return p.Limit
}

// shareOf formats the share of a candidate, of which 0 has no chat.
func shareOf(s rules.Share) string {
	if s == 0 {
		return "0%"
	}
	return s.String()
}

// endShare notes in Commands.Keep that the candidate is no longer live in its share. The
// caller calls ended once the new state is kept.
func (t *step) endShare(keepPending bool) (ended func()) {
	version := t.s.Candidate
	if version == "" || t.s.Share == 0 || t.s.Version.Hash == version {
		return func() {} // one that is live instead of another version stays live in all chats
	}
	k := &t.out.Keep
	k.Marks, k.Pending = map[string]bool{version: false}, map[string]bool{version: keepPending}
	return func() {
		if !keepPending {
			t.s.rolledBack(version)
			t.drop(Drop{Version: version, Why: DropRolledBack, By: Cause{Kind: ByCommand}.String()})
		}
	}
}

// promoteCandidate makes the candidate live in all chats, with a state that has the mode.
// The files of the pack are other ones: until the next edit they are not live, as after a
// rollback.
func (t *step) promoteCandidate(state PackState) {
	s, from, to := &t.s, t.s.Version, t.s.Beside
	state.Candidate, state.Share, state.PendingKept = "", 0, false
	state.Live, state.Settings = to.Hash, to.Settings
	if state = state.unpinned(); s.Files.Version != to.Hash {
		state.Pinned, state.PinnedOver, state.Promoted = to.Hash, s.Files.Version, true
		state.PinnedWithoutFiles = s.Files.Version == ""
	}
	t.out.Keep.Marks = map[string]bool{to.Hash: true}
	t.out.Keep.Pending = map[string]bool{"": false}
	if !t.keep(state) {
		return
	}
	t.giveUp()
	s.Tried, s.Verdict, s.Since, s.KeptOf, s.Trial = nil, Verdict{}, t.now, "", nil
	s.Beside, s.BesideLost = Version{}, Lost{}
	t.take(to, nil)
	if s.Files.Version != to.Hash {
		s.Verdict = s.verdictPinned(Cause{})
		s.Logged = Logged{Content: s.Files.Content, Verdict: Verdict{Kind: Pinned, Pin: s.Pinned}} // logged below
	}
	t.log(slog.LevelInfo, "a candidate was made live", "version", rules.ShortOf(to.Hash), "from", rules.ShortOf(from.Hash))
}

// overtaken ends the candidate in a state in which the same version is live.
func (p PackState) overtaken() PackState {
	if p.Candidate != "" && p.Candidate == p.Live {
		return p.without()
	}
	return p
}

// without returns the state without its candidate.
func (p PackState) without() PackState {
	if p.limitReached() != (rules.Rate{}) {
		p.Limit = rules.Rate{}
	}
	p.Candidate, p.Share = "", 0
	if p.Under.Candidate != "" {
		p.Under.Candidate, p.Under.Share = "", 0 // tried again, it begins in no chat
	}
	return p
}

// apply takes over the candidate as it was loaded. What one has pending in its share that does
// not load any more is dropped: it may need what is not granted any more.
func (in CandidateLoaded) apply(t *step) {
	s := &t.s
	news := !s.BesideLost.same(in.Lost)
	s.Beside, s.BesideLost, s.BesideRevision = in.Version, in.Lost, s.Config.Revision
	switch {
	case s.Share == 0:
	case in.Version.Runs():
		t.countShare()
	default:
		s.rolledBack(s.Candidate)
		t.drop(Drop{Version: s.Candidate, Why: DropOff})
	}
	if err := in.Lost.Err(); err != nil && news {
		t.log(slog.LevelError, "a candidate can't be loaded again: the live version runs in all chats", "candidate", rules.ShortOf(s.Candidate), "err", err,
			"hint", "correct what err names, or end it: "+diag.PackCommand("rollback", s.Pack))
	}
}
