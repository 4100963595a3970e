package live

import (
	"log/slog"
	"slices"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// apply decides whether a pack's files go live as they are.
func (in Found) apply(t *step) {
	s, e := &t.s, in.Edit
	t.see(e)
	if in.Again {
		s.Tried = nil
	}
	if s.Trying != nil && s.Trying.Key != e.Key {
		t.giveUp()
	}
	if s.Live == "" && in.Starting && e.Unwritten {
		s.Unwritten = e.Version
	}
	if !s.loaded(e.Built) {
		s.EditVeto = e.MayVeto || s.Unwritten == e.Version
	}
	if e.Unreadable {
		// Files that can't be read are not an edit: a rollback stays in force.
		t.refuse(Try{Key: e.Key, Content: e.Content, Refused: Verdict{Kind: Unreadable, Diagnostics: e.Diagnostics}, MayVeto: s.EditVeto})
		return
	}
	if !s.settled(&e) && t.givesTime(&e, in.Waited) {
		t.fallBack()
		return
	}
	s.Complete, s.Half = e.Files, Half{}
	if s.Pinned != "" && t.pinned(&in) {
		return
	}
	switch {
	case s.loaded(e.Built) && !e.Diagnostics.Errors():
		if s.Config.Gate && s.Version.Specs != e.Specs {
			t.trySpecs(&e)
			return
		}
		t.logBack()
		s.Version = s.Version.withSpecs(e.Files, e.Specs)
		s.Revision, s.Verdict, s.Lost, s.Unfit, s.Defaults = s.Config.Revision, Verdict{Diagnostics: s.Warnings}, Lost{}, nil, false
		t.giveUp()
	case s.Trying != nil:
		t.fallBack() // its specs are running
	case s.tried(e.Key) != nil:
		s.EditVeto, s.Empty = s.Tried.MayVeto, s.Tried.Empty
		if try := *s.Tried; try.Refused.Kind != FilesLive {
			t.refuse(try)
		} else {
			try.Peers = in.Peers
			t.promote(try)
		}
	default:
		t.out.Compile = &e
	}
}

// see takes files over as they were read.
func (t *step) see(e Edit) {
	s := &t.s
	if s.Files.Version != e.Version || s.Gone || s.Unread {
		s.Verdict = Verdict{}
	}
	s.Files, s.Path, s.Empty, s.Gone, s.Unread, s.Missed = e, e.Path, false, false, false, time.Time{}
}

// pinned reports whether a rollback holds though there are files; else it has ended.
func (t *step) pinned(in *Found) bool {
	s, version := &t.s, in.Edit.Version
	state := s.PackState
	switch {
	case !s.PinnedWithoutFiles && (s.PinStays || s.PinnedOver == version):
		t.stayPinned(version)
		return true
	case s.PinStays:
		state.PinnedWithoutFiles = false // there are files, and they can go again
	case s.PinnedWithoutFiles && !in.Back.IsZero():
		state.PinnedWithoutFiles, state.PinnedOver = false, version // the files that were rolled back are there again
	default:
		state = state.unpinned() // an edit, also one that restores what was rolled back earlier
	}
	if !t.keep(state) {
		t.fallBack()
		return true
	}
	if state.Pinned == "" {
		return false
	}
	t.stayPinned(version)
	return true
}

// stayPinned leaves a pack at the version that a rollback made live.
func (t *step) stayPinned(version string) {
	s := &t.s
	t.giveUp()
	logged := Logged{Content: s.Files.Content, Verdict: Verdict{Kind: Pinned, Pin: s.Pinned}}
	switch {
	case version == s.Pinned:
		t.logBack()
		s.Verdict = Verdict{}
	case !s.Logged.same(logged):
		s.Logged, s.Verdict = logged, s.verdictPinned(Cause{})
		t.logPinned()
	case s.Verdict.Kind == FilesLive:
		s.Verdict = s.verdictPinned(Cause{})
	}
	s.Tried = nil
	if state := s.PackState; state.Live != state.Pinned {
		// The store keeps it first, so that the same version is live after a restart.
		state.Live = state.Pinned
		if !t.keep(state) {
			s.LastVeto = s.LastVeto || !s.Version.Runs() // nobody can know
			t.fallBack()
			return
		}
	}
	t.recall(s.Pinned)
}

// verdictPinned is the verdict on files of a pack that was rolled back.
func (s *Standing) verdictPinned(cause Cause) Verdict {
	if s.Promoted {
		return Verdict{Kind: CandidateLive, Pin: s.Pinned}
	}
	if s.PinStays {
		return Verdict{Kind: Pinned, Pin: s.Pinned}
	}
	return Verdict{Kind: RolledBack, Pin: s.Pinned, Cause: cause}
}

// logBack logs that files which were not live equal the live version again.
func (t *step) logBack() {
	if t.s.Logged.Verdict.Kind != FilesLive && t.s.Version.Runs() {
		t.log(slog.LevelInfo, "the files match the live version again", "version", rules.ShortOf(t.s.Version.Hash))
	}
	t.s.Logged = Logged{}
}

// trySpecs has the gate decide about an edit that changes the specs alone: it passes
// the gate as any, and the rules stay live whatever that finds.
func (t *step) trySpecs(e *Edit) {
	s := &t.s
	switch {
	case s.Trying != nil: // they are running
	case s.tried(e.Key) != nil:
		t.refuse(*s.Tried)
		return
	default:
		t.gate(Try{Key: e.Key, Content: e.Content, Version: s.Version.withSpecs(e.Files, e.Specs), Diagnostics: s.Warnings, MayVeto: s.EditVeto}, nil)
	}
	t.fallBack()
}

// gate has the gate run.
func (t *step) gate(try Try, diags diag.List) {
	s := &t.s
	s.Tried, s.Trying, s.Verdict = nil, &try, Verdict{Kind: GateRuns, Diagnostics: diags}
	t.out.RunGate = true
}

// apply continues with an edit whose files were compiled.
func (in Compiled) apply(t *step) {
	s, e := &t.s, &in.Edit
	s.EditVeto, s.Empty = in.MayVeto || s.Unwritten == e.Version, in.Empty
	try := Try{Key: e.Key, Content: e.Content, Version: in.Version, Refused: in.Refused, Diagnostics: in.Diagnostics,
		Restores: in.Back, MayVeto: s.EditVeto, Empty: s.Empty, Peers: in.Peers}
	switch {
	case in.Refused.Kind != FilesLive:
		t.refuse(try)
	case in.Known && s.Live == e.Version:
		// It was live already: the process is new, or the configuration is.
		if s.Version.Hash != e.Version {
			s.Since = in.Last
			if in.Resume != nil {
				s.Trial = in.Resume
			}
		}
		t.take(in.Version, in.Diagnostics)
		if s.Config.Gate && in.Kept != nil {
			// Its specs were changed since that version went live first, and may fail.
			s.Version = s.Version.withSpecs(in.Kept, in.KeptSpec)
			t.trySpecs(e)
		}
	case s.Config.Gate:
		// Also one that was live before: only a rollback is exempt.
		t.gate(try, in.Diagnostics)
		t.fallBack()
	default:
		t.promote(try)
	}
}

// apply settles an edit that was tried.
func (in Gated) apply(t *step) {
	s := &t.s
	if s.Trying == nil {
		return
	}
	try := *s.Trying
	s.Trying = nil
	try.Peers = in.Peers
	switch {
	case in.Cut:
		s.Verdict.Kind = GateCut
	case in.Refused != FilesLive:
		try.Version, try.Refused = Version{}, Verdict{Kind: in.Refused, Diagnostics: in.Diagnostics}
		t.refuse(try)
	case s.loaded(try.Version.Built):
		s.Version = s.Version.withSpecs(s.Files.Files, s.Files.Specs)
		s.Tried, s.Logged, s.Verdict = nil, Logged{}, Verdict{Diagnostics: append(slices.Clip(try.Diagnostics), in.Diagnostics...)}
		t.logSpecs()
	default:
		try.Diagnostics = append(slices.Clip(try.Diagnostics), in.Diagnostics...)
		t.promote(try)
	}
}

// apply leaves a pack as it was of which the name is several packs', or in whose place
// there are no rules: that is an edit that leaves it without one.
func (in Refused) apply(t *step) {
	s, e := &t.s, in.Edit
	s.Empty = s.Empty && in.Verdict.Kind == NoRules
	s.Files, s.Path, s.EditVeto, s.Half, s.Gone, s.Unread, s.Missed = e, e.Path, e.MayVeto, Half{}, false, false, time.Time{}
	t.refuse(Try{Content: e.Content, Refused: in.Verdict, MayVeto: e.MayVeto})
}
