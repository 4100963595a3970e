package rules

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"chertd/luabind"
)

// WatchOptions says how a folder is watched. Zero fields take the defaults.
type WatchOptions struct {
	// Quiet is how long nothing must happen before a change is told; default 100 ms.
	Quiet time.Duration
	// MaxWait bounds how long changes that don't stop can put that off; default 2 s.
	MaxWait time.Duration
	// Poll is how often contents are read to find what no notification told of,
	// as on network file systems; default 2 s.
	Poll time.Duration
	// Since is the content that was loaded (Set.Content): what changed between
	// then and the start of the watch is told at once. "" is what is there when
	// the watch starts.
	Since string
	// Loaded says what content was read last by whoever reads the folder, this
	// watch or somebody else: what they read and is no longer there is told as
	// well, though it came and went between two looks. nil: nobody else reads.
	Loaded func() string
	// Log gets what hinders the watching, which goes on by polling; nil: nobody.
	Log *slog.Logger

	began func() // called once everything is watched; nil: nobody waits for it
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
}

// Watch calls changed each time the content of a rules folder has changed and
// been quiet, until ctx is done. It blocks, and calls from its own goroutine:
// one call ends before the next begins, and what changes meanwhile is told
// after it. reason says what changed, for the log. Whatever becomes of the
// folder (unreadable, gone, replaced, a symlink turned elsewhere), the watch
// goes on.
func Watch(ctx context.Context, dir string, o WatchOptions, changed func(reason string)) {
	o.setDefaults()
	n, err := newNotifier()
	if err != nil {
		// The machine is out of inotify instances.
		o.Log.Warn("changes of the rules are found by polling alone", "dir", dir, "every", o.Poll, "error", err, "hint", watchHint(err))
	}
	defer n.close()
	watch(ctx, dir, o, n, changed)
}

// notifier is what tells of changes; a zero one never does.
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
	dir      string // as given: in what is told
	abs      string // the same, absolute: in notifications
	opts     WatchOptions
	notify   notifier
	watched  map[string]fs.FileInfo // folders with a notification, and which folder it was
	told     snapshot               // what changed was last called for
	polled   string                 // content that a poll saw and that has yet to stay the same
	timer    *time.Timer            // runs while a change waits to be told
	since    time.Time              // when the waiting began; zero: nothing waits
	lastFail string                 // trouble logged last, not to repeat it each poll
}

func watch(ctx context.Context, dir string, o WatchOptions, n notifier, changed func(reason string)) {
	o.setDefaults()
	w := &watcher{dir: dir, abs: filepath.Clean(dir), opts: o, notify: n, watched: map[string]fs.FileInfo{}}
	if abs, err := filepath.Abs(dir); err == nil {
		w.abs = abs
	}
	w.timer = time.NewTimer(time.Hour)
	w.timer.Stop()
	defer w.timer.Stop()
	poll := time.NewTicker(o.Poll)
	defer poll.Stop()

	w.rewatch() // before the first look, so that nothing falls between
	w.told = w.look()
	if o.Since != "" && o.Since != w.told.content {
		changed("the folder changed before it was watched")
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
				w.stir()
				if ev.Has(fsnotify.Create) && isFolder(ev.Name) {
					w.rewatch() // what is written into it puts the telling off, too
				}
			}
		case err, ok := <-w.notify.errors:
			if !ok {
				w.notify.errors = nil
				continue
			}
			// Notifications were lost, or a folder can't be watched: look at all.
			w.trouble(err)
			w.stir()
		case <-poll.C:
			w.rewatch()
			if now := w.look(); (now.content != w.told.content || w.outdated(now)) && w.since.IsZero() {
				w.polled = now.content
				w.stir()
			}
		case <-w.timer.C:
			if reason, ok := w.settled(); ok {
				changed(reason)
			}
		}
	}
}

// stir puts the telling off until it has been quiet.
func (w *watcher) stir() {
	now := time.Now()
	if w.since.IsZero() {
		w.since = now
	}
	wait := min(w.opts.Quiet, max(0, w.since.Add(w.opts.MaxWait).Sub(now)))
	w.timer.Reset(wait)
}

// settled looks at the folder after it was quiet, and reports what changed if
// it is to be told now.
func (w *watcher) settled() (reason string, ok bool) {
	w.rewatch()
	now := w.look()
	if now.content == w.told.content {
		w.calm()
		return "the folder is no longer as it was read last", w.outdated(now)
	}
	if w.polled != "" && w.polled != now.content && time.Since(w.since) < w.opts.MaxWait {
		// No notifications come from here: quiet is what two looks agree on.
		w.polled = now.content
		w.timer.Reset(w.opts.Quiet)
		return "", false
	}
	reason = now.changes(w.told)
	w.told = now
	w.calm()
	return reason, true
}

// outdated reports whether somebody read the folder as it was between two looks.
func (w *watcher) outdated(now snapshot) bool {
	return w.opts.Loaded != nil && w.opts.Loaded() != now.content
}

func (w *watcher) calm() {
	w.timer.Stop()
	w.since, w.polled = time.Time{}, ""
}

func (w *watcher) look() snapshot { return snap(readFolder(w.dir)) }

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
	// A config map is changed by turning its ..data to another folder.
	base := filepath.Base(name)
	return strings.HasPrefix(base, "..") || base == ignoreFile || !noise(base)
}

// rewatch has the folder's parent, the folder and all folders in it notified of
// as they are now: new ones, and those whose path leads to another folder by now.
func (w *watcher) rewatch() {
	wanted := map[string]fs.FileInfo{}
	want(wanted, filepath.Dir(w.abs), 0, nil)
	want(wanted, w.abs, 2+maxLibDepth, nil)
	for path, was := range w.watched {
		if now, still := wanted[path]; !still || !os.SameFile(was, now) {
			// It fails if the folder is gone: the notification went with it.
			_ = w.notify.remove(path)
			delete(w.watched, path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(wanted)) {
		if w.watched[path] != nil {
			continue
		}
		if err := w.notify.add(path); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				w.trouble(err)
			}
			continue
		}
		w.watched[path] = wanted[path]
	}
}

// want adds a folder, and those in it down to a depth. within are the folders it
// is in: a link back to one of them is not followed.
func want(wanted map[string]fs.FileInfo, dir string, depth int, within []fs.FileInfo) {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() || slices.ContainsFunc(within, func(f fs.FileInfo) bool { return os.SameFile(f, info) }) {
		return
	}
	wanted[dir] = info
	if depth == 0 {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	within = append(slices.Clip(within), info)
	for _, e := range entries {
		if (e.IsDir() || isLink(e)) && !noise(e.Name()) {
			want(wanted, filepath.Join(dir, e.Name()), depth-1, within)
		}
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (w *watcher) trouble(err error) {
	if err.Error() != w.lastFail {
		w.opts.Log.Warn("watching the rules is hindered: they are polled as well", "dir", w.dir, "every", w.opts.Poll, "error", err, "hint", watchHint(err))
	}
	w.lastFail = err.Error()
}

// watchHint is the fix of an error of inotify's, which has limits of its own
// behind the errors of other causes.
func watchHint(err error) string {
	switch files := luabind.OpenFilesHint(err); {
	case files != "":
		return files + "; or that of inotify instances: sysctl fs.inotify.max_user_instances=512"
	case errors.Is(err, syscall.ENOSPC):
		return "raise the limit of inotify watches: sysctl fs.inotify.max_user_watches=524288"
	}
	return "an edit is live after a poll, and chertd reload takes it immediately"
}
