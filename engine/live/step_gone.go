package live

import (
	"time"

	"chertd/rules"
)

// goneFor is how long a pack must be missing before it counts as removed.
const goneFor = 2 * time.Second

// missing decides what becomes of a pack whose files are gone. It goes if the folder
// was read to its end, another pack remains, and it stays so for a while; else it is
// kept.
func (t *step) missing(in Missing) {
	s := &t.s
	never := s.Live == "" && !s.Version.Runs()
	t.giveUp()
	s.Tried, s.Half = nil, Half{}
	if in.Unread {
		// The files may still be there: the time that they have been missing starts again.
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
	if never && (!s.CanVeto() || in.PathTaken) {
		// Its files are another's, by the name in pack.yaml, or it can be missed. What an
		// operator said of it stays.
		s.Gone, s.Files, s.Verdict = true, Edit{Mode: s.Files.Mode}, why
		t.out.Forget = s.PackState == PackState{Pack: s.Pack}
		return
	}
	if !s.PinnedWithoutFiles && (in.Others || never) {
		if s.Missed.IsZero() {
			s.Missed = t.now
		}
		if !t.now.Before(s.Missed.Add(goneFor)) {
			t.logRemoved(why)
			t.remove(Remove{})
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
	mode, _ := s.ModeNow()
	veto := s.CanVeto()
	if s.Version.Runs() {
		veto = s.Version.CanVeto
	}
	return veto && mode == rules.Live
}

// remove forgets a pack, but for what an operator said of it, and drops what it has
// waiting. It is forgotten last: if the process ends before, the next start finds it
// gone again.
func (t *step) remove(in Remove) {
	s := &t.s
	if in.Operator {
		t.logRemovedByCommand()
		s.PackState = PackState{Pack: s.Pack}
	}
	said := s.PackState
	said.Live, said.Settings = "", ""
	t.drop(Drop{Why: DropRemoved, Forget: true, Said: said, KeepPending: in.KeepPending})
	t.s = Standing{PackState: said, Path: s.Path, Gone: true, Verdict: Verdict{Kind: FilesGone}, Back: s.Back,
		Config: s.Config}
	t.out.Forget = said == PackState{Pack: said.Pack}
}
