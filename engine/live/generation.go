package live

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// standing is how one pack stands.
type standing struct {
	state PackState
	live  *rules.Pack // nil: none
	word  int         // under which live was made
	since time.Time   // live since, as far as this process knows or was told

	path     string         // of its files
	edit     string         // version of its files as they are now; "": they are gone
	content  string         // of these files, specs included
	manifest rules.Manifest // of its files as they are now
	notLive  string         // why they are not live, in words; "": they are
	diags    diag.List      // what is wrong with them, or what they are warned of
	warnings diag.List      // of the live version
	lost     string         // why the version that ought to be live can't be had
	lostWhy  diag.List      // what is wrong with it, if that is why
	// earlier is why the live version continues with the settings that it had: what
	// does not fit it in those of now.
	earlier   diag.List
	defaults  bool      // not with those, which are not known: without what does not fit
	insteadOf string    // the version that ought to be live, and needs more than is granted; live needs less
	editVeto  bool      // the files as they are now may veto, or nobody can know
	unwritten string    // version of the files that were there at the start, never live, and empty
	lastVeto  bool      // so may the version that was live last
	empty     bool      // the files as they are now load, and have no rules
	gone      bool      // the files are gone, and the pack is kept
	unread    bool      // the folder can't be read: nobody knows how the files are
	missed    time.Time // gone since; zero: not

	complete []rules.File // the files as they were when they last looked complete; nil: not known
	half     half         // how the files look half written; zero: they do not

	trying *trying         // the edit whose specs are running
	tried  *verdict        // on the edit, so that it is not tried at each reading
	back   map[string]bool // versions that were rolled back and had to drop what waits
	kept   bool            // what waits was kept when the mode became another
	keptOf string          // version that was rolled back and whose reads were kept
	// rulesGone says that reads of deleted rules were to be dropped when the
	// process last ended.
	rulesGone bool

	said   string        // the refusal of an edit that was logged last
	change *rules.Change // what the last edit that went live changed; nil: none did since the start
}

// verdict is what was found out about an edit.
type verdict struct {
	key     string // of the edit under the configuration
	content string // of its files
	// restores is when the version that it restores was rolled back; zero: none was.
	restores time.Time
	pack     *rules.Pack // it may go live; nil: it may not
	diags    diag.List
	why      string
	veto     bool // the edit may veto
	empty    bool // it has no rules
}

// canVeto reports whether reads are blocked while no version is live: one of what
// was live and what its files are now is enough.
func (s *standing) canVeto() bool { return s.editVeto || s.lastVeto }

// wanted reports whether there are rules that ought to be live: files without any
// miss nothing, nor does a new pack that somebody is still writing.
func (s *standing) wanted() bool {
	return s.state.Live != "" || !s.empty && s.half.began.IsZero()
}

// pinStays reports whether a rollback is in force that edits do not end.
func (s *standing) pinStays() bool {
	return s.state.Pinned != "" && (s.state.PinnedOver == "" || s.state.PinnedOver == noFilesKept)
}

// whyPinned says why the files of a pack that was rolled back are not live; why
// is why it was, if that is known.
func (s *standing) whyPinned(why string) string {
	to := rules.ShortOf(s.state.Pinned)
	switch {
	case s.pinStays():
		return "pinned to " + to + " by rollback --pin"
	case why != "":
		return "rolled back to " + to + ": " + why
	}
	return "rolled back to " + to
}

// saidPinned is what said is once whyPinned was logged of the files.
func (s *standing) saidPinned() string { return "pinned " + s.state.Pinned + " " + s.content }

// whyNone says why a pack has no version that is live.
func (s *standing) whyNone() string {
	if s.lost != "" {
		return s.lost
	}
	if s.notLive == "" {
		return "it could not be looked at"
	}
	return s.notLive
}

// whyNotLive says why the files as they are now are not live, and which version is
// if it is not the one that ought to be; "": they are.
func (s *standing) whyNotLive() string {
	if s.live == nil {
		return s.notLive
	}
	var all []string
	if s.notLive != "" {
		all = append(all, s.notLive)
	}
	if s.insteadOf != "" {
		all = append(all, fmt.Sprintf("version %s is live instead of %s, which was and needs more", s.live.ShortVersion(), rules.ShortOf(s.insteadOf)))
	}
	if len(s.earlier) > 0 {
		all = append(all, "version "+s.live.ShortVersion()+" "+s.whySettings())
	}
	return strings.Join(all, "; ")
}

// problems are what is wrong with the pack's files, and with what ought to be live.
func (s *standing) problems() diag.List {
	said := func(d diag.Diagnostic) bool { // the files are those of the version that is lost
		return d.Severity == diag.SeverityError && strings.Contains(s.lost, d.Message)
	}
	if s.lost == "" || slices.ContainsFunc(s.diags, said) {
		diags := s.diags
		for _, d := range s.earlier {
			if !slices.Contains(diags, d) {
				diags = append(slices.Clip(diags), d)
			}
		}
		return diags
	}
	all := slices.Clone(s.diags)
	if s.lostWhy == nil {
		return append(all, diag.Diagnostic{File: s.path, Severity: diag.SeverityError, Message: s.lost})
	}
	for _, d := range s.lostWhy {
		if !slices.Contains(all, d) { // the files may be that very version
			all = append(all, d)
		}
	}
	return all
}
