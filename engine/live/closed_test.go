package live

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/rules"
)

// vetoPack are the files of a pack whose veto is all in lib/ and data/.
var vetoPack = []string{
	"vip/10.lua", "-- v1\nlocal lib = require('x')\nchert.on('message.received', lib.keep)",
	"vip/lib/x.lua", "local vips = data.load('vips')\nreturn { keep = function(ev) if vips[ev.from] then chert.keep_unread(ev.chat.id) end end }",
	"vip/data/vips.txt", "+15550001111", "vip/pack.yaml", "name: people", "all.lua", version("a1"),
}

// Whatever of a pack can't be read, reads are blocked if it was never live, and
// the last good version continues if it was, by its name.
func TestUnreadableIsTakenForAVeto(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"vip", "vip/10.lua", "vip/lib", "vip/lib/x.lua", "vip/data", "vip/data/vips.txt", "vip/pack.yaml"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			expect := func(p *pen, when, live string) {
				t.Helper()
				if got := strings.ReplaceAll(p.live(), "vip=", "people="); got != live {
					t.Errorf("%s: live is %q, want %q", when, got, live)
				}
			}
			var files shaky
			files.set(0, path)
			p := newPen(t)
			p.open = files.open
			p.write(vetoPack...)
			p.start()
			expect(p, "never live", "all=a1 people=none(veto)")
			files.set(0, "")
			p.edit()
			p.expectLive("readable", "all=a1 people=v1")

			files.set(0, path)
			p.pass(time.Hour)
			p.edit()
			p.pass(time.Hour)
			p.edit()
			p.expectLive("while it is live", "all=a1 people=v1")
			p.expectNotLive("while it is live", "people", "it can't be read")
			p.start()
			p.expectLive("after a restart", "all=a1 people=v1")
			p.pass(time.Hour)
			p.edit()
			p.expectLive("long after a restart", "all=a1 people=v1")
			p.expectCancelled("all along")
		})
	}
}

// A dangling link, a link out of the folder, a folder in place of a file and a
// malformed pack.yaml hide what the pack would do.
func TestUnreadablePartIsTakenForAVeto(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside.lua")
	write(t, outside, version("outside"))
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"a dangling link":       func(t *testing.T, dir string) { must(t, os.Symlink("nowhere.lua", filepath.Join(dir, "20.lua"))) },
		"a link that leaves":    func(t *testing.T, dir string) { must(t, os.Symlink(outside, filepath.Join(dir, "20.lua"))) },
		"a folder named so":     func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, "20.lua"), 0o755)) },
		"a library that leaves": func(t *testing.T, dir string) { must(t, os.Symlink("/etc", filepath.Join(dir, "lib"))) },
		"a part of lib that leaves": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "lib", "x.lua"), "return 1")
			must(t, os.Symlink("/etc", filepath.Join(dir, "lib", "more")))
		},
		"data that leaves": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "data", "x.txt"), "1")
			must(t, os.Symlink("/etc/hosts", filepath.Join(dir, "data", "y.txt")))
		},
		"pack.yml":              func(t *testing.T, dir string) { write(t, filepath.Join(dir, "pack.yml"), "name: x") },
		"a malformed pack.yaml": func(t *testing.T, dir string) { write(t, filepath.Join(dir, "pack.yaml"), "name: [x") },
		"a misspelt policy": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "pack.yaml"), "failure_polcy: fail_closed")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t, "all.lua", version("a1"), "codes/10.lua", version("v1"))
			p.keeper = newKeeper()
			spoil(t, filepath.Join(p.dir, "codes"))
			p.start()
			p.expectLive("a pack that is plain otherwise", "all=a1 codes=none(veto)")
		})
	}
	p := newPen(t, "all.lua", version("a1"))
	must(t, os.Symlink("nowhere", filepath.Join(p.dir, "vip")))
	must(t, os.Symlink("nowhere.lua", filepath.Join(p.dir, "more.lua")))
	must(t, os.Symlink("nowhere.md", filepath.Join(p.dir, "README.md")))
	must(t, os.Symlink("nowhere.lua", filepath.Join(p.dir, "all_spec.lua")))
	p.edit("lost+found/x.lua", "")
	p.expectLive("links that lead nowhere", "all=a1 more=none(veto) vip=none(veto)")
	p.expectNotLive("a spec that can't be read", "all", "it can't be read")
	p.edit("open/10.lua", "chert.on(", "open/pack.yaml", "failure_policy: fail_open", "open/lib/x.lua", "x")
	must(t, os.Symlink("nowhere.lua", filepath.Join(p.dir, "open", "20.lua")))
	p.edit()
	p.expectLive("one that says it fails open", "all=a1 more=none(veto) open=none vip=none(veto)")
}

// One of what was live and what the files are now is enough to block reads,
// where neither can be had.
func TestEitherVetoBlocks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, was, is, want string }{
		{"both", veto("v1"), veto("v2"), "all=a1 codes=none(veto)"},
		{"what was live", veto("v1"), version("v2"), "all=a1 codes=none(veto)"},
		{"the edit", version("v1"), veto("v2"), "all=a1 codes=none(veto)"},
		{"neither", version("v1"), version("v2"), "all=a1 codes=none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t)
			p.options.Packs = map[string]rules.PackOptions{"codes": {Grant: []string{"typing"}}}
			p.write("codes/a.lua", tt.was, "codes/pack.yaml", "permissions: [typing]", "all.lua", version("a1"))
			p.start()
			p.edit("codes/a.lua", tt.is+"\nlocal x = = 1\n")
			p.options.Packs = nil // the version that was live can't be had any more
			must(t, p.g.Reconfigure(background, p.options, nil))
			p.expectLive("taken back", tt.want)
			p.edit()
			p.expectLive("read again", tt.want)
			p.start()
			p.expectLive("after a restart", tt.want)
			p.edit("codes/a.lua", "gone", "codes/pack.yaml", "gone")
			p.expectLive("its files are gone", tt.want)
		})
	}
	t.Run("what was live is not kept", func(t *testing.T) {
		t.Parallel()
		p := newPen(t, "codes.lua", version("v1"), "all.lua", version("a1"))
		p.keeper.versions["codes"] = nil
		p.write("codes.lua", version("v2")+"\nlocal x = ")
		p.start()
		p.expectLive("nobody can know", "all=a1 codes=none(veto)")
	})
	t.Run("two packs of one name", func(t *testing.T) {
		t.Parallel()
		for _, files := range [][]string{{"a/r.lua", veto("a"), "b/r.lua", version("b")}, {"a/r.lua", version("a"), "b/r.lua", veto("b")}} {
			p := newPen(t, append(files, "a/pack.yaml", "name: one", "b/pack.yaml", "name: one", "all.lua", version("a1"))...)
			p.expectLive("neither is live", "all=a1 one=none(veto)")
		}
	})
}

// No pack is removed or reported as removed while the folder can't be read, wherever
// reading it fails; nor are reads unblocked.
func TestUnreadableFolderRemovesNothing(t *testing.T) {
	t.Parallel()
	broken := veto("n1") + "\nlocal x = "
	p := newPen(t)
	var files shaky
	p.open = files.open
	p.write("vip.lua", veto("v1"), "all.lua", version("a1"), "never.lua", broken)
	p.start()
	const want = "all=a1 never=none(veto) vip=v1"
	p.expectLive("at start", want)
	for at := 1; ; at++ {
		files.set(at, "")
		for range 3 {
			must(t, p.g.Notice(background, Seen{Reason: "test"}))
			p.expectLive("a call failed", want)
		}
		if p.expectLive("a call failed", want); files.calls < at {
			break // each call has failed once
		}
	}
	unknown := func(when string, packs ...string) {
		t.Helper()
		for _, pack := range packs {
			if s := p.standing(pack); s.Gone || !s.Unread || !s.Diagnostics.Errors() {
				t.Errorf("%s: pack %s is reported as gone, or without the error of the folder: %+v", when, pack, s)
			}
			var unread *FolderUnreadError
			if _, err := p.g.Remove(background, pack, false); !errors.As(err, &unread) {
				t.Errorf("%s: pack %s can be removed: %v", when, pack, err)
			}
		}
	}
	for _, path := range []string{".", ".chertignore"} {
		files.set(0, path)
		for range 3 {
			p.pass(time.Hour)
			must(t, p.g.Notice(background, Seen{Reason: "test"}))
			p.expectLive(path+" can't be read", want)
			p.expectNotLive(path+" can't be read", "vip", "the rules folder can't be read")
			unknown(path, "all", "never", "vip")
		}
		p.start()
		p.expectLive(path+" can't be read at the start", "all=a1 vip=v1")
		unknown(path+" at the start", "all", "vip")
		p.pass(time.Hour)
		must(t, p.g.Notice(background, Seen{Reason: "test"}))
		p.expectLive(path+" can't be read at the start", "all=a1 vip=v1")
		files.set(0, "")
		must(t, p.g.Notice(background, Seen{Reason: "test"}))
		p.expectLive("readable again", want)
		p.expectNotLive("readable again", "vip", "")
		if _, err := p.g.Remove(background, "vip", false); !errors.Is(err, ErrPresent) {
			t.Errorf("readable again, a pack whose files are there can be removed: %v", err)
		}
	}
	if n := p.logged("removed"); n > 0 {
		t.Errorf("the log says %d times that something was removed", n)
	}
	p.expectCancelled("all along")
	// What was missing while nobody could look is missing for as long again.
	p.write("vip.lua", "gone")
	must(t, p.g.Notice(background, Seen{Reason: "test"}))
	files.set(0, ".")
	p.pass(goneFor)
	must(t, p.g.Notice(background, Seen{Reason: "test"}))
	files.set(0, "")
	must(t, p.g.Notice(background, Seen{Reason: "test"}))
	p.expectLive("readable for a moment", want)
}

// A pack that could veto goes with a warning, and rollback restores it from the
// store, also after a restart, until files come.
func TestRemovedPackIsRestoredByRollback(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"in the same process": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t, "vip.lua", veto("v1"), "all.lua", version("a1"), "codes.lua", version("c1"))
			p.edit("vip.lua", veto("v2"))
			p.edit("vip.lua", "gone", "codes.lua", "gone")
			p.pass(goneFor)
			p.edit()
			p.expectLive("removed", "all=a1")
			p.await("vip")
			p.await("codes")
			p.expectCancelled("removed", "codes: removed", "vip: removed")
			p.mu.Lock()
			log := p.log.String()
			p.mu.Unlock()
			if !strings.Contains(log, "level=WARN msg=\"pack removed: its files are gone, and it could veto reads") || !strings.Contains(log, `pack=vip hint="chertd rollback vip restores it from the store"`) ||
				!strings.Contains(log, `level=INFO msg="pack removed: its files are gone" pack=codes`) {
				t.Errorf("the log says\n%s", log)
			}
			if restart {
				p.start()
			}
			if _, err := p.g.Rollback(background, "nobody", "", false, false); !errors.Is(err, ErrNoPack) {
				t.Errorf("one that never was: %v", err)
			}
			if _, err := p.g.Rollback(background, "vip", "beef", false, false); err == nil {
				t.Error("a version that never was is restored")
			}
			p.expectLive("a rollback that fails", "all=a1")
			if s, err := p.g.Rollback(background, "vip", "", false, false); err != nil || !s.Gone || !s.Pinned {
				t.Errorf("restored: %+v, %v", s, err)
			}
			p.expectLive("restored", "all=a1 vip=v2")
			for range 3 {
				p.pass(time.Hour)
				p.edit()
				p.expectLive("it stays", "all=a1 vip=v2")
				p.start()
				p.expectLive("it stays", "all=a1 vip=v2")
			}
			p.edit("vip.lua", veto("v3"))
			p.expectLive("files come", "all=a1 vip=v3")
			p.edit("vip.lua", "gone")
			p.pass(goneFor)
			p.edit()
			p.expectLive("and go", "all=a1")
		})
	}
	t.Run("pinned", func(t *testing.T) {
		t.Parallel()
		p := newPen(t, "vip.lua", veto("v1"), "all.lua", version("a1"))
		p.edit("vip.lua", "gone")
		p.pass(goneFor)
		p.edit()
		if _, err := p.g.Rollback(background, "vip", "", true, false); err != nil {
			t.Fatal(err)
		}
		p.edit("vip.lua", version("v2"))
		p.expectLive("files do not end the pin", "all=a1 vip=v1")
		p.start()
		p.expectLive("nor does a restart", "all=a1 vip=v1")
		p.edit("vip.lua", "gone")
		p.expectLive("its files are gone again", "all=a1 vip=v1")
		p.pass(goneFor)
		p.edit()
		p.expectLive("and stay so", "all=a1")
	})
	t.Run("removed by command", func(t *testing.T) {
		t.Parallel()
		p := newPen(t, "vip.lua", veto("v1"), "all.lua", version("a1"))
		p.edit("vip.lua", "gone")
		_, err := p.g.Remove(background, "vip", false)
		must(t, err)
		p.expectLive("removed", "all=a1")
		if _, err := p.g.Rollback(background, "vip", "", false, false); err != nil {
			t.Fatal(err)
		}
		p.expectLive("restored", "all=a1 vip=v1")
		_, err = p.g.Remove(background, "vip", false)
		must(t, err)
		p.expectLive("removed again", "all=a1")
	})
}

// A broken pack that may veto and never was live blocks reads for goneFor after its file
// is gone, just as a live pack stays live for that time: a file that is missing for a
// moment does not remove a pack.
func TestBrokenPackThatIsGoneBlocksOn(t *testing.T) {
	t.Parallel()
	p := newPen(t, "vip.lua", veto("v1")+"\nlocal x = ", "all.lua", version("a1"))
	p.expectLive("broken", "all=a1 vip=none(veto)")
	p.edit("vip.lua", "gone")
	p.expectLive("gone", "all=a1 vip=none(veto)")
	p.pass(goneFor - time.Second)
	p.edit()
	p.expectLive("gone for a second", "all=a1 vip=none(veto)")
	p.pass(time.Second)
	p.edit()
	p.expectLive("gone for long", "all=a1")
	if n := p.logged(`level=WARN msg="pack removed: its files are gone; it never loaded, and the reads that it blocked go out now"`); n != 1 {
		t.Errorf("the log warns %d times", n)
	}
}

// A new pack that is nearly the same as a live one is live, with a warning.
func TestNewPackLikeAnotherIsWarnedOf(t *testing.T) {
	t.Parallel()
	p := newPen(t, "vips.lua", long("v1"), "codes.lua", version("c1"))
	p.edit("people.lua", "-- a comment\n"+strings.Replace(long("p1"), `"+15550001111"`, `"+15550002222"`, 1))
	p.expectLive("a copy with another number", "codes=c1 people=a comment vips=v1")
	d := p.standing("people").Diagnostics
	if len(d) != 1 || d.Errors() || !strings.Contains(d[0].String(), `people.lua: warning: pack "people" is nearly the same as pack "vips", and both run`) {
		t.Errorf("the standing says %v", d)
	}
	if n := p.logged("nearly the same"); n != 1 {
		t.Errorf("it was logged %d times", n)
	}
	p.edit("people.lua", "-- another comment\n"+strings.Replace(long("p2"), `"+15550001111"`, `"+15550003333"`, 1))
	if d := p.standing("people").Diagnostics; len(d) > 0 {
		t.Errorf("an edit of it is warned of again: %v", d)
	}
	p.edit("other.lua", "-- o1\nchert.on(\"reaction.added\", { chat = \"c1\" }, function(ev)\n  log.info(\"a reaction\", { chat = ev.chat.id })\nend)")
	p.edit("codes2.lua", "-- c2\nchert.on(\"message.received\", { text = { \"code\", \"passcode\" } }, function(ev)\n  chert.mark_read(ev.chat.id)\nend)")
	p.edit("words.lua", "-- w1\nchert.on(\"message.received\", { words = { \"thanks\", \"thank you\", \"ok\" } }, function(ev)\n  chert.mark_read(ev.chat.id)\nend)")
	for _, name := range []string{"other", "codes2", "words"} {
		if d := p.standing(name).Diagnostics; len(d) > 0 {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// What is ignored is logged once, and listed as long as it is there.
func TestIgnoredIsListedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("c1"), "codes copy.lua", veto("x"))
	for range 3 {
		p.edit()
		p.start()
	}
	p.expectLive("a copy", "codes=c1")
	if got := p.g.Ignored(); len(got) != 1 || got[0].Path != filepath.Join(p.dir, "codes copy.lua") {
		t.Errorf("ignored are %v", got)
	}
	p.logged("")
	p.edit("codes_BASE_1.lua", "x")
	p.edit()
	if n := p.logged("a file is not loaded: it looks like"); n != 1 {
		t.Errorf("a second one is logged %d times, want once, and not the first again", n)
	}
	p.edit("codes copy.lua", "gone", "codes_BASE_1.lua", "gone")
	if got := p.g.Ignored(); len(got) > 0 {
		t.Errorf("ignored are %v", got)
	}
}

// What is live is so since it went live, not since the process began.
func TestLiveSinceOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	since := p.standing("codes").Since
	p.pass(time.Hour)
	p.start()
	if got := p.standing("codes").Since; !got.Equal(since) {
		t.Errorf("after a restart it is live since %s, was %s", got, since)
	}
	p.edit("codes.lua", broken)
	p.start()
	if got := p.standing("codes").Since; !got.Equal(since) {
		t.Errorf("after a restart with a broken edit it is live since %s, was %s", got, since)
	}
}

// A pack that is removed takes the notes on its waiting work with it.
func TestRemovedPackKeepsNothingWaiting(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"), "all.lua", version("a1"))
	if _, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Off, KeepPending: true}); err != nil {
		t.Fatal(err)
	}
	p.edit("codes.lua", "gone")
	p.pass(goneFor)
	p.edit()
	p.await("codes")
	if p.keeper.states["codes"].PendingKept {
		t.Error("what it has waiting is kept")
	}
	p.expectCancelled("removed", "codes: removed")
}

// That the last pack's files are gone is logged once, with what to do.
func TestLastPackThatIsGoneIsLoggedOnce(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	p.write("codes.lua", "gone")
	for range 3 {
		must(t, p.g.Notice(background, Seen{Reason: "test"}))
		p.pass(time.Hour)
	}
	if n := p.logged(`it is kept as it was" pack=codes hint="chertd packs remove codes"`); n != 1 {
		t.Errorf("it was logged %d times", n)
	}
	p.expectLive("gone", "codes=v1")
}
