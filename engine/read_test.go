package engine

import (
	"strings"
	"testing"

	"chertd/engine/control"
)

const readRules = `
chert.rule({ name = "keep", on = "message.received", where = { text = "keep" }, run = function(ev)
  chert.keep_unread(ev.chat.id)
end })
`

func (c *crew) read(chatID string) control.ReadRequested {
	c.t.Helper()
	r, err := c.m.Read(ctx, control.ReadRequest{Chat: chatID, By: "ana", Reason: "phoned"})
	if err != nil || r.Read == nil {
		c.t.Fatalf("read of %s: %+v, %v", chatID, r, err)
	}
	return r
}

// An operator's read goes out like any other. A veto of the newest message and a hold drop it, and
// the command says by what; a newer message makes way for it again.
func TestOperatorsReadIsLikeAnyOther(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", readRules)
	c.handle("c1", "e1", "hello")
	c.read("c1")
	c.endedAs("c1", "read done (read)")
	if r := c.read("c1"); r.Read.Why != "already_read" && r.Read.Status != "waiting" {
		t.Errorf("a second read is %+v", r.Read)
	}
	c.handle("c2", "e2", "keep this")
	r := c.read("c2")
	if r.Read.Status != "dropped" || r.Read.Why != "vetoed" || r.Read.EndedBy == nil || r.Read.EndedBy.By != "a/keep" || r.Read.Reason != "phoned" {
		t.Errorf("a vetoed read is %+v, %+v", r.Read, r.Read.EndedBy)
	}
	c.handle("c2", "e3", "and this")
	c.read("c2")
	c.endedAs("c2", "read done (read), read dropped (vetoed)")
	if _, err := c.m.Hold(ctx, control.HoldRequest{Chat: "c1"}); err != nil {
		t.Fatal(err)
	}
	if r := c.read("c1"); r.Read.Why != "held" {
		t.Errorf("a held read is %+v", r.Read)
	}
	if x := c.explainOne(r.Event); !strings.Contains(x.Note, "requested by ana with chertd read") {
		t.Errorf("explain says %q", x.Note)
	}
}

// A message that comes after the command supersedes the read: nobody has seen it.
func TestNewerMessageSupersedesOperatorsRead(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a.lua", readRules)
	c.handle("c1", "e1", "hello")
	c.eng.Pause(true)
	if r := c.read("c1"); r.Read.Status != "waiting" || len(r.Waits) == 0 {
		t.Errorf("during a pause the read is %+v, %q", r.Read, r.Waits)
	}
	c.handle("c1", "e2", "one more thing")
	c.expectActions("after it", "c1", "read dropped (superseded)")
	c.read("c1")
	c.eng.Pause(false)
	c.endedAs("c1", "read done (read), read dropped (superseded)")
}
