package live

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chertd/rules"

	"github.com/fsnotify/fsnotify"
	"pgregory.net/rapid"
)

// yard is a pen in virtual time whose folder is watched, as the daemon does it.
type yard struct {
	*pen
	began  time.Time
	events chan fsnotify.Event
	leave  func() // ends the watch
}

// inYard runs a test on a yard with files as of pen.write, written exactly so.
func inYard(t *testing.T, test func(y *yard), files ...string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rules")
	must(t, os.MkdirAll(dir, 0o755))
	synctest.Test(t, func(t *testing.T) {
		y := &yard{pen: &pen{t: t, dir: dir, keeper: newKeeper(), virtual: true, names: map[string]string{"": "-"}}, began: time.Now()}
		y.swapped.L = &y.mu
		y.put(files...)
		y.open()
		test(y)
		y.shut()
	})
}

// open is a start of the daemon.
func (y *yard) open() {
	y.t.Helper()
	y.start()
	ctx, cancel := context.WithCancel(y.t.Context())
	y.events = make(chan fsnotify.Event, 1000)
	nothing := func(string) error { return nil }
	n := notifier{y.events, nil, nothing, nothing, func() error { return nil }}
	done := make(chan struct{})
	go func() {
		defer close(done)
		watch(ctx, y.dir, y.g.watchOptions(), n, func(seen Seen) { _ = y.g.Notice(ctx, seen) })
	}()
	y.leave = func() { cancel(); <-done }
	synctest.Wait()
}

// shut is the end of the process.
func (y *yard) shut() {
	y.leave()
	y.g.Stop()
	y.g = nil
}

// pack is a pack of the set that is live, or nil.
func (y *yard) pack(name string) *rules.Pack {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.set.Pack(name)
}

// put writes files exactly as given; "gone" removes one.
func (y *yard) put(files ...string) {
	y.t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		path := filepath.Join(y.dir, files[i])
		if files[i+1] == "gone" {
			must(y.t, os.RemoveAll(path))
		} else {
			must(y.t, os.MkdirAll(filepath.Dir(path), 0o755))
			must(y.t, os.WriteFile(path, []byte(files[i+1]), 0o644))
		}
		if y.events != nil {
			y.events <- fsnotify.Event{Name: path, Op: fsnotify.Write}
		}
	}
}

// until lets virtual time pass until at after the beginning.
func (y *yard) until(at time.Duration) {
	time.Sleep(at - time.Since(y.began)) // virtual
	synctest.Wait()
}

// expect compares what is live at a time.
func (y *yard) expect(at time.Duration, want string) {
	y.t.Helper()
	y.until(at)
	y.expectLive(fmt.Sprint("after ", at), want)
}

// long is a rule file that can veto, with lines to be cut off.
func long(title string) string {
	return "-- " + title + `
local vip = "+15550001111"
local note = "this one is answered by a person"
chert.on("message.received", { text = "hello" }, function(ev)
  log.info(note)
end)
chert.on("message.received", { from = vip }, function(ev)
  chert.keep_unread(ev.chat.id, { reason = note })
end)
`
}

// cutAfter is the beginning of a text up to some words.
func cutAfter(text, words string) string { return text[:strings.Index(text, words)+len(words)] }

func TestHalfWrittenFilesGetTime(t *testing.T) {
	t.Parallel()
	v1, v2 := long("v1"), long("v2")
	t.Run("cut to nothing and completed", func(t *testing.T) {
		t.Parallel()
		inYard(t, func(y *yard) {
			y.until(5 * time.Second)
			y.put("vips.lua", "")
			y.expect(5600*ms, "vips=v1")
			y.put("vips.lua", cutAfter(v2, "log.info(note)\nend)"))
			y.expect(6500*ms, "vips=v1")
			y.put("vips.lua", v2)
			y.expect(6700*ms, "vips=v2")
			y.expectNotLive("completed", "vips", "")
		}, "vips.lua", v1)
	})
	t.Run("a beginning of whole lines, over half of it", func(t *testing.T) {
		t.Parallel()
		inYard(t, func(y *yard) {
			y.until(5 * time.Second)
			y.put("vips.lua", cutAfter(v1, "log.info(note)\nend)\n"))
			y.expect(7*time.Second, "vips=v1")
			y.expectNotLive("waiting", "vips", "it looks half written; chertd loads it as it is after 2s")
			y.put("vips.lua", v1)
			y.expect(20*time.Second, "vips=v1")
			y.expectNotLive("as it was", "vips", "")
			if y.swaps != 1 {
				y.t.Errorf("there were %d swaps, want that of the start", y.swaps)
			}
		}, "vips.lua", v1)
	})
	t.Run("left as it is", func(t *testing.T) {
		t.Parallel()
		inYard(t, func(y *yard) {
			y.until(5 * time.Second)
			y.put("vips.lua", version("short")+"\n")
			y.expect(7*time.Second, "vips=v1")
			y.expect(7200*ms, "vips=short")
			y.put("vips.lua", version("other")+"\n")
			y.expect(7400*ms, "vips=other") // against what it was last
		}, "vips.lua", v1)
	})
	t.Run("nothing, for ever", func(t *testing.T) {
		t.Parallel()
		inYard(t, func(y *yard) {
			y.until(5 * time.Second)
			for _, empty := range []string{"", "\n\n", "-- nothing\n"} {
				y.put("vips.lua", empty)
				y.expect(time.Since(y.began)+20*time.Second, "vips=v1")
				y.expectNotLive("nothing", "vips", "it has no rules")
				y.shut()
				y.open()
				y.expect(time.Since(y.began)+20*time.Second, "vips=v1")
			}
		}, "vips.lua", v1)
	})
	t.Run("new, and it may veto", func(t *testing.T) {
		t.Parallel()
		inYard(t, func(y *yard) {
			y.until(5 * time.Second)
			y.put("new.lua", strings.TrimSpace(veto("n1")))
			y.expect(7*time.Second, "new=none(veto) vips=v1")
			y.expect(7200*ms, "new=n1 vips=v1")
		}, "vips.lua", v1)
	})
	t.Run("it never ended in a line break", func(t *testing.T) {
		t.Parallel()
		inYard(t, func(y *yard) {
			y.until(5 * time.Second)
			y.put("new.lua", version("n1"))
			y.expect(7*time.Second, "vips=v1")
			y.expect(7200*ms, "new=n1 vips=v1")
			y.put("new.lua", version("n2"))
			y.expect(7400*ms, "new=n2 vips=v1")
		}, "vips.lua", v1)
	})
	t.Run("written slowly, for long", func(t *testing.T) {
		t.Parallel()
		inYard(t, func(y *yard) {
			for i := range 8 { // each part 1.5 s after the one before
				y.until(5*time.Second + time.Duration(i)*1500*ms)
				y.put("vips.lua", v2[:i*5])
			}
			y.expectNotLive("it can't be put off for ever", "vips", "it does not load")
			y.put("vips.lua", v2)
			y.expect(time.Since(y.began)+200*ms, "vips=v2")
		}, "vips.lua", v1)
	})
	t.Run("a program has it open", func(t *testing.T) {
		t.Parallel()
		inYard(t, func(y *yard) {
			y.until(5 * time.Second)
			f, err := os.Create(filepath.Join(y.dir, "new.lua"))
			must(t, err)
			write := func(s string) {
				_, err := f.WriteString(s)
				must(t, err)
				y.events <- fsnotify.Event{Name: f.Name(), Op: fsnotify.Write}
			}
			write("-- half\nchert.on('message.received', function(ev)\n  chert.mark_read(ev.chat.id)\nend)\n")
			y.expect(6*time.Second, "vips=v1")
			write(strings.TrimPrefix(veto("more"), "-- more\n") + "\n")
			y.expect(7*time.Second, "new=none(veto) vips=v1")
			must(t, f.Close())
			y.expect(7200*ms, "new=half vips=v1")
			if n := len(y.pack("new").Rules); n != 2 {
				t.Errorf("it is live with %d rules, want both", n)
			}
			f, err = os.OpenFile(filepath.Join(y.dir, "new.lua"), os.O_WRONLY|os.O_APPEND, 0)
			must(t, err)
			defer f.Close()
			write("-- edited\n") // and never closed
			y.until(9 * time.Second)
			if y.standing("new").NotLive == "" {
				t.Error("it is live while it is open")
			}
			y.until(9300 * ms)
			y.expectNotLive("it had its time", "new", "")
		}, "vips.lua", v1)
	})
	t.Run("other packs don't wait", func(t *testing.T) {
		t.Parallel()
		inYard(t, func(y *yard) {
			y.until(5 * time.Second)
			y.put("vips.lua", "", "other.lua", version("o1")+"\n")
			y.expect(5200*ms, "other=o1 vips=v1")
			y.put("other.lua", version("o2")+"\n")
			y.expect(5400*ms, "other=o2 vips=v1")
		}, "vips.lua", v1)
	})
	t.Run("of any kind", func(t *testing.T) {
		t.Parallel()
		for name, cut := range map[string]string{
			"a rule file": "vip/20.lua", "a library": "vip/lib/x.lua", "data": "vip/data/vips.txt", "the manifest": "vip/pack.yaml",
		} {
			for _, to := range []string{"", "gone"} {
				t.Run(name+" "+to, func(t *testing.T) {
					t.Parallel()
					files := []string{"vip/10.lua", version("v1") + "\n", "vip/20.lua", long("more"), "vip/lib/x.lua", "local x = 1\nreturn x\n",
						"vip/data/vips.txt", "+1\n+2\n+3\n", "vip/pack.yaml", "description: none\n"}
					inYard(t, func(y *yard) {
						y.until(5 * time.Second)
						was := y.pack("vip")
						y.put(cut, to)
						y.until(7 * time.Second)
						if y.pack("vip") != was {
							t.Error("the cut version went live without a wait")
						}
						y.until(8 * time.Second)
						if y.pack("vip") == was {
							t.Error("it is not live though it had its time")
						}
					}, files...)
				})
			}
		}
	})
}

// Files look half written by what they were before, to the byte.
func TestUnfinishedFiles(t *testing.T) {
	t.Parallel()
	const was = "local a = 1\nlocal b = 2\n" // 24 bytes
	for name, tc := range map[string]struct {
		before, now map[string]string // by name; one that begins with lib/ is of another kind
		why         string
	}{
		"the same":                         {map[string]string{"r": was}, map[string]string{"r": was}, ""},
		"another of the same length":       {map[string]string{"r": was}, map[string]string{"r": "local a = 1\nlocal b = 3\n"}, ""},
		"nothing":                          {map[string]string{"r": was}, map[string]string{"r": ""}, "it is the beginning of what it was before"},
		"its first line":                   {map[string]string{"r": was}, map[string]string{"r": "local a = 1\n"}, "it is the beginning of what it was before"},
		"all but its end":                  {map[string]string{"r": was}, map[string]string{"r": was[:23]}, "it is the beginning of what it was before"},
		"half as long":                     {map[string]string{"r": was}, map[string]string{"r": "local c = 3\n"}, ""},
		"shorter than half":                {map[string]string{"r": was}, map[string]string{"r": "local c= 3\n"}, "it shrank by more than half"},
		"no end of line, where one was":    {map[string]string{"r": was}, map[string]string{"r": "local a = 1\nlocal b = 3"}, "its last line does not end"},
		"none was there":                   {map[string]string{"r": "local a = 1"}, map[string]string{"r": "local a = 2"}, ""},
		"ended as on old Macs":             {map[string]string{"r": was}, map[string]string{"r": "local a = 1\rlocal b = 3\r"}, ""},
		"it was empty":                     {map[string]string{"r": ""}, map[string]string{"r": "x"}, "its last line does not end"},
		"new":                              {map[string]string{"r": was}, map[string]string{"r": was, "s": "x\n"}, ""},
		"new, and empty":                   {map[string]string{"r": was}, map[string]string{"r": was, "s": ""}, "it is new, and empty"},
		"new, and does not end":            {map[string]string{"r": was}, map[string]string{"r": was, "s": "x"}, "it is new, and its last line does not end"},
		"gone":                             {map[string]string{"r": was, "s": "x\n"}, map[string]string{"r": was}, "it is gone"},
		"renamed":                          {map[string]string{"r": was, "s": "x\n"}, map[string]string{"r": was, "t": "x\n"}, ""},
		"renamed and changed":              {map[string]string{"r": was, "s": "x\n"}, map[string]string{"r": was, "t": "y\n"}, "it is gone"},
		"gone, and the same in a library":  {map[string]string{"r": was, "s": "x\n"}, map[string]string{"r": was, "lib/s": "x\n"}, "it is gone"},
		"the first time":                   {nil, map[string]string{"r": was}, ""},
		"of several the second":            {map[string]string{"r": was, "s": was}, map[string]string{"r": was, "s": ""}, "it is the beginning of what it was before"},
		"of several unchanged ones no one": {map[string]string{"r": was, "s": "x"}, map[string]string{"r": was, "s": "x"}, ""},
	} {
		files := func(of map[string]string) (list []rules.File) {
			for _, name := range slices.Sorted(maps.Keys(of)) {
				kind := rules.RuleFile
				if strings.HasPrefix(name, "lib/") {
					kind = rules.LibFile
				}
				list = append(list, rules.File{Name: name, Path: "p/" + name, Kind: kind, Bytes: []byte(of[name])})
			}
			return list
		}
		if file, why := rules.Unfinished(files(tc.now), files(tc.before)); why != tc.why || (file == "") != (why == "") {
			t.Errorf("%s: %q, %q; want %q", name, file, why, tc.why)
		}
	}
}

// Whatever happens to files between a stop and a start, and right after it, what
// was live is live until they are complete or have had their time.
func TestHalfWrittenFilesGetTimeAtStart(t *testing.T) {
	t.Parallel()
	v1, v2 := long("v1"), long("v2")
	for name, half := range map[string]string{
		"nothing": "", "a line": cutAfter(v1, "\n"), "half a line": v1[:20], "all but the veto": cutAfter(v1, "log.info(note)\nend)\n"), "no file": "gone",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inYard(t, func(y *yard) {
				y.shut()
				y.put("vips.lua", half)
				y.events = nil
				y.open()
				y.expect(500*ms, "all=a1 vips=v1")
				y.put("vips.lua", v2)
				y.expect(700*ms, "all=a1 vips=v2")
				y.expectCancelled(name)
			}, "vips.lua", v1, "all.lua", version("a1")+"\n")
			inYard(t, func(y *yard) { // right after the start
				y.put("vips.lua", half)
				y.expect(500*ms, "all=a1 vips=v1")
				y.put("vips.lua", v2)
				y.expect(700*ms, "all=a1 vips=v2")
				y.expectCancelled(name)
			}, "vips.lua", v1, "all.lua", version("a1")+"\n")
		})
	}
	t.Run("never live before", func(t *testing.T) {
		t.Parallel()
		for name, half := range map[string]string{"nothing": "", "half a line": v1[:20]} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				inYard(t, func(y *yard) {
					y.shut()
					y.keeper, y.events = newKeeper(), nil
					y.put("vips.lua", half)
					time.AfterFunc(500*ms, func() { must(t, os.WriteFile(filepath.Join(y.dir, "vips.lua"), []byte(v1), 0o644)) })
					y.open()
					y.expectLive("once it starts", "all=a1 vips=v1")
					if took := time.Since(y.began); took > 2100*ms {
						t.Errorf("the start took %s", took)
					}
				}, "vips.lua", v1, "all.lua", version("a1")+"\n")
			})
		}
	})
}

// A pack that moves is never live twice, and never not at all.
func TestMovedPackRunsOnce(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"while it runs": false, "while it is stopped": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inYard(t, func(y *yard) {
				if restart {
					y.shut()
					y.events = nil
				}
				y.put("vips.lua", "gone", "people.lua", long("v1"))
				if restart {
					y.open()
				}
				y.expect(1900*ms, "other=o1 vips=v1")
				y.expect(2200*ms, "other=o1 people=v1")
				y.expectCancelled("moved", "vips: removed")
			}, "vips.lua", long("v1"), "other.lua", version("o1")+"\n")
		})
	}
}

// A writer that truncates and writes in parts, with pauses below the time that
// halves are given, and restarts at any moment: no half is ever live, and no
// event is handled without the pack.
func TestNoHalfIsEverLive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		inYard(t, func(y *yard) {
			y.swapHook = func(s *rules.Set) {
				p := s.Pack("vips")
				if p == nil || len(p.Rules) != 2 || !p.CanVeto {
					rt.Errorf("after %s a half is live: %v", time.Since(y.began), p)
				}
			}
			y.until(3 * time.Second)
			last := "v0"
			for n := range rapid.IntRange(1, 4).Draw(rt, "edits") {
				text := long(fmt.Sprint("v", n+1))
				cuts := rapid.SliceOfN(rapid.IntRange(0, len(text)-1), 0, 3).Draw(rt, "cuts")
				slices.Sort(cuts)
				// A text of whole lines and over half of what was is as good as any.
				cuts = slices.DeleteFunc(cuts, func(at int) bool { return at*2 >= len(text) && text[at-1] == '\n' })
				for _, at := range cuts {
					y.put("vips.lua", text[:at])
					pause := time.Duration(rapid.IntRange(1, 1800).Draw(rt, "pause")) * ms
					if rapid.IntRange(0, 3).Draw(rt, "restart") == 0 {
						y.shut()
						y.events = nil
						y.open()
					}
					y.until(time.Since(y.began) + pause)
				}
				y.put("vips.lua", text)
				y.until(time.Since(y.began) + time.Duration(rapid.IntRange(150, 5000).Draw(rt, "rest"))*ms)
				last = fmt.Sprint("v", n+1)
			}
			y.expectLive("in the end", "vips="+last)
		}, "vips.lua", long("v0"))
	})
}
