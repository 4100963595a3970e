package live

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/luabind/diag"
	"chertd/rules"
)

// faulty is a Tree that fails at the paths that a test sets.
type faulty struct {
	rules.Tree
	fail func(op, name string) error
}

func (f faulty) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := f.Tree.ReadDir(name)
	if failed := f.fail("list", name); failed != nil {
		return entries[:len(entries)/2], failed // a listing can end in the middle
	}
	return entries, err
}

func (f faulty) Stat(name string) (fs.FileInfo, error) {
	if err := f.fail("stat", name); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return f.Tree.Stat(name)
}

func (f faulty) Lstat(name string) (fs.FileInfo, error) {
	if err := f.fail("lstat", name); err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return f.Tree.Lstat(name)
}

func (f faulty) Open(name string) (fs.File, error) {
	if err := f.fail("open", name); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f.Tree.Open(name)
}

// shaky has a pen's folder fail: each of its calls by number, or every one on
// some path.
type shaky struct {
	mu    sync.Mutex
	calls int    // made so far
	at    int    // this one fails; 0: none
	path  string // each on this one, and below it, fails; "": none
}

var errNoAccess = errors.New("permission denied")

func (s *shaky) open(dir string) (rules.Tree, error) {
	if err := s.fail("root", "."); err != nil {
		return nil, err
	}
	t, err := rules.OpenTree(dir)
	if err != nil {
		return nil, err
	}
	return faulty{t, s.fail}, nil
}

func (s *shaky) fail(_, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.calls == s.at || s.path != "" && (name == s.path || strings.HasPrefix(name, s.path+"/")) {
		return errNoAccess
	}
	return nil
}

func (s *shaky) set(at int, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.at, s.path = 0, at, path
}

// Whatever fails while packs are edited, moved, deleted and restarted, and
// wherever: a pack that can veto is live or reads are blocked, until it is
// deleted for long enough, replaced by a whole version that can't, or off by
// command; and what is live has passed the gate or was rolled back to.
func TestVetoesFailClosed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := &closed{rt: rt, passed: map[string]bool{}}
		p := newPen(t)
		defer func() { p.g.Stop() }()
		w.pen, p.open, p.settle = p, w.files.open, 20*time.Millisecond
		p.gate = w.gate
		p.swapHook = w.swapped
		p.write("vip/10.lua", "-- good 0\nlocal lib = require('x')\nchert.on('message.received', lib.keep)", "vip/lib/x.lua", "return { keep = function(ev) chert.keep_unread(ev.chat.id) end }",
			"vip/data/d.txt", "one", "vip/pack.yaml", "config: {n: 0}", "vip/spec/a_spec.lua", "-- good", "all.lua", version("good 0"))
		p.start()
		w.veto = true
		w.check()
		rt.Repeat(map[string]func(*rapid.T){
			"edit": func(rt *rapid.T) {
				file := rapid.SampledFrom([]string{"vip/10.lua", "vip/lib/x.lua", "vip/data/d.txt", "vip/pack.yaml", "vip/spec/a_spec.lua", "all.lua"}).Draw(rt, "file")
				text := rapid.SampledFrom([]string{"", "half", "unfit", "broken", "whole"}).Draw(rt, "text")
				w.edit(file, text, rapid.IntRange(0, 2).Draw(rt, "n"))
			},
			"unreadable": func(rt *rapid.T) {
				w.files.set(0, rapid.SampledFrom([]string{".", "vip", "vip/10.lua", "vip/lib", "vip/lib/x.lua", "vip/data/d.txt", "vip/pack.yaml", ".chertignore", "all.lua", "vip/spec"}).Draw(rt, "path"))
			},
			"fails once": func(rt *rapid.T) { w.files.set(rapid.IntRange(1, 40).Draw(rt, "call"), "") },
			"readable":   func(*rapid.T) { w.files.set(0, "") },
			"disk full":  func(rt *rapid.T) { p.keeper.fail(rapid.IntRange(1, 8).Draw(rt, "call")) },
			"read":       func(*rapid.T) { _ = p.g.Notice(background, Seen{Reason: "test"}) },
			"pass": func(rt *rapid.T) {
				p.pass(time.Duration(rapid.IntRange(1, 30).Draw(rt, "tenths")) * 100 * time.Millisecond)
				_ = p.g.Notice(background, Seen{Reason: "test"})
			},
			"grants": func(rt *rapid.T) {
				p.options.Packs = map[string]rules.PackOptions{"vip": {Config: map[string]any{"n": rapid.IntRange(0, 2).Draw(rt, "n")}}}
				_ = p.g.Reconfigure(background, p.options, p.gated())
			},
			"roll back": func(rt *rapid.T) {
				if s, err := p.g.Rollback(background, "vip", "", rapid.Bool().Draw(rt, "pin"), false); err == nil {
					w.allow(s.Version)
				}
			},
			"delete": func(*rapid.T) {
				must(t, os.RemoveAll(filepath.Join(p.dir, "vip")))
				if w.deleted.IsZero() {
					w.deleted = p.clock()
				}
				_ = p.g.Notice(background, Seen{Reason: "test"})
			},
			"restart": func(*rapid.T) {
				for p.startErr() != nil { // the keeper failed
				}
			},
			"": func(*rapid.T) { w.check() },
		})
	})
}

type closed struct {
	rt      *rapid.T
	pen     *pen
	files   shaky
	mu      sync.Mutex
	passed  map[string]bool // versions that may be live
	veto    bool            // a version that can veto was live, and was not removed since
	deleted time.Time       // the pack's files are not there since; zero: they are
	wrong   string
}

func (w *closed) gate(_ context.Context, p *rules.Pack) diag.List {
	for _, f := range p.Files {
		if strings.Contains(string(f.Bytes), "unfit") {
			return diag.List{{Severity: diag.SeverityError, Message: "unfit"}}
		}
	}
	w.allow(p.Version)
	return nil
}

func (w *closed) allow(version string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed[version] = true
}

func (w *closed) edit(file, text string, n int) {
	source := map[string]string{
		"half":   "-- a beginning of\n",
		"unfit":  "-- unfit for anything, by its spec\nreturn { keep = function(ev) chert.keep_unread(ev.chat.id) end }",
		"broken": "-- broken, and nobody can tell of what\nlocal function (",
		"whole":  fmt.Sprintf("-- good %d\nreturn { keep = function(ev) chert.keep_unread(ev.chat.id) end }", n),
	}[text]
	switch {
	case text == "":
	case strings.HasSuffix(file, "10.lua"), file == "all.lua":
		source = strings.Replace(source, "return { keep", "chert.on('message.received', require and function(ev) end) local _x = { keep", 1)
		if file == "vip/10.lua" {
			source = strings.Replace(source, "require and function(ev) end", "function(ev) chert.keep_unread(ev.chat.id) end", 1)
		}
	case strings.HasSuffix(file, "pack.yaml"):
		source = map[string]string{"half": "na", "unfit": "{description: unfit}", "broken": "name: [vip", "whole": fmt.Sprintf("{config: {n: %d}}", n)}[text]
	case strings.HasSuffix(file, ".txt"):
		source = fmt.Sprint("line ", n)
	}
	w.pen.write(file, source+"\n")
	if strings.HasPrefix(file, "vip/") {
		w.deleted = time.Time{}
	}
	_ = w.pen.g.Notice(background, Seen{Reason: "test"})
}

// swapped sees each set that goes live.
func (w *closed) swapped(s *rules.Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]bool{}
	for _, p := range s.Packs() {
		switch {
		case seen[p.Name]:
			w.wrong = "two versions of " + p.Name + " are live"
		case !w.passed[p.Version]:
			w.wrong = fmt.Sprintf("%s is live as %q and has not passed the gate", p.Name, titleOf(p.Files))
		}
		seen[p.Name] = true
	}
	live := false
	if p := s.Pack("vip"); p != nil {
		live = p.CanVeto && s.Mode("vip") == rules.Live
		if !p.CanVeto {
			w.wrong = fmt.Sprintf("vip is live as %q without its veto", titleOf(p.Files))
		}
	}
	kept := live
	for _, u := range s.Unloaded() {
		kept = kept || u.CanVeto
	}
	if w.veto && !kept && !(!w.deleted.IsZero() && w.pen.now.Sub(w.deleted) >= goneFor) {
		w.wrong = fmt.Sprintf("vip is neither live nor are reads blocked: %v", s.Unloaded())
	}
	w.veto = live || w.veto && kept
}

func (w *closed) check() {
	w.pen.mu.Lock()
	s := w.pen.set
	w.pen.mu.Unlock()
	if s != nil {
		w.swapped(s)
	}
	if w.wrong != "" {
		w.rt.Fatal(w.wrong)
	}
}
