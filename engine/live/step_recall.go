package live

// recalled makes a kept version live, if it is not: by its files as they were, under
// the configuration as it is now. If that is not possible a version that is live
// stays as it is, but not with grants that were taken back.
func (t *step) recalled(in Recalled) {
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
		t.drop(Drop{Version: s.Version.Hash, Why: DropOff})
		s.Version = Version{}
	case !s.Version.Runs() && news && !in.Granted:
		t.drop(Drop{Version: version, Why: DropOff})
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
	t.drop(Drop{Version: version, Why: DropOff})
	was, before := s.Version.Hash, s.Unfit
	t.take(in.Less.Version, s.Verdict.Diagnostics)
	s.InsteadOf, s.Since, s.Warnings = version, in.Less.Since, nil
	s.rolledBack(version)
	t.logUnfit(&in.Less, was, before)
	t.logLess(in, could && !in.Less.Version.CanVeto)
}
