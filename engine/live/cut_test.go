package live

import (
	"testing"
	"time"
)

// A pack that was never live and ends too early, wherever it was cut, blocks reads
// once it had its time: what is missing may be a veto. One that is whole and loads
// does not, whatever it lacks.
func TestCutPackBlocksReads(t *testing.T) {
	t.Parallel()
	plain := "-- v1\nlocal n = 0\nchert.on(\"message.received\", function(ev)\n  n2 = n\n  chert.mark_read(ev.chat.id)\nend)\n"
	for name, tt := range map[string]struct{ src, running, start string }{
		"within a block":                {cutAfter(plain, "n2 = n\n"), "none(veto)", "none(veto)"},
		"within a call":                 {cutAfter(plain, "chert.on("), "none(veto)", "none(veto)"},
		"within a word":                 {cutAfter(plain, "chert.mark_re"), "none(veto)", "none(veto)"},
		"within a string":               {cutAfter(plain, "message.rec"), "none(veto)", "none(veto)"},
		"within the first statement":    {cutAfter(plain, "local n"), "none(veto)", "none(veto)"},
		"within a comment":              {"-- v", "", "none(veto)"},
		"to nothing":                    {"", "", "none(veto)"},
		"to blanks":                     {"\n \n", "", "none(veto)"},
		"a comment alone":               {"-- our rules will stand here\n", "", ""},
		"no rules":                      {"local n = 0\n", "", ""},
		"a misspelt veto":               {"-- v1\nchert.on('message.received', function(ev) chert.keep_unraed(ev.chat.id) end)\nlocal x = = 1\n", "none(veto)", "none(veto)"},
		"another error, and not a veto": {plain + "local x = = 1\n", "none", "none"},
		"nothing is wrong":              {plain, "v1", "v1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inYard(t, func(y *yard) {
				want := func(as string) string {
					if as == "" {
						return "all=a1"
					}
					return "all=a1 new=" + as
				}
				y.until(5 * time.Second)
				y.put("new.lua", tt.src)
				y.expect(8*time.Second, want(tt.running))
				y.until(60 * time.Second)
				must(t, y.g.Notice(background, Seen{Reason: "test"}))
				y.expect(61*time.Second, want(tt.running))
				for range 2 {
					y.shut()
					y.events = nil
					y.open()
					y.expect(time.Since(y.began)+10*time.Second, want(tt.start))
					must(t, y.g.Notice(background, Seen{Reason: "test"}))
					y.expect(time.Since(y.began)+10*time.Second, want(tt.start))
				}
				y.put("new.lua", version("whole")+"\n")
				y.expect(time.Since(y.began)+10*time.Second, want("whole"))
			}, "all.lua", version("a1")+"\n")
		})
	}
}
