package engine

import (
	"strings"
	"testing"
)

// What rules logged, how they failed and what became of their actions is logged
// once for each event, with names to search by.
func TestEachEventIsLoggedOnce(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", `chert.rule({ name = "talks", on = "message.received", run = function(ev)
  log.warn("seen " .. ev.text)
  if ev.text == "bad" then error("oh") end
  chert.mark_read(ev.chat.id)
end })
`)
	c.handle("c1", "e1", "fine")
	c.handle("c2", "e2", "bad")
	c.handle("c3", "e3", "quiet")
	c.wait("both reads to be logged", func() bool { return strings.Count(c.log.String(), "action finished") >= 2 })
	lines := strings.Split(c.logged(), "\n")
	for what, want := range map[string]int{
		`level=WARN msg="seen fine" pack=a rule=talks event=e1 chat=c1`:                                               1,
		`level=WARN msg="seen quiet" pack=a rule=talks event=e3 chat=c3`:                                              1,
		`level=ERROR msg="rule failed; its actions for this event were discarded" pack=a rule=talks event=e2 chat=c2`: 1,
		`msg="action finished" chat=c1`:                                                                               1,
		`msg="action finished" chat=c2`:                                                                               0,
		`msg="action finished" chat=c3`:                                                                               1,
	} {
		n := 0
		for _, line := range lines {
			if strings.Contains(line, what) {
				n++
			}
		}
		if n != want {
			t.Errorf("the log has %d times %s, want %d:\n%s", n, what, want, c.logged())
		}
	}
}
