package live

import (
	"maps"
	"slices"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Standing is the record of one pack: which version is live, and why. It is a value:
// Step returns a changed copy and leaves its argument as it was, slices and maps
// included.
type Standing struct {
	PackState // as the store keeps it

	// What is live. The zero Version is nothing.
	Version   Version
	Since     time.Time // live since
	Revision  int       // of the configuration under which it was loaded last
	Warnings  diag.List
	Unfit     diag.List // settings in chertd.yaml that do not fit it: it runs with those that the pack had
	Defaults  bool      // it runs with its defaults in the place of Unfit
	InsteadOf string    // the version that should be live, and needs more than is granted
	Lost      Lost      // why the version that should be live is not

	// What runs beside it.
	Beside         Version // PackState.Candidate as it is loaded; zero: it is not
	BesideRevision int     // of the configuration under which it was loaded, or could not be
	BesideLost     Lost    // why it can't be loaded

	// What the files are.
	Files     Edit         // as they were read last; without a version they are gone
	Verdict   Verdict      // on them
	Path      string       // of them, or where they were
	Empty     bool         // they load, and have no rules
	EditVeto  bool         // they may veto, or nobody can know
	LastVeto  bool         // the same of the version that was live last
	Unwritten string       // version of files that were there at the start, never live, and empty
	Gone      bool         // they are gone, and the pack is remembered
	Unread    bool         // the folder can't be read: their state is unknown
	Missed    time.Time    // since when they are gone; zero: they are not
	Complete  []rules.File // as they were when they last looked complete; nil: not known
	Half      Half         // since when they look half written

	// Trials of edits and of new versions.
	Trying *Try   // its specs are running
	Tried  *Try   // to be used at the next reading
	Trial  *Trial // nil: there is none
	Logged Logged // the refusal that was logged last

	// Pending work.
	Back   map[string]bool // versions that were rolled back, and whose pending work is dropped
	KeptOf string          // version that was rolled back and whose pending work was kept

	Config PackConfig
}

// PackConfig is what the configuration sets of a pack, and of all.
type PackConfig struct {
	Revision int           // of the configuration
	Mode     rules.Mode    // "": it does not say
	Gate     bool          // edits pass a gate
	Settle   time.Duration // how long files that look half written are left alone
}

// Version is a version of a pack that loads.
type Version struct {
	Hash    string // rules.Pack.Version
	Built   string // hash of all that it is made of, the configuration included
	Specs   string // hash of its specs
	CanVeto bool
	Mode    rules.Mode // by its pack.yaml; "": it does not say
	Reads   rules.Rate // limits.reads
	Rules   []string   // names of its rules
	// Settings is what chertd.yaml sets of the pack, as JSON.
	Settings string
	Pack     *rules.Pack // what runs; Step only passes it on
}

// Runs reports whether there is a version.
func (v *Version) Runs() bool { return v.Hash != "" }

// withSpecs returns the version with the specs that are among these files.
func (v Version) withSpecs(files []rules.File, specs string) Version {
	if v.Pack != nil {
		v.Pack = v.Pack.WithFiles(files)
	}
	v.Specs = specs
	return v
}

// Record counts the events of a version that was live.
type Record struct {
	Version          string // "": it is not kept
	Events, Failures int64
}

// Trial is the trial of a new version, for its first events.
type Trial struct {
	Version string
	Before  string // the version to go back to
	// Events and Failures are what was counted before, in another process.
	Events, Failures int64
}

// clone copies what Step changes in place.
func (s *Standing) clone() Standing {
	c := *s
	c.Back = maps.Clone(s.Back)
	return c
}

// rolledBack notes that the pending work of a version is dropped.
func (s *Standing) rolledBack(version string) {
	if s.Back == nil {
		s.Back = map[string]bool{}
	}
	s.Back[version] = true
}

// modeNow returns the pack's mode, and where it is set: "command", "chertd.yaml",
// "pack.yaml" or "default", or why chertd set it.
func (s *Standing) modeNow() (mode rules.Mode, by string) {
	own := s.Files.Mode
	if s.Version.Runs() {
		own = s.Version.Mode
	}
	switch {
	case s.Mode != "" && s.Why != "":
		return s.Mode, s.Why
	case s.Mode != "":
		return s.Mode, "command"
	case s.Config.Mode != "":
		return s.Config.Mode, "chertd.yaml"
	case own != "":
		return own, "pack.yaml"
	}
	return rules.Live, "default"
}

// modeDrop returns the drop of what is pending of a pack that is not live.
func (s *Standing) modeDrop() Drop {
	mode, by := s.modeNow()
	switch {
	case s.Mode == "":
		by = "by " + by
	case s.Why == "":
		by = s.commandWords()
	}
	return Drop{Pack: s.Pack, Why: DropWhy(mode), By: by}
}

// shareNow returns the share of the chats in which the pack is live or, with a candidate,
// the candidate is; 0: nothing is live in a share.
func (s *Standing) shareNow() rules.Share {
	if mode, _ := s.modeNow(); mode != rules.Live || s.Candidate != "" && s.beside() == nil {
		return 0
	}
	return s.Share
}

// outside returns the drop of what is pending in the chats outside the share.
func (s *Standing) outside() Drop {
	return Drop{Pack: s.Pack, Version: s.Candidate, Outside: s.Share, Why: DropShadow, By: s.commandWords()}
}

// mayVeto reports whether reads are blocked while no version is live: one of what
// was live and what the files are now is enough.
func (s *Standing) mayVeto() bool { return s.EditVeto || s.LastVeto }

// beside returns the candidate if it runs; nil: none does.
func (s *Standing) beside() *Version {
	if mode, _ := s.modeNow(); mode != rules.Live || s.Candidate == "" || s.Beside.Hash != s.Candidate ||
		!s.Version.Runs() || s.Version.Hash == s.Candidate {
		return nil
	}
	return &s.Beside
}

// inSet reports whether the live set knows the pack. Of one that it does not know
// only what an operator set is remembered.
func (s *Standing) inSet() bool {
	return s.Version.Runs() || !s.Gone || s.Live != "" || !s.Missed.IsZero()
}

// unloaded reports whether the pack has no live version and misses events by that.
// Files without rules miss nothing, nor does a new pack that somebody is writing.
func (s *Standing) unloaded() bool {
	mode, _ := s.modeNow()
	wanted := s.Live != "" || !s.Empty && s.Half.Began.IsZero()
	return s.inSet() && !s.Version.Runs() && mode == rules.Live && (wanted || s.mayVeto())
}

// blocks reports whether reads of new events are blocked because no version of the
// pack is live.
func (s *Standing) blocks() bool { return s.unloaded() && s.mayVeto() }

// loaded reports whether a version is live, and built as an edit is.
func (s *Standing) loaded(built string) bool { return s.Version.Runs() && s.Version.Built == built }

// Edit is a pack's files as they were read, not compiled yet.
type Edit struct {
	Version     string // rules.Pack.Version; "": there are no files
	Built       string // Version.Built, if they load
	Key         string // tells two readings apart, specs and configuration included
	Content     string // tells two readings apart by the files alone
	Specs       string // hash of the specs
	Path        string
	Mode        rules.Mode // by pack.yaml
	Files       []rules.File
	Unreadable  bool
	MayVeto     bool // or nobody can know; not looked up if the edit is the live version
	Unwritten   bool // it has yet to be written, and does not fail open; looked up at the start
	Diagnostics diag.List
	// Half says what of the files looks half written; zero: nothing does.
	Half HalfSign
}

// HalfSign is a sign that someone is still writing a file.
type HalfSign struct {
	File, Why string
	Open      bool // a program has it open for writing
}

// Half is since when files look half written; zero: they do not.
type Half struct {
	Key   string    // of the files
	Began time.Time // when they first did
	Due   time.Time // when they are taken as they are
}

// Try is an edit that loads, and what was found out about it.
type Try struct {
	Key, Content string
	Revision     int // of the configuration under which the edit was tried
	Version      Version
	Refused      Verdict // its Kind is FilesLive if the edit may go live
	Diagnostics  diag.List
	Restores     time.Time // when the version that it restores was rolled back; zero: none was
	MayVeto      bool
	Empty        bool
	Peers
}

// tried returns the result of an earlier trying of an edit; nil: it was not tried, or
// under another configuration, which may have another gate.
func (s *Standing) tried(key string) *Try {
	if s.Tried == nil || s.Tried.Key != key || s.Tried.Revision != s.Config.Revision {
		return nil
	}
	return s.Tried
}

// Logged is a refusal that was logged.
type Logged struct {
	Content string
	Verdict Verdict
}

func (l Logged) same(m Logged) bool {
	v, w := l.Verdict, m.Verdict
	return l.Content == m.Content && v.Kind == w.Kind && v.Time == w.Time && v.Pin == w.Pin && v.Cause == w.Cause && v.Ignored == w.Ignored &&
		slices.Equal(v.Lacks, w.Lacks) && slices.Equal(v.Diagnostics, w.Diagnostics)
}
