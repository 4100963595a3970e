package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chertd/rules"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"
)

// contentNow is what a set loaded from the folder now would be of.
func contentNow(dir string) string { return contentIn(dir) }

func contentIn(dir string) string {
	r := rules.ReadFolder(dir, rules.FolderOptions{})
	return r.Content()
}

// TestWatchSeesEveryWayOfSaving uses the system's notifications alone: the poll
// is an hour away.
func TestWatchSeesEveryWayOfSaving(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		prep func(t *testing.T, dir string)
		edit func(t *testing.T, dir string)
	}{
		{"written in place", nil, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "codes.lua"), "-- two")
		}},
		{"renamed over", nil, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ".codes.lua.tmp"), "-- two")
			must(t, os.Rename(filepath.Join(dir, ".codes.lua.tmp"), filepath.Join(dir, "codes.lua")))
		}},
		{"moved in from elsewhere", nil, func(t *testing.T, dir string) {
			elsewhere := filepath.Join(t.TempDir(), "new.lua")
			write(t, elsewhere, "-- new")
			must(t, os.Rename(elsewhere, filepath.Join(dir, "new.lua")))
		}},
		{"deleted and created", nil, func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "codes.lua")))
			write(t, filepath.Join(dir, "codes.lua"), "-- two")
		}},
		{"a new pack", nil, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "vip", "10.lua"), "-- vip")
			write(t, filepath.Join(dir, "vip", "lib", "deep", "x.lua"), "-- lib")
		}},
		{"a config map's ..data turned", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "..1", "map.lua"), "-- one")
			write(t, filepath.Join(dir, "..2", "map.lua"), "-- two")
			must(t, os.Symlink("..1", filepath.Join(dir, "..data")))
			must(t, os.Symlink("..data/map.lua", filepath.Join(dir, "map.lua")))
		}, func(t *testing.T, dir string) {
			must(t, os.Symlink("..2", filepath.Join(dir, "..data_tmp")))
			must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		}},
		{"a pack's own ..data turned", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "vip", "..1", "10.lua"), "-- one")
			write(t, filepath.Join(dir, "vip", "..2", "10.lua"), "-- two")
			must(t, os.Symlink("..1", filepath.Join(dir, "vip", "..data")))
			must(t, os.Symlink("..data/10.lua", filepath.Join(dir, "vip", "10.lua")))
		}, func(t *testing.T, dir string) {
			must(t, os.Symlink("..2", filepath.Join(dir, "vip", "..data_tmp")))
			must(t, os.Rename(filepath.Join(dir, "vip", "..data_tmp"), filepath.Join(dir, "vip", "..data")))
		}},
		{"a pack that is a link into ..data", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "..1", "vip", "lib", "x.lua"), "-- one")
			write(t, filepath.Join(dir, "..1", "vip", "10.lua"), "-- one")
			must(t, os.Symlink("..1", filepath.Join(dir, "..data")))
			must(t, os.Symlink("..data/vip", filepath.Join(dir, "vip")))
		}, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "..1", "vip", "lib", "x.lua"), "-- one\n-- two")
		}},
		{"the folder replaced", nil, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir+".new", "codes.lua"), "-- two")
			must(t, os.Rename(dir, dir+".old"))
			must(t, os.Rename(dir+".new", dir))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "rules")
			write(t, filepath.Join(dir, "codes.lua"), "-- one")
			if tt.prep != nil {
				tt.prep(t, dir)
			}
			calls := watchNow(t, dir, WatchOptions{Quiet: 5 * time.Millisecond, Poll: time.Hour})
			expectQuiet(t, calls)
			tt.edit(t, dir)
			awaitContent(t, dir, calls)
		})
	}
}

// TestWatchSeesEveryFolderOfAPack has the system's notifications alone tell of
// an edit at each depth, also in folders that were made after the watch began.
func TestWatchSeesEveryFolderOfAPack(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"vip/10.lua", "vip/pack.yaml", "vip/lib/phones.lua", "vip/lib/sub/x.lua", "vip/lib/sub/sub/x.lua", "vip/lib/a/b/c/x.lua",
		"vip/data/vips.txt", "vip/spec/hold_spec.lua", "vip/x_spec.lua", ".chertignore",
	} {
		text, more := "# one", "# more"
		switch {
		case strings.HasSuffix(file, ".lua"):
			text, more = "-- one", "-- more"
		case file == ".chertignore":
			text, more = "code*", "!codes.lua"
		}
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			start := func(t *testing.T, old ...string) (dir string, calls <-chan string) {
				dir = filepath.Join(t.TempDir(), "rules")
				write(t, filepath.Join(dir, "codes.lua"), "-- one")
				write(t, filepath.Join(dir, "vip", "00.lua"), "-- one")
				for _, name := range old {
					write(t, filepath.Join(dir, filepath.FromSlash(name)), text)
				}
				calls = watchNow(t, dir, WatchOptions{Quiet: 5 * time.Millisecond, Poll: time.Hour})
				expectQuiet(t, calls)
				return dir, calls
			}
			t.Run("edited", func(t *testing.T) {
				dir, calls := start(t, file)
				write(t, filepath.Join(dir, filepath.FromSlash(file)), text+"\n"+more)
				awaitContent(t, dir, calls)
			})
			t.Run("new", func(t *testing.T) {
				dir, calls := start(t)
				write(t, filepath.Join(dir, filepath.FromSlash(file)), text)
				awaitContent(t, dir, calls)
				write(t, filepath.Join(dir, filepath.FromSlash(file)), text+"\n"+more)
				awaitContent(t, dir, calls)
			})
			t.Run("deleted", func(t *testing.T) {
				dir, calls := start(t, file)
				must(t, os.Remove(filepath.Join(dir, filepath.FromSlash(file))))
				awaitContent(t, dir, calls)
			})
		})
	}
}

// A folder that is given by a relative path is watched as any. It is not parallel:
// the working directory is the process's.
func TestWatchOfAFolderGivenRelatively(t *testing.T) {
	top := t.TempDir()
	write(t, filepath.Join(top, "rules", "codes.lua"), "-- one")
	for _, tt := range []struct{ from, dir string }{{"rules", "."}, {"", "rules"}, {"rules", "../rules/"}} {
		t.Run(tt.dir, func(t *testing.T) {
			t.Chdir(filepath.Join(top, tt.from))
			calls := watchNow(t, tt.dir, WatchOptions{Quiet: 5 * time.Millisecond, Poll: time.Hour})
			expectQuiet(t, calls)
			write(t, filepath.Join(tt.dir, "codes.lua"), "-- edited from "+tt.dir)
			awaitContent(t, tt.dir, calls)
		})
	}
}

// The reason of a call names a few of the changed files.
func TestWatchTellsWhatChanged(t *testing.T) {
	t.Parallel()
	of := func(files string) snapshot { // "a1 b1": file a with content 1, …
		sums := map[string][32]byte{}
		for _, f := range strings.Fields(files) {
			sums[f[:1]] = [32]byte{f[1]}
		}
		return snapshot{readable: true, parts: map[string]part{"": {files: sums}}}
	}
	for _, tt := range []struct{ before, now, want string }{
		{"a1 b1", "a1 b1", "the folder changed"},
		{"a1 b1", "a2 b1", "a changed"},
		{"a1 b1", "b1", "a is gone"},
		{"a1", "a1 b1", "b is new"},
		{"a1 b1 c1", "a2 c1 d1", "a changed, b is gone, d is new"},
		{"", "a1 b1 c1 d1", "a is new, b is new, c is new, d is new"},
		{"", "a1 b1 c1 d1 e1", "a is new, b is new, c is new and 2 more"},
	} {
		if got := of(tt.now).changes(of(tt.before)); got != tt.want {
			t.Errorf("from %q to %q: %s, want %s", tt.before, tt.now, got, tt.want)
		}
	}
	if got := (snapshot{}).changes(of("a1")); got != "the folder can't be read" {
		t.Errorf("an unreadable folder: %s", got)
	}
}

// expectQuiet checks that a watch has reported nothing yet: its next report is of the
// edit that follows.
func expectQuiet(t *testing.T, calls <-chan string) {
	t.Helper()
	select {
	case <-calls:
		t.Fatal("the watch reported a change before anything was edited")
	default:
	}
}

// TestWatchFollowsTheFolder is about folders that are not there for a while or
// lead elsewhere; what notifications can't tell the poll does.
func TestWatchFollowsTheFolder(t *testing.T) {
	t.Parallel()
	opts := WatchOptions{Quiet: 5 * time.Millisecond, Poll: 10 * time.Millisecond}
	t.Run("a link to the folder is turned", func(t *testing.T) {
		t.Parallel()
		tmp := t.TempDir()
		dir := filepath.Join(tmp, "current")
		write(t, filepath.Join(tmp, "a", "codes.lua"), "-- a")
		write(t, filepath.Join(tmp, "b", "codes.lua"), "-- b")
		must(t, os.Symlink("a", dir))
		calls := watchNow(t, dir, opts)
		must(t, os.Symlink("b", dir+".new"))
		must(t, os.Rename(dir+".new", dir))
		awaitContent(t, dir, calls)
		write(t, filepath.Join(tmp, "b", "codes.lua"), "-- b, edited")
		awaitContent(t, dir, calls)
	})
	t.Run("it vanishes and comes back", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "deep", "rules")
		write(t, filepath.Join(dir, "codes.lua"), "-- one")
		calls := watchNow(t, dir, opts)
		must(t, os.RemoveAll(filepath.Dir(dir)))
		awaitContent(t, dir, calls)
		write(t, filepath.Join(dir, "codes.lua"), "-- two")
		awaitContent(t, dir, calls)
		write(t, filepath.Join(dir, "codes.lua"), "-- three")
		awaitContent(t, dir, calls)
	})
	t.Run("it is not there at first", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "rules")
		calls := watchNow(t, dir, opts)
		write(t, filepath.Join(dir, "codes.lua"), "-- one")
		awaitContent(t, dir, calls)
	})
}

func TestWatchTellsWhatChangedBeforeItBegan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "codes.lua"), "-- one")
	loaded := contentNow(dir)
	write(t, filepath.Join(dir, "codes.lua"), "-- two")
	calls := watchSince(t, dir, WatchOptions{Poll: time.Hour}, loaded)
	awaitContent(t, dir, calls)
}

// TestWatchEnds is not parallel: it looks at the goroutines there are.
func TestWatchEnds(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	Watch(ctx, t.TempDir(), WatchOptions{}, func(seen Seen) { t.Errorf("called for %q", seen.Reason) })
}

// watchCall is one call of a watch: when, since its start, and with what reason.
type watchCall struct {
	at     time.Duration
	reason string
}

// rig is a watch in virtual time whose notifications the test makes.
type rig struct {
	t      *testing.T
	dir    string
	start  time.Time
	events chan fsnotify.Event
	errors chan error
	calls  []watchCall
	loaded string   // content that was read last
	added  []string // folders that were watched, below the rules folder
	busy   string   // the packs that are not quiet, as last reported
	log    bytes.Buffer
}

// read reads the folder, as the watch's caller or somebody else does.
func (r *rig) read() { r.loaded = contentIn(r.dir) }

// inVirtualTime runs a test on a watch of a folder that holds codes.lua, whose
// content is long enough to be cut.
func inVirtualTime(t *testing.T, test func(r *rig)) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "codes.lua"), "-- one\nlocal a = 1\nlocal b = 2")
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, dir: dir, start: time.Now(), events: make(chan fsnotify.Event), errors: make(chan error)}
		r.read()
		ctx, cancel := context.WithCancel(t.Context())
		nothing := func(string) error { return nil }
		add := func(path string) error {
			r.added = append(r.added, strings.TrimPrefix(path, dir))
			return nil
		}
		n := notifier{r.events, r.errors, add, nothing, func() error { return nil }}
		done := make(chan struct{})
		go func() {
			defer close(done)
			options := WatchOptions{Loaded: func() string { return r.loaded }, Busy: r.setBusy, Log: slog.New(slog.NewTextHandler(&r.log, nil))}
			watch(ctx, dir, options, n, func(seen Seen) {
				reason := seen.Reason
				if r.busy != "" {
					reason += "; busy: " + r.busy
				}
				r.calls = append(r.calls, watchCall{time.Since(r.start), reason})
				r.read()
			})
		}()
		synctest.Wait()
		test(r)
		cancel()
		<-done
	})
}

func (r *rig) setBusy(names map[string]bool) {
	r.busy = strings.Join(slices.Sorted(maps.Keys(names)), " ")
}

// edit writes a file and notifies of it.
func (r *rig) edit(name, content string) {
	write(r.t, filepath.Join(r.dir, name), content)
	r.events <- fsnotify.Event{Name: filepath.Join(r.dir, name), Op: fsnotify.Write}
}

// until lets virtual time pass until at after the start.
func (r *rig) until(at time.Duration) {
	time.Sleep(at - time.Since(r.start)) // virtual
	synctest.Wait()
}

// expect compares the calls so far: each is a time and a part of the reason.
func (r *rig) expect(want ...watchCall) {
	r.t.Helper()
	ok := len(r.calls) == len(want)
	for i := range min(len(r.calls), len(want)) {
		ok = ok && r.calls[i].at == want[i].at && strings.Contains(r.calls[i].reason, want[i].reason)
	}
	if !ok {
		r.t.Errorf("the watch called %v, want %v", r.calls, want)
	}
}

const ms = time.Millisecond

func TestWatchWaitsForQuiet(t *testing.T) {
	inVirtualTime(t, func(r *rig) {
		for i, at := range []time.Duration{10 * ms, 90 * ms, 180 * ms} {
			r.until(at)
			r.edit("codes.lua", strings.Repeat("-- edit\n", 6+i))
		}
		r.until(time.Second)
		r.expect(watchCall{280 * ms, "codes.lua changed"})
	})
}

// Notifications that can't be about the rules do not delay a report.
func TestWatchConcerns(t *testing.T) {
	t.Parallel()
	w := &watcher{abs: "/srv/rules"}
	for name, want := range map[string]bool{
		"/srv/rules": true, "/srv/rules/": true, "/srv/other": false, "/srv/.rules": false, "/srv/rules.new": false,
		"/srv/rules/codes.lua": true, "/srv/rules/vip/lib/x.lua": true, "/srv/rules/.codes.lua.swp": false, "/srv/rules/codes.lua~": false, "/srv/rules/4913": false,
		"/srv/rules/..data": true, "/srv/rules/vip/..data": true, "/srv/rules/" + rules.IgnoreName: true, "/srv/rules/.git": false,
	} {
		if got := w.concerns(fsnotify.Event{Name: name}); got != want {
			t.Errorf("%s concerns the rules: %t, want %t", name, got, want)
		}
	}
}

// Trouble is logged once, until there is other trouble; options that are not
// given take their defaults, and those that are stand.
func TestWatchLogsTroubleOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := &watcher{dir: "rules", opts: WatchOptions{Log: slog.New(slog.NewTextHandler(&log, nil))}}
	for _, err := range []string{"one", "one", "two", "two", "one"} {
		w.trouble(errors.New(err))
	}
	if n := strings.Count(log.String(), "file watching is degraded"); n != 3 {
		t.Errorf("logged %d times, want three:\n%s", n, log.String())
	}
	given := WatchOptions{Quiet: 1, MaxWait: 2, Poll: 3, Log: w.opts.Log}
	o := given
	if o.setDefaults(); o.Quiet != 1 || o.MaxWait != 2 || o.Poll != 3 || o.Log != given.Log {
		t.Errorf("given options became %+v", o)
	}
	o = WatchOptions{}
	if o.setDefaults(); o.Quiet != defaultQuiet || o.MaxWait != defaultMaxWait || o.Poll != defaultPoll || o.Log == nil {
		t.Errorf("defaults are %+v", o)
	}
}

// A new folder is watched while it is filled, so that each write into it delays the
// report; folders that belong to no pack are not watched.
func TestWatchWatchesNewFoldersBeforeItTells(t *testing.T) {
	inVirtualTime(t, func(r *rig) {
		for _, dir := range []string{"vip/lib", ".git/refs", "old~"} {
			must(r.t, os.MkdirAll(filepath.Join(r.dir, dir), 0o755))
		}
		r.events <- fsnotify.Event{Name: filepath.Join(r.dir, "vip"), Op: fsnotify.Create}
		r.until(50 * ms)
		if want := []string{filepath.Dir(r.dir), "", "/vip", "/vip/lib"}; !slices.Equal(r.added, want) {
			r.t.Errorf("watched are %q, want %q", r.added, want)
		}
		r.edit("vip/10.lua", "-- new")
		r.until(time.Second)
		r.expect(watchCall{150 * ms, "10.lua is new"})
	})
}

// A notifier that ends leaves polling.
func TestWatchPollsAfterNotificationsEnd(t *testing.T) {
	inVirtualTime(t, func(r *rig) {
		close(r.events)
		close(r.errors)
		r.until(500 * ms)
		write(t, filepath.Join(r.dir, "new.lua"), "-- new")
		r.until(5 * time.Second)
		r.expect(watchCall{2100 * ms, "new.lua is new"})
	})
}

func TestWatchDoesNotWaitForever(t *testing.T) {
	inVirtualTime(t, func(r *rig) {
		for at := 10 * ms; at < 2100*ms; at += 50 * ms {
			r.until(at)
			r.edit("codes.lua", strings.Repeat("-- edit\n", 6+int(at/ms)))
		}
		r.expect(watchCall{2010 * ms, "codes.lua changed"})
	})
}

// Each pack is waited for apart: one whose files are changed all the time holds up
// no other, and itself for MaxWait at most.
func TestWatchWaitsForEachPackApart(t *testing.T) {
	inVirtualTime(t, func(r *rig) {
		for _, name := range []string{"b.lua", "vip/10.lua"} {
			r.edit(name, "-- one")
		}
		r.until(500 * ms)
		r.calls = nil
		for at := 500 * ms; at < 5*time.Second; at += 60 * ms {
			r.until(at)
			r.edit("codes.lua", fmt.Sprint("-- edit at ", at))
			switch at {
			case 980 * ms:
				r.edit("b.lua", "-- two")
			case 1040 * ms:
				r.edit("b_spec.lua", "-- of it") // the same pack
			case 2960 * ms:
				r.edit("vip/lib/x.lua", "-- new")
			case 3020 * ms:
				r.edit("vip/10.lua", "-- two")
			}
		}
		r.until(10 * time.Second)
		r.expect(
			watchCall{1140 * ms, "b_spec.lua is new; busy: codes.lua"},
			watchCall{2500 * ms, "codes.lua changed"}, // 2 s after the first edit
			watchCall{3120 * ms, "lib/x.lua is new; busy: codes.lua"},
			watchCall{4540 * ms, "codes.lua changed"}, // 2 s after the first one since
			watchCall{5040 * ms, "codes.lua changed"},
		)
	})
}

// The changes of one checkout in several packs within a moment are reported together.
func TestWatchTellsOneCheckoutAsOne(t *testing.T) {
	inVirtualTime(t, func(r *rig) {
		for i, at := range []time.Duration{10 * ms, 30 * ms, 50 * ms} {
			r.until(at)
			r.edit(fmt.Sprintf("p%d.lua", i), "-- new")
		}
		r.until(55 * ms)
		r.edit("codes.lua", "-- edit")
		r.until(time.Second)
		r.expect(watchCall{155 * ms, "codes.lua changed, " + r.dir + "/p0.lua is new, " + r.dir + "/p1.lua is new, " + r.dir + "/p2.lua is new"})
	})
}

// Links out of the rules folder are not followed, and of a folder that holds too
// much, nothing is watched.
func TestWatchIsBounded(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"codes.lua": "", "vip/lib/x.lua": "", "current": "-> vip", "root": "-> /", "up": "-> ..", "self": "-> ."})
	for i := range rules.MaxEntries {
		must(t, os.MkdirAll(filepath.Join(dir, "wide", fmt.Sprint(i%40), fmt.Sprint(i)), 0o755))
	}
	var added []string
	w := &watcher{dir: dir, abs: dir, watched: map[string]fs.FileInfo{}, notify: notifier{add: func(path string) error {
		added = append(added, strings.TrimPrefix(path, dir))
		return nil
	}}}
	w.opts.setDefaults()
	w.rewatch()
	wide := 0
	added = slices.DeleteFunc(added, func(path string) bool {
		if strings.HasPrefix(path, "/wide/") {
			wide++
			return true
		}
		return false
	})
	if want := []string{filepath.Dir(dir), "", "/current", "/current/lib", "/vip", "/vip/lib", "/wide"}; !slices.Equal(added, want) {
		t.Errorf("watched are %q, want %q", added, want)
	}
	if wide > rules.MaxEntries {
		t.Errorf("of a pack that holds too much %d folders are watched, at most %d are to be", wide, rules.MaxEntries)
	}
	before := len(w.watched)
	w.watchNew(filepath.Join(dir, "wide", "0"))
	if n := len(w.watched); n != before && n-before > rules.MaxEntries {
		t.Errorf("%d more are watched", n-before)
	}
}

func TestWatchIgnoresWhatDoesNotMatter(t *testing.T) {
	inVirtualTime(t, func(r *rig) {
		r.edit("codes.lua", "-- one\nlocal a = 1\nlocal b = 2") // the same again
		for _, name := range []string{".codes.lua.swp", "4913", "codes.lua~", "README.md", "codes.lua.orig"} {
			r.edit(name, "x")
		}
		r.events <- fsnotify.Event{Name: filepath.Join(filepath.Dir(r.dir), "chertd.db-wal"), Op: fsnotify.Write}
		r.until(5 * time.Second)
		r.expect()
	})
}

func TestWatchPollsWhereNothingNotifies(t *testing.T) {
	inVirtualTime(t, func(r *rig) {
		r.until(500 * ms)
		write(t, filepath.Join(r.dir, "new.lua"), "-- new")
		r.until(2050 * ms)
		write(t, filepath.Join(r.dir, "new.lua"), "-- new, and still being written") // after the poll's look
		r.until(5 * time.Second)
		r.expect(watchCall{2200 * ms, "new.lua is new"})
	})
}

func TestWatchTellsOfWhatSomebodyElseRead(t *testing.T) {
	const first = "-- one\nlocal a = 1\nlocal b = 2"
	t.Run("notified", func(t *testing.T) {
		inVirtualTime(t, func(r *rig) {
			r.edit("codes.lua", "-- two\nlocal a = 1\nlocal b = 2")
			r.read() // `chertd reload`, before it was quiet
			r.edit("codes.lua", first)
			r.until(10 * time.Second)
			r.expect(watchCall{100 * ms, "no longer as it was read last"})
		})
	})
	t.Run("polled", func(t *testing.T) {
		inVirtualTime(t, func(r *rig) {
			write(t, filepath.Join(r.dir, "codes.lua"), "-- two\nlocal a = 1\nlocal b = 2")
			r.read()
			write(t, filepath.Join(r.dir, "codes.lua"), first)
			r.until(10 * time.Second)
			r.expect(watchCall{2100 * ms, "no longer as it was read last"})
		})
	})
}

func TestWatchLooksAtAllAfterAnOverflow(t *testing.T) {
	inVirtualTime(t, func(r *rig) {
		write(t, filepath.Join(r.dir, "codes.lua"), "-- two\nlocal a = 1\nlocal b = 2")
		r.until(50 * ms)
		r.errors <- fsnotify.ErrEventOverflow
		r.errors <- errors.New("no space left on device")
		r.until(time.Second)
		r.expect(watchCall{150 * ms, "codes.lua changed"})
		if log := r.log.String(); !strings.Contains(log, "no space left") {
			t.Errorf("the trouble is not in the log: %q", log)
		}
	})
}

// watchNow watches from what is in the folder now, until the test ends.
func watchNow(t *testing.T, dir string, o WatchOptions) <-chan string {
	t.Helper()
	return watchSince(t, dir, o, contentNow(dir))
}

func watchSince(t *testing.T, dir string, o WatchOptions, since string) <-chan string {
	t.Helper()
	o.Since = since
	calls := make(chan string, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	began := make(chan struct{})
	o.began = func() { close(began) }
	go func() {
		defer close(done)
		Watch(ctx, dir, o, func(Seen) { calls <- contentNow(dir) })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	// What is edited before everything is watched would be found without it.
	<-began
	return calls
}

// awaitContent waits until the watch has reported the present content of the folder.
func awaitContent(t *testing.T, dir string, calls <-chan string) {
	t.Helper()
	want := contentNow(dir)
	limit := time.After(20 * time.Second)
	for {
		select {
		case got := <-calls:
			if got == want {
				return
			}
		case <-limit:
			t.Fatal("the watch did not tell of the change within 20 s")
		}
	}
}

// BenchmarkEdit is the time from the last write of an edit to 1 of 100 packs
// until the new set is loaded. 100 ms of it are the quiet that is waited for;
// the budget is 200 ms.
func BenchmarkEdit(b *testing.B) {
	files := map[string]string{}
	for i := range 100 {
		files[fmt.Sprintf("pack%02d.lua", i)] = `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`
	}
	dir := tree(b, files)
	report := rules.Load([]string{dir}, rules.Options{Folder: dir})
	if _, diags := report.Set(); diags.Errors() {
		b.Fatal(diags)
	}
	loaded := make(chan *rules.Set)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Watch(ctx, dir, WatchOptions{Since: report.Content}, func(Seen) {
			if s, _ := rules.Load([]string{dir}, rules.Options{Folder: dir}).Set(); s != nil {
				loaded <- s
			}
		})
	}()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		name := fmt.Sprintf("pack%02d.lua", i%100)
		write(b, filepath.Join(dir, name), fmt.Sprintf("-- edit %d\n", i)+files[name])
		start := time.Now()
		<-loaded
		took = append(took, time.Since(start))
	}
	cancel()
	<-done
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
}

func TestWatchHintNamesTheLimit(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		syscall.EMFILE: "fs.inotify.max_user_instances", syscall.ENOSPC: "fs.inotify.max_user_watches", syscall.EIO: "chertd reload",
	} {
		if got := watchHint(err); !strings.Contains(got, want) {
			t.Errorf("watching fails with %v: hint %q lacks %s", err, got, want)
		}
	}
}
