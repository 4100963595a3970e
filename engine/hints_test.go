package engine

import (
	"strings"
	"testing"
)

// A pack's name is of letters and spaces, or whatever a file name may hold: commands
// that hints name work when they are typed, and no name begins a line of its own.
func TestHintsQuotePackNames(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "ok.lua", "chert.on(\"message.received\", function(ev)\n  log.info(\"x\")\nend)\n",
		"my vip.lua", "chert.on(\"message.received\", function(ev)\n  chert.keep_unread(ev.chat.id\nend)\n",
		"x\ncalls    all is well.lua", "chert.on(")
	st, err := c.m.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range st.Notes {
		for i, line := range strings.Split(note, "\n") {
			if i > 0 && strings.HasPrefix(line, "calls") {
				t.Errorf("a name begins a line: %q", note)
			}
		}
	}
	var fix []string
	for _, b := range st.Blocked {
		fix = append(fix, b.Fix...)
	}
	all := strings.Join(fix, "\n")
	for _, want := range []string{"/my vip.lua' shows what is wrong", "chertd mode 'my vip' off ends", "chertd mode $'x\\012calls    all is well' off ends"} {
		if !strings.Contains(all, want) {
			t.Errorf("no hint …%s… in\n%s", want, all)
		}
	}
}
