package engine

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/rules"
)

// A grant that is taken back leaves the version that needs less. Status and packs
// show that with the line for chertd.yaml, and a rollback to the other one is refused.
func TestRevokedGrantIsShown(t *testing.T) {
	t.Parallel()
	const reads = "chert.on(\"message.received\", function(ev)\n  chert.mark_read(ev.chat.id)\nend)\n"
	c := newCrew(t, "bot/a.lua", reads, "bot/pack.yaml", "mode: live\n")
	grant := func(names ...string) {
		t.Helper()
		if err := c.m.gens.Reconfigure(ctx, rules.Options{Packs: map[string]rules.PackOptions{"bot": {Grant: names}}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	less := c.pack("bot").Version
	grant("send")
	c.write("bot/a.lua", reads+"chert.on(\"reaction.added\", function(ev)\n  chert.send(ev.chat.id, \"x\")\nend)\n", "bot/pack.yaml", "permissions: [send]\n")
	c.reload()
	more := c.pack("bot").Version
	if more == less {
		t.Fatal("the edit is not live")
	}
	grant()
	p := c.pack("bot")
	if p.Version != less || !strings.Contains(p.NotLive, "send; version "+less[:8]+" is live instead of "+more[:8]) || !strings.Contains(p.Diagnostics.Error(), "bot/a.lua:5:3: error: chert.send needs") {
		t.Errorf("the pack stands as %+v", p)
	}
	st, err := c.m.Status(ctx)
	if notes := strings.Join(st.Notes, "\n"); err != nil || st.NotLive != 1 || !strings.Contains(notes, "pack bot: an edit is not live: it needs a permission") {
		t.Errorf("the status notes\n%s", notes)
	}
	for name, in := range map[string]control.RollbackRequest{"to it": {Version: more}, "undone": {Undo: true}} {
		_, err = c.m.Rollback(ctx, "bot", in)
		user := (*control.UserError)(nil)
		if !errors.As(err, &user) || user.Status != http.StatusConflict || strings.Contains(user.Message, "\n") ||
			!strings.Contains(user.Message, "bot/a.lua:5:3: error: chert.send needs") || !strings.HasPrefix(user.Hint, "add to chertd.yaml: rules: {packs: {bot: {grant: [send]}}}") {
			t.Errorf("a rollback %s is answered %+v", name, user)
		}
	}
	if _, err = c.m.Rollback(ctx, "bot", control.RollbackRequest{}); !strings.Contains(fmt.Sprint(err), live.ErrNoEarlier.Error()) {
		t.Errorf("a rollback to the version before the one that is live is answered %v", err)
	}
	grant("send")
	if p := c.pack("bot"); p.Version != more || p.NotLive != "" {
		t.Errorf("once it is granted again the pack stands as %+v", p)
	}
}
