package live

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chertd/rules"
)

// unquiet is a part that waits to be reported.
type unquiet struct {
	since  time.Time
	due    time.Time
	polled string // hash that a poll saw and that has yet to stay the same; "": notified
	held   bool   // it was quiet, and waits for another part that nearly is
}

// stir delays the report of a part until it has been quiet. polled is the hash
// that a poll saw, or "" after a notification.
func (w *watcher) stir(part, polled string) {
	now := time.Now()
	p := w.waiting[part]
	if p == nil && len(w.waiting) >= rules.MaxEntries && w.reported.parts[part].hash == "" {
		part, p = "", w.waiting[""] // too many to wait for one by one
	}
	if p == nil {
		p = &unquiet{since: now, polled: polled}
		w.waiting[part] = p
		w.busy()
	}
	p.due = earlier(now.Add(w.opts.Quiet), p.since.Add(w.opts.MaxWait))
	w.wind()
}

// wind sets the timer for the part that is due first.
func (w *watcher) wind() {
	var first time.Time
	for _, p := range w.waiting {
		if first.IsZero() || p.due.Before(first) {
			first = p.due
		}
	}
	if first.IsZero() {
		w.timer.Stop()
		return
	}
	w.timer.Reset(max(0, time.Until(first)))
}

// busy calls Busy with the packs that are not quiet.
func (w *watcher) busy() {
	names := map[string]bool{}
	for part := range w.waiting {
		if part != "" {
			names[part] = true
		}
	}
	w.opts.Busy(names)
}

// settled reads the folder after parts of it were quiet, and reports their changes if
// they are due.
func (w *watcher) settled() (seen Seen, ok bool) {
	if w.hold(time.Now()) {
		return Seen{}, false
	}
	w.rewatch()
	now, seen := w.look()
	at := time.Now()
	ready := map[string]bool{}
	for part, p := range w.waiting {
		if at.Before(p.due) {
			continue
		}
		seen := cmp.Or(now.parts[part].hash, "gone")
		if p.polled != "" && p.polled != seen && at.Sub(p.since) < w.opts.MaxWait {
			// There are no notifications here: a part is quiet if two polls see the same.
			p.polled, p.due = seen, at.Add(w.opts.Quiet)
			continue
		}
		delete(w.waiting, part)
		ready[part] = true
	}
	if len(ready) == 0 {
		return Seen{}, false
	}
	w.busy()
	var parts []string
	for _, part := range now.differing(w.reported) {
		switch {
		case w.waiting[part] != nil:
		case ready[part], ready[""], part == "":
			parts = append(parts, part)
		default:
			w.stir(part, "") // its notification has not arrived yet
		}
	}
	if len(parts) == 0 {
		seen.Reason = "the folder is no longer as it was read last"
		return seen, len(w.waiting) == 0 && w.outdated(now)
	}
	next := w.reported.with(now, parts)
	seen.Reason = next.changes(w.reported)
	w.reported = next
	return seen, true
}

// hold lets quiet parts wait, once, for others that will be quiet within half of Quiet:
// most checkouts that change several packs are then reported together.
func (w *watcher) hold(at time.Time) bool {
	until := at
	for _, p := range w.waiting {
		if p.due.After(until) && !p.due.After(at.Add(w.opts.Quiet/2)) {
			until = p.due
		}
	}
	if until.Equal(at) {
		return false
	}
	held := false
	for _, p := range w.waiting {
		switch {
		case p.due.After(at):
		case p.held:
			return false
		default:
			held = true
		}
	}
	for _, p := range w.waiting {
		if held && !p.due.After(at) {
			p.due, p.held = until, true
		}
	}
	return held
}

// snapshot is the content of a rules folder at one moment, exactly as loading sees it.
type snapshot struct {
	content  string // hash of all of it
	readable bool   // the folder itself could be read
	// parts has the content of each pack's file or folder, by its name in the rules
	// folder; "" is all else: ignored files and problems. It is never written to.
	parts map[string]part
}

type part struct {
	hash  string
	files map[string][sha256.Size]byte // by path
}

// partOf is the part that a file or folder in the rules folder belongs to.
func partOf(name string) string {
	if stem, spec := strings.CutSuffix(name, "_spec.lua"); spec {
		return stem + ".lua"
	}
	if strings.HasPrefix(name, ".") {
		return "" // .chertignore, and a config map's ..data
	}
	return name
}

// snap makes a snapshot of what was read.
func snap(r *rules.Folder) snapshot {
	s := snapshot{content: r.Content(), readable: !r.Diagnostics().Errors(), parts: map[string]part{}}
	add := func(name, hash string, files []rules.File) {
		p := s.parts[name]
		if p.files == nil {
			p.files = map[string][sha256.Size]byte{}
		}
		for _, f := range files {
			p.files[f.Path] = sha256.Sum256(f.Bytes)
		}
		p.hash += hash
		s.parts[name] = p
	}
	add("", r.Rest(), r.Ignore())
	for _, src := range r.Packs() {
		add(partOf(filepath.Base(src.Path)), src.Content, src.Files)
	}
	return s
}

// differing returns the sorted names of the parts that differ from another snapshot.
func (s snapshot) differing(before snapshot) (parts []string) {
	for name, now := range s.parts {
		if was, known := before.parts[name]; !known || was.hash != now.hash {
			parts = append(parts, name)
		}
	}
	for name := range before.parts {
		if _, still := s.parts[name]; !still {
			parts = append(parts, name)
		}
	}
	slices.Sort(parts)
	return parts
}

// with returns the snapshot with the content and some parts of another.
func (s snapshot) with(now snapshot, parts []string) snapshot {
	now.parts, s.parts = maps.Clone(s.parts), now.parts
	for _, name := range parts {
		if p, there := s.parts[name]; there {
			now.parts[name] = p
		} else {
			delete(now.parts, name)
		}
	}
	return now
}

// files returns the files of all parts, by path.
func (s snapshot) files() map[string][sha256.Size]byte {
	all := map[string][sha256.Size]byte{}
	for _, p := range s.parts {
		maps.Copy(all, p.files)
	}
	return all
}

// changes describes in a few words the difference from an earlier snapshot.
func (s snapshot) changes(before snapshot) string {
	switch {
	case !s.readable && len(s.parts) <= 1:
		return "the folder can't be read"
	case s.readable && !before.readable:
		return "the folder can be read again"
	}
	var what []string
	files, filesBefore := s.files(), before.files()
	for path, now := range files {
		if was, known := filesBefore[path]; !known {
			what = append(what, path+" is new")
		} else if was != now {
			what = append(what, path+" changed")
		}
	}
	for path := range filesBefore {
		if _, still := files[path]; !still {
			what = append(what, path+" is gone")
		}
	}
	slices.Sort(what)
	const most = 3
	switch {
	case len(what) == 0:
		return "the folder changed"
	case len(what) > most+1:
		return fmt.Sprintf("%s and %d more", strings.Join(what[:most], ", "), len(what)-most)
	}
	return strings.Join(what, ", ")
}
