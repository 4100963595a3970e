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
	held   bool   // it was quiet, and waits for another that nearly is
}

// stir delays the report of a part until it has been quiet. polled is what a
// poll saw of it, or "" if it was notified of.
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

// wind sets the timer to the part that is due first.
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

// busy calls Busy with what is not quiet.
func (w *watcher) busy() {
	names := map[string]bool{}
	for part := range w.waiting {
		if part != "" {
			names[part] = true
		}
	}
	w.opts.Busy(names)
}

// settled looks at the folder after parts of it were quiet, and reports what
// changed of them if it is to be reported now.
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
			// No notifications come from here: quiet is what two looks agree on.
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
			w.stir(part, "") // its notification is still to come
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

// hold has parts that are quiet wait, once, for others that will be within half of
// Quiet: what one checkout changes in several packs is mostly reported as one.
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

// snapshot is what a rules folder held at one moment, exactly as loading sees it.
type snapshot struct {
	content  string // hash of all of it
	readable bool   // the folder itself could be read
	// parts are what each pack's file or folder holds, by its name in the rules folder;
	// "" is all else: what is ignored, what is wrong. They are never written to.
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

// differing are the parts that are not as they were before, sorted.
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

// with returns the snapshot with some parts as another has them, whose content it has.
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

// files are the files of all parts, by path.
func (s snapshot) files() map[string][sha256.Size]byte {
	all := map[string][sha256.Size]byte{}
	for _, p := range s.parts {
		maps.Copy(all, p.files)
	}
	return all
}

// changes says in a few words what is different from before.
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
