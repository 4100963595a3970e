package live

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chertd/luabind/diag"
	"chertd/rules"
)

// The files that were rolled back stay out while they are as they were, wherever
// they have been meanwhile. Whatever else comes is an edit: live, or said not to be.
func TestOnlyTheFilesThatWereRolledBackStayOut(t *testing.T) {
	t.Parallel()
	back := func(p *pen, pin bool) {
		p.t.Helper()
		_, err := p.g.Rollback(background, "a", "", pin, false)
		must(p.t, err)
	}
	restores := map[string]bool{"edited away and back": true, "broken and back": true, "broken, restarted and back": true,
		"edited while chertd did not run": true, "an older one that was rolled back": true}
	for name, tt := range map[string]struct {
		act     func(p *pen)
		live    string // version
		notLive string
		said    string // that it is live, or not, in order
	}{
		"as they are":                {func(p *pen) { back(p, false); p.edit(); p.edit() }, "a1", "rolled back to …", "live"},
		"written again":              {func(p *pen) { back(p, false); p.edit("a.lua", version("a2")) }, "a1", "rolled back to …", "live"},
		"an automatic rollback":      {func(p *pen) { p.fail("a", 11); p.edit() }, "a1", "rolled back to …", "live"},
		"after a restart":            {func(p *pen) { back(p, false); p.start(); p.edit() }, "a1", "rolled back to …", "live not"},
		"pinned, after a restart":    {func(p *pen) { back(p, true); p.start(); p.edit() }, "a1", "pinned to … by rollback --pin", "live not"},
		"edited":                     {func(p *pen) { back(p, false); p.edit("a.lua", version("a3")) }, "a3", "", "live live"},
		"edited away and back":       {func(p *pen) { back(p, false); p.edit("a.lua", version("a3")); p.edit("a.lua", version("a2")) }, "a2", "", "live live live"},
		"broken and back":            {func(p *pen) { back(p, false); p.edit("a.lua", broken); p.edit("a.lua", version("a2")) }, "a2", "", "live not live"},
		"broken, restarted and back": {func(p *pen) { back(p, false); p.edit("a.lua", broken); p.start(); p.edit("a.lua", version("a2")) }, "a2", "", "live not not live"},
		"edited while chertd did not run": {func(p *pen) {
			back(p, false)
			p.write("a.lua", version("a3"))
			p.start()
			p.edit("a.lua", version("a2"))
		}, "a2", "", "live live"},
		"an older one that was rolled back": {func(p *pen) {
			p.edit("a.lua", version("a3"))
			back(p, false)
			p.edit("a.lua", version("a4"))
			back(p, false)
			p.edit("a.lua", version("a3"))
		}, "a3", "", "live live live live live"},
		"back to what is live": {func(p *pen) { back(p, false); p.edit("a.lua", version("a1")) }, "a1", "", "live"},
		"back, and its specs fail": {func(p *pen) {
			back(p, false)
			p.edit("a.lua", broken)
			p.edit("a.lua", version("a2"), "a_spec.lua", "-- fails")
		}, "a1", "its specs fail", "live not not"},
		"its specs alone are edited":     {func(p *pen) { back(p, false); p.edit("a_spec.lua", "-- passes"); p.edit() }, "a1", "rolled back to …", "live not"},
		"pinned and edited":              {func(p *pen) { back(p, true); p.edit("a.lua", version("a3")); p.edit() }, "a1", "pinned to … by rollback --pin", "live not"},
		"pinned and edited twice":        {func(p *pen) { back(p, true); p.edit("a.lua", version("a3")); p.edit("a.lua", version("a4")) }, "a1", "pinned to … by rollback --pin", "live not not"},
		"pinned and broken":              {func(p *pen) { back(p, true); p.edit("a.lua", broken); p.edit() }, "a1", "pinned to … by rollback --pin", "live not"},
		"pinned, edited to what is live": {func(p *pen) { back(p, true); p.edit("a.lua", version("a1")) }, "a1", "", "live"},
		"gone for a moment":              {func(p *pen) { back(p, false); p.edit("a.lua", "gone"); p.edit("a.lua", version("a2")) }, "a1", "rolled back to …", "live"},
		"removed and back": {func(p *pen) {
			back(p, false)
			p.edit("a.lua", "gone")
			p.pass(goneFor)
			p.edit()
			p.await("a")
			p.edit("a.lua", version("a2"))
		}, "a1", "rolled back to …", "live not live"},
		"written again, slowly": {func(p *pen) {
			back(p, false)
			p.write("a.lua", version("a2")[:20])
			must(p.t, p.g.Notice(background, Seen{Reason: "test"}))
			p.edit("a.lua", version("a2"))
		}, "a1", "rolled back to …", "live"},
		"another configuration": {func(p *pen) {
			back(p, false)
			must(p.t, p.g.Reconfigure(background, rules.Options{Country: "US"}, p.gated()))
		}, "a1", "rolled back to …", "live"},
		"pinned, and another configuration": {func(p *pen) {
			back(p, true)
			p.edit("a.lua", version("a3"))
			must(p.t, p.g.Reconfigure(background, rules.Options{Country: "US"}, p.gated()))
		}, "a1", "pinned to … by rollback --pin", "live not"},
		"the folder was away":                {func(p *pen) { back(p, false); p.folderAway(p.edit); p.edit() }, "a1", "rolled back to …", "live"},
		"rolled back while it was away":      {func(p *pen) { p.folderAway(func(...string) { p.edit(); back(p, false) }); p.edit() }, "a1", "rolled back to …", "live"},
		"the same after a restart":           {func(p *pen) { p.folderAway(func(...string) { p.start(); back(p, false) }); p.edit() }, "a1", "rolled back to …", "live not"},
		"rolled back while it was gone":      {func(p *pen) { p.edit("a.lua", "gone"); back(p, false); p.edit("a.lua", version("a2")); p.edit() }, "a1", "rolled back to …", "live not"},
		"pinned while it was gone":           {func(p *pen) { p.edit("a.lua", "gone"); back(p, true); p.edit("a.lua", version("a2")) }, "a1", "pinned to … by rollback --pin", "live not"},
		"rolled back while gone, other come": {func(p *pen) { p.edit("a.lua", "gone"); back(p, false); p.edit("a.lua", version("a3")) }, "a3", "", "live live"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t, "a.lua", version("a1"), "b.lua", version("b1"))
			p.gate = func(_ context.Context, pack *rules.Pack) diag.List {
				for _, f := range pack.Files {
					if strings.Contains(string(f.Bytes), "fails") {
						return diag.List{{File: f.Path, Severity: diag.SeverityError, Message: "it fails"}}
					}
				}
				return nil
			}
			p.start()
			p.edit("a.lua", version("a2"))
			p.logged("")
			tt.act(p)
			if got := strings.ReplaceAll(p.live(), " b=b1", ""); got != "a="+tt.live {
				t.Errorf("live is %q, want %s", got, tt.live)
			}
			s := p.standing("a")
			before, after, _ := strings.Cut(tt.notLive, "…")
			if (s.NotLive == "") != (tt.notLive == "") || !strings.HasPrefix(s.NotLive, before) || !strings.HasSuffix(s.NotLive, after) {
				t.Errorf("it is not live because %q, want %q", s.NotLive, tt.notLive)
			}
			if s.Version != s.Edit && s.NotLive == "" {
				t.Error("its files are not live, and NotLive is empty")
			}
			var said []string
			for line := range strings.Lines(p.log.String()) {
				switch {
				case strings.Contains(line, LiveMessage) && strings.Contains(line, "pack=a"):
					said = append(said, "live")
				case strings.Contains(line, "an edit is not live") && strings.Contains(line, "pack=a"):
					said = append(said, "not")
				}
			}
			if restored := strings.Contains(p.log.String(), "an edit restores a version that was rolled back"); restored != restores[name] {
				t.Errorf("that it restores what was rolled back is said: %t", restored)
			}
			if got := strings.Join(said, " "); got != tt.said {
				t.Errorf("it is said: %q, want %q:\n%s", got, tt.said, p.log.String())
			}
		})
	}
}

// Why files are not live is known again after a restart and under another
// configuration, also where the rules among them are those that are live.
func TestNotLiveIsSaidAgainAfterARestart(t *testing.T) {
	t.Parallel()
	rule := "-- a1\nchert.on(\"message.received\", function(ev) end)"
	for name, tt := range map[string]struct {
		act func(p *pen)
		why string
	}{
		"a broken edit":              {func(p *pen) { p.edit("a/1.lua", broken) }, "it does not load"},
		"specs alone that fail":      {func(p *pen) { p.edit("a/spec/a_spec.lua", "-- fails") }, "its specs fail"},
		"a name that two packs have": {func(p *pen) { p.edit("k/pack.yaml", "name: a", "k/1.lua", version("k1")) }, "two packs have this name"},
		"a copy of the folder":       {func(p *pen) { p.edit("z/pack.yaml", "name: a\nconfig: {n: 1}", "z/1.lua", rule) }, "two packs have this name"},
		"a manifest by another name": {func(p *pen) { p.edit("a/pack.yml", "mode: off") }, "it can't be read"},
		"a link that leaves":         {func(p *pen) { must(p.t, os.Symlink("/etc/passwd", filepath.Join(p.dir, "a/y.lua"))); p.edit() }, "it can't be read"},
		"no rules are left": {func(p *pen) {
			p.edit("a/1.lua", "-- no rule is left in this file, which is long enough not to be taken for half written\n")
		}, "it has no rules"},
		"a manifest that is not YAML": {func(p *pen) { p.edit("a/pack.yaml", "name: a\nconfig: [") }, "it does not load"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t, "a/pack.yaml", "name: a\nconfig: {n: 1}", "a/1.lua", rule, "b.lua", version("b1"))
			p.gate = func(_ context.Context, pack *rules.Pack) diag.List {
				for _, f := range pack.Files {
					if strings.Contains(string(f.Bytes), "fails") {
						return diag.List{{File: f.Path, Severity: diag.SeverityError, Message: "it fails"}}
					}
				}
				return nil
			}
			p.start()
			tt.act(p)
			p.expectNotLive("first", "a", tt.why+"…")
			first := p.standing("a").NotLive
			for _, again := range []string{"restart", "configuration", "restart under it", "read", "restart"} {
				switch again {
				case "read":
					p.edit()
				case "configuration":
					p.options.Packs = map[string]rules.PackOptions{"a": {Config: map[string]any{"n": 2}}}
					must(t, p.g.Reconfigure(background, p.options, p.gated()))
				default:
					p.start()
				}
				p.expectLive(again, "a=a1 b=b1")
				p.expectNotLive(again, "a", first)
				if s := p.standing("a"); !s.Diagnostics.Errors() {
					t.Errorf("%s: it does not say what is wrong: %+v", again, s)
				}
			}
		})
	}
}

// A grant that is taken back from a pack without an earlier version is said once,
// at the call that needs it, in lines of their own.
func TestRevokedGrantWithoutAnEarlierVersion(t *testing.T) {
	t.Parallel()
	p := newPen(t)
	p.options.Packs = map[string]rules.PackOptions{"bot": {Grant: []string{"send"}}}
	p.write("bot/pack.yaml", "permissions: [send]", "bot/a.lua", "-- a1\nchert.on(\"message.received\", function(ev) chert.send(ev.chat.id, \"x\") end)\n", "b.lua", version("b1"))
	p.start()
	p.expectLive("granted", "b=b1 bot=a1")
	p.options.Packs = nil
	p.logged("")
	must(t, p.g.Reconfigure(background, p.options, nil))
	if n := p.logged("level=ERROR"); n != 1 {
		t.Errorf("the log has %d errors because of it, want one", n)
	}
	p.expectLive("revoked", "b=b1 bot=none")
	s := p.standing("bot")
	if len(s.Diagnostics) != 1 || s.Diagnostics[0].Line != 2 || s.Diagnostics[0].Hint == "" || strings.Contains(s.Diagnostics[0].Message, "\n") {
		t.Errorf("it is said: %v", s.Diagnostics)
	}
	if strings.Contains(s.Blocks, "\n") || s.Version != "" || !s.Since.IsZero() {
		t.Errorf("it stands as %+v", s)
	}
}

// A reading may be because of several packs' files: of each pack its own are said.
func TestLiveBecauseOfItsOwnFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ path, reason, want string }{
		{"r/a.lua", "r/a.lua changed, r/b.lua changed", "r/a.lua changed"},
		{"r/a.lua", "r/a_spec.lua is new, r/ab.lua changed", "r/a_spec.lua is new"},
		{"r/p", "r/p.lua is gone, r/p/x.lua is new, r/pq/x.lua is new", "r/p.lua is gone, r/p/x.lua is new"},
		{"r/a.lua", "r/b.lua changed, r/c.lua changed, r/d.lua changed and 2 more", "r/b.lua changed, r/c.lua changed, r/d.lua changed and 2 more"},
		{"r/a.lua", "chertd reload", "chertd reload"},
		{"r/a.lua", "r/a.lua changed", "r/a.lua changed"},
	} {
		if got := because(tt.path, tt.reason); got != tt.want {
			t.Errorf("%s, %q: %q, want %q", tt.path, tt.reason, got, tt.want)
		}
	}
}
