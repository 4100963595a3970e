package live

import (
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

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
	Version      Version
	Refused      Verdict // its Kind is FilesLive if the edit may go live
	Diagnostics  diag.List
	Restores     time.Time // when the version that it restores was rolled back; zero: none was
	MayVeto      bool
	Empty        bool
	Before       Record // of the version that was live
}

// Logged is a refusal that was logged.
type Logged struct {
	Content string
	Verdict Verdict
}
