package live

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"chertd/rules"
)

// The standing of a pack that blocks reads contains why: it could veto and has no
// version, or its rules are suspended for all chats.
func TestStandingTellsWhyReadsAreBlocked(t *testing.T) {
	t.Parallel()
	failing := func(title string, n int) string {
		text := "-- " + title
		for i := range n {
			text += "\nchert.rule({ name = \"r" + string(rune('1'+i)) + "\", on = \"message.received\", run = function(ev) if ev.text == \"bad\" then error(\"oh\") end chert.keep_unread(ev.chat.id) end })"
		}
		return text
	}
	for name, tc := range map[string]struct {
		files  []string
		policy rules.SuspendPolicy
		want   string
	}{
		"nothing is wrong":             {files: []string{"x.lua", version("x1")}},
		"a version that can veto":      {files: []string{"x.lua", veto("x1")}},
		"broken, and it can't veto":    {files: []string{"x.lua", broken}},
		"broken, and it could veto":    {files: []string{"x.lua", broken + "chert.keep_unread("}, want: "no version of it is live: it does not load"},
		"off, and it could veto":       {files: []string{"x/r.lua", broken + "chert.keep_unread(", "x/pack.yaml", "mode: off"}},
		"suspended for one chat":       {files: []string{"x.lua", failing("x1", 1)}, policy: rules.SuspendPolicy{After: 1, Chats: 2}},
		"suspended for all":            {files: []string{"x.lua", failing("x1", 1)}, policy: rules.SuspendPolicy{After: 1, Chats: 1}, want: "rule r1 is suspended: it fails again and again"},
		"several":                      {files: []string{"x.lua", failing("x1", 3)}, policy: rules.SuspendPolicy{After: 1, Chats: 1}, want: "rule r1 and 2 more are suspended; the first because it fails again and again"},
		"suspended in shadow":          {files: []string{"x/r.lua", failing("x1", 1), "x/pack.yaml", "mode: shadow"}, policy: rules.SuspendPolicy{After: 1, Chats: 1}},
		"suspended, and it can't veto": {files: []string{"x.lua", strings.Replace(failing("x1", 1), "chert.keep_unread", "chert.mark_read", 1)}, policy: rules.SuspendPolicy{After: 1, Chats: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t)
			p.options.Suspend = tc.policy
			p.write(append([]string{"b.lua", version("b1")}, tc.files...)...)
			p.start()
			p.run(rules.Input{Event: message("bad"), Now: noon})
			if got := p.standing("x").Blocks; got != tc.want {
				t.Errorf("reads are blocked because %q, want %q", got, tc.want)
			}
			if got := p.standing("b").Blocks; got != "" {
				t.Errorf("another pack blocks reads because %q", got)
			}
		})
	}
}

// The problems of the folder and the packs are returned together with whether anything
// is live; before the start, nothing is known.
func TestProblemsTellWhetherAnythingIsLive(t *testing.T) {
	t.Parallel()
	g := New(Config{})
	if problems, live := g.Problems(); problems != nil || live || g.Ignored() != nil || g.Standings() != nil {
		t.Errorf("before the start: %v, %t", problems, live)
	}
	p := newPen(t, "a.lua", broken)
	expect := func(when string, wantLive bool, want string) {
		t.Helper()
		problems, live := p.g.Problems()
		if text := problems.Error(); live != wantLive || (text == "") != (want == "") || !strings.Contains(text, want) {
			t.Errorf("%s: live: %t, problems: %s; want %t, %q", when, live, text, wantLive, want)
		}
	}
	expect("nothing loads", false, "a.lua:")
	p.edit("b.lua", veto("b1"))
	expect("another does", true, "a.lua:")
	p.edit("a.lua", version("a1"))
	expect("both do", true, "")
	p.edit("a.lua", broken)
	expect("broken again", true, "a.lua:")
	p.edit("a.lua", version("a1"))
	must(t, os.RemoveAll(p.dir))
	p.edit()
	expect("the folder is gone", true, "rules")
	for _, pack := range []string{"a", "b"} {
		if s := p.standing(pack); s.Gone || !s.Unread || s.NotLive != "the rules folder can't be read" || s.Version == "" {
			t.Errorf("the folder is gone: %s stands as %+v", pack, s)
		}
	}
	q := newPen(t, "b.lua", version("b1"))
	q.edit("x.lua", broken)
	must(t, os.RemoveAll(q.dir))
	q.edit()
	if s := q.standing("x"); s.Gone {
		t.Errorf("a pack that never was live is reported as gone: %+v", s)
	}
}

// Once all is stopped nothing more starts, and what ran has ended.
func TestTasksEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	all := tasks{ctx: ctx, cancel: cancel}
	var ended atomic.Int32
	for range 3 {
		all.start(func(ctx context.Context) {
			<-ctx.Done()
			ended.Add(1)
		})
	}
	all.stop()
	if ended.Load() != 3 {
		t.Errorf("%d of 3 have ended", ended.Load())
	}
	late := false
	all.start(func(ctx context.Context) { late = ctx.Err() != nil })
	if !late {
		t.Error("what starts after the end is not called with a context that has ended")
	}
	all.stop()
}
