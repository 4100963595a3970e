package live

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"chertd/luabind/diag"
	"chertd/rules"
)

// WatchOptions configure the watch of a folder. Zero fields take the defaults.
type WatchOptions struct {
	// Quiet is how long a pack's files must be unchanged before a change of them is
	// reported; default 100 ms. It is counted for each pack separately.
	Quiet time.Duration
	// MaxWait bounds how long further changes can delay the report; default 2 s.
	MaxWait time.Duration
	// Poll is how often contents are read to find changes without a notification, as on
	// network file systems; default 2 s.
	Poll time.Duration
	// Since is the content that was loaded (Set.Content): a change between then and the
	// start of the watch is reported immediately. "" is the content when the watch starts.
	Since string
	// Loaded returns the content that was loaded last, by any reading. If it differs from
	// the folder's content a change is reported, even if the watch has seen no change
	// itself. Nil: nobody else reads the folder.
	Loaded func() string
	// Busy is called with the packs whose files are changing, by the names of their
	// files and folders in the rules folder, whenever this set changes: a reading
	// because of other packs must leave them as they were. It must not write to the map.
	// Nil is allowed.
	Busy func(names map[string]bool)
	// Known are the names of files and folders of packs. Of a folder that holds too
	// many entries the watch reads these alone. Nil: none.
	Known func() []string
	// Log gets the failures of notifications, after which the watch polls; nil discards
	// them.
	Log *slog.Logger

	began func() // called once everything is watched; may be nil
}

const (
	defaultQuiet   = 100 * time.Millisecond
	defaultMaxWait = 2 * time.Second
	defaultPoll    = 2 * time.Second
)

func (o *WatchOptions) setDefaults() {
	o.Quiet = cmp.Or(o.Quiet, defaultQuiet)
	o.MaxWait = cmp.Or(o.MaxWait, defaultMaxWait)
	o.Poll = cmp.Or(o.Poll, defaultPoll)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Busy == nil {
		o.Busy = func(map[string]bool) {}
	}
	if o.Known == nil {
		o.Known = func() []string { return nil }
	}
}

// Seen is a rules folder that has changed and been quiet.
type Seen struct {
	Reason string        // what changed, for the log
	Folder *rules.Folder // as it was read then; nil: it was not read
	began  time.Time     // when reading it began
}

// Watch calls changed each time the content of a rules folder has changed and been
// quiet, until ctx is done, with the folder as it has read it. It blocks, and calls from
// its own goroutine: one call ends before the next begins, and reports what changed
// meanwhile. The watch continues if the folder becomes unreadable, disappears, is replaced
// or is a symlink that now leads to another folder.
func Watch(ctx context.Context, dir string, o WatchOptions, changed func(Seen)) {
	o.setDefaults()
	n, err := newNotifier()
	if err != nil {
		// The machine is out of inotify instances.
		o.Log.Warn("file watching is unavailable: the rules are polled", "dir", dir, "every", o.Poll.String(), "err", err, "hint", watchHint(err))
	}
	defer n.close()
	watch(ctx, dir, o, n, changed)
}

// notifier is a source of notifications; the zero value has none.
type notifier struct {
	events <-chan fsnotify.Event
	errors <-chan error
	add    func(dir string) error
	remove func(dir string) error
	close  func() error
}

func newNotifier() (notifier, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		silent := func(string) error { return nil }
		return notifier{add: silent, remove: silent, close: func() error { return nil }}, err
	}
	return notifier{w.Events, w.Errors, w.Add, w.Remove, w.Close}, nil
}

// watcher is one run of Watch; it belongs to one goroutine.
type watcher struct {
	dir      string // as given: in reports
	abs      string // the same, absolute: in notifications
	opts     WatchOptions
	notify   notifier
	watched  map[string]fs.FileInfo // folders with a notification, and which folder it was
	reported snapshot               // the content of each part at its last report
	waiting  map[string]*unquiet    // parts that have changed and wait to be reported; "" is the folder as a whole
	timer    *time.Timer            // runs while some wait
	lastFail string                 // the failure that was logged last: it is not logged again at each poll
}

func watch(ctx context.Context, dir string, o WatchOptions, n notifier, changed func(Seen)) {
	o.setDefaults()
	w := &watcher{dir: dir, abs: filepath.Clean(dir), opts: o, notify: n, watched: map[string]fs.FileInfo{}, waiting: map[string]*unquiet{}}
	if abs, err := filepath.Abs(dir); err == nil {
		w.abs = abs
	}
	w.timer = time.NewTimer(time.Hour)
	w.timer.Stop()
	defer w.timer.Stop()
	poll := time.NewTicker(o.Poll)
	defer poll.Stop()

	w.rewatch() // before the first look, so that no change is missed
	now, seen := w.look()
	w.reported = now
	if o.Since != "" && o.Since != now.content {
		seen.Reason = "the folder changed before it was watched"
		changed(seen)
	}
	if o.began != nil {
		o.began()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case ev, ok := <-w.notify.events:
			if !ok {
				w.notify.events = nil
				continue
			}
			if w.concerns(ev) {
				w.stir(w.partOf(ev), "")
				if ev.Has(fsnotify.Create) && isFolder(ev.Name) {
					w.watchNew(filepath.Clean(ev.Name)) // writes into it delay the report, too
				}
			}
		case err, ok := <-w.notify.errors:
			if !ok {
				w.notify.errors = nil
				continue
			}
			// Notifications were lost, or a folder can't be watched: look at all.
			w.trouble(err)
			w.stir("", "")
		case <-poll.C:
			w.rewatch()
			now, _ := w.look()
			differing := now.differing(w.reported)
			for _, part := range differing {
				if w.waiting[part] == nil {
					w.stir(part, cmp.Or(now.parts[part].hash, "gone"))
				}
			}
			if len(differing) == 0 && len(w.waiting) == 0 && w.outdated(now) {
				w.stir("", now.parts[""].hash)
			}
		case <-w.timer.C:
			if seen, ok := w.settled(); ok {
				changed(seen)
			}
			w.wind()
		}
	}
}

// partOf returns the part that a notification is about.
func (w *watcher) partOf(ev fsnotify.Event) string {
	rel, err := filepath.Rel(w.abs, filepath.Clean(ev.Name))
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return ""
	}
	first, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
	return partOf(first)
}

// outdated reports whether somebody else loaded a content that the watch did not see.
func (w *watcher) outdated(now snapshot) bool {
	return w.opts.Loaded != nil && w.opts.Loaded() != now.content
}

// look reads the folder.
func (w *watcher) look() (snapshot, Seen) {
	seen := Seen{began: time.Now()}
	seen.Folder = rules.ReadFolder(w.dir, rules.FolderOptions{Known: w.opts.Known()})
	return snap(seen.Folder), seen
}

// concerns reports whether a notification may be about the rules. Of the
// folder's parent only the folder's own name matters.
func (w *watcher) concerns(ev fsnotify.Event) bool {
	name := filepath.Clean(ev.Name)
	if name == w.abs {
		return true
	}
	if filepath.Dir(name) == filepath.Dir(w.abs) {
		return false
	}
	// A config map changes when its link ..data is replaced.
	base := filepath.Base(name)
	return strings.HasPrefix(base, "..") || base == rules.IgnoreName || !rules.Noise(base)
}

func (w *watcher) trouble(err error) {
	if err.Error() != w.lastFail {
		w.opts.Log.Warn("file watching is degraded: the rules are polled as well", "dir", w.dir, "every", w.opts.Poll.String(), "err", err, "hint", watchHint(err))
	}
	w.lastFail = err.Error()
}

// watchHint returns the fix of an inotify error: its limits have the error texts of
// other causes.
func watchHint(err error) string {
	switch files := diag.OpenFilesHint(err); {
	case files != "":
		return files + "; or that of inotify instances: sysctl fs.inotify.max_user_instances=512"
	case errors.Is(err, syscall.ENOSPC):
		return "raise the limit of inotify watches: sysctl fs.inotify.max_user_watches=524288"
	}
	return "edits are found by polling; `chertd reload` loads them immediately"
}
