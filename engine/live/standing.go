package live

import (
	"maps"
	"slices"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Standing is all that is known of which version of one pack is live, and why. It
// is a value: Step returns a changed copy and leaves its argument as it was, slices
// and maps included.
type Standing struct {
	State // what the store keeps

	// Version runs; the zero Version is none. Revision is that of the configuration
	// under which it was loaded last.
	Version  Version
	Revision int
	Since    time.Time // live since
	Warnings diag.List // of Version
	// Unfit are the settings in chertd.yaml that do not fit Version: it runs with those
	// that the pack had or, with Defaults, without those that do not fit.
	Unfit     diag.List
	Defaults  bool
	InsteadOf string // the version that ought to be live, and needs more than is granted
	Lost      Lost   // why the version that ought to be live is not

	Files    Edit    // as they were read last; without a version they are gone
	Verdict  Verdict // on the files
	Path     string  // of the files, or where they were
	Gone     bool    // the files are gone, and the pack is remembered
	Unread   bool    // the folder can't be read: nobody knows how the files are
	Missed   time.Time
	Empty    bool         // the files load, and have no rules
	Complete []rules.File // the files as they were when they last looked complete; nil: not known
	Half     Half         // since when they look half written
	// EditVeto says that the files may veto, or that nobody can know; LastVeto says the
	// same of the version that was live last.
	EditVeto, LastVeto bool
	Unwritten          string // version of files that were there at the start, never live, and empty

	Trying *Try   // the edit whose specs are running
	Tried  *Try   // what was found out about the edit, to be used at the next reading
	Trial  *Trial // the version is on trial; nil: it is not

	Back        map[string]bool // versions that were rolled back, and whose pending work is dropped
	KeptPending bool            // what waits was kept when the mode became another
	KeptOf      string          // the version that was rolled back and whose reads were kept
	RulesGone   bool            // reads of deleted rules were to be dropped when the process ended

	Told     Told       // the refusal that was logged last
	Mode     rules.Mode // by chertd.yaml; "": it does not say
	Config   int        // the revision of the configuration now
	HasGate  bool       // edits pass a gate
	Settling time.Duration
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

// loses reports whether the version has rules that another does not have.
func (v *Version) loses(to *Version) bool {
	return slices.ContainsFunc(v.Rules, func(name string) bool { return !slices.Contains(to.Rules, name) })
}

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
	MayVeto     bool // or nobody can know
	Unwritten   bool // it has yet to be written, and does not say that it fails open
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
	Version      Version
	Refused      Verdict // its Kind is FilesLive if the edit may go live
	Diagnostics  diag.List
	Restores     time.Time // when the version that it restores was rolled back; zero: none was
	MayVeto      bool
	Empty        bool
	Before       Record // of the version that was live
}

// Record is how a version did that was live.
type Record struct {
	Version          string // "": it is not kept
	Events, Failures int64
}

// Trial says that a version is on trial.
type Trial struct {
	Version string
	Before  string // the version to go back to
	// Events and Failures are what was counted before, in another process.
	Events, Failures int64
}

// Told is a refusal that was logged.
type Told struct {
	Content string
	Verdict Verdict
}

// Clone copies what Step changes in place.
func (s *Standing) clone() Standing {
	c := *s
	if c.Back = maps.Clone(s.Back); c.Back == nil {
		c.Back = map[string]bool{}
	}
	return c
}

// ModeNow returns how the pack runs, and who says so.
func (s *Standing) ModeNow() (mode rules.Mode, by string) {
	own := s.Files.Mode
	if s.Version.Runs() {
		own = s.Version.Mode
	}
	switch {
	case s.Set != "" && s.Why != "":
		return s.Set, s.Why
	case s.Set != "":
		return s.Set, "command"
	case s.Mode != "":
		return s.Mode, "chertd.yaml"
	case own != "":
		return own, "pack.yaml"
	}
	return rules.Live, "default"
}

// CanVeto reports whether reads are blocked while no version is live: one of what
// was live and what the files are now is enough.
func (s *Standing) CanVeto() bool { return s.EditVeto || s.LastVeto }

// InSet reports whether the live set knows the pack. Of one that it does not know
// only what an operator said is remembered.
func (s *Standing) InSet() bool {
	return s.Version.Runs() || !s.Gone || s.Live != "" || !s.Missed.IsZero()
}

// Unloaded reports whether the pack has no live version and misses events by that.
// Files without rules miss nothing, nor does a new pack that somebody is writing.
func (s *Standing) Unloaded() bool {
	mode, _ := s.ModeNow()
	wanted := s.Live != "" || !s.Empty && s.Half.Began.IsZero()
	return s.InSet() && !s.Version.Runs() && mode == rules.Live && (wanted || s.CanVeto())
}

// Blocks reports whether reads of new events are blocked because no version of the
// pack is live.
func (s *Standing) Blocks() bool { return s.Unloaded() && s.CanVeto() }

// restored reports whether a rollback made the pack live without any files.
func (s *Standing) restored() bool {
	return s.Pin.Until == UntilFiles || s.Pin.Until == UntilUndoneNoFiles
}

// loaded reports whether a version is live, and built as an edit is.
func (s *Standing) loaded(built string) bool { return s.Version.Runs() && s.Version.Built == built }
