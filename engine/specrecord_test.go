package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/rules/spec"
)

// A recording has what a chat saw and what became of it, without what rules said about it.
// Written as a spec it passes on the version that decided, also once another one is live.
func TestChatIsRecorded(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "vip.lua", `chert.on("message.received", { text = "vip" }, function(ev)
  chert.keep_unread(ev.chat.id, { reason = "says " .. ev.text })
  log.info(ev.text)
end)
chert.rule({ name = "read", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id) end })
`)
	c.handle("c1", "e1", "hello")
	c.endedAs("c1", "read done (read)")
	c.handle("c1", "e2", "a vip")
	c.handle("c2", "e3", "elsewhere")
	r, err := c.m.RecordChat(ctx, control.RecordQuery{Chat: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Events) != 2 || r.Earlier || r.Events[0].Text != "hello" || r.Events[1].Text != "a vip" || len(r.Files) != 0 {
		t.Fatalf("%+v", r)
	}
	if got := fmt.Sprintf("%s %s %s", r.Events[1].Rules[0].Asked, r.Events[0].Actions[0].Why, r.Events[1].Actions[0].EndedBy); got != "[keep_unread] read vip/vip#1" {
		t.Errorf("recorded: %s", got)
	}
	if strings.Contains(fmt.Sprintf("%+v", r), "says") {
		t.Errorf("a reason of a rule is recorded: %+v", r)
	}
	version := r.Versions("vip")[0]
	c.write("vip.lua", `chert.on("message.received", function(ev) end)`)
	c.reload()
	kept, err := c.m.RecordChat(ctx, control.RecordQuery{Chat: "c1", Pack: "vip", Version: version})
	if err != nil || len(kept.Files) != 1 || !strings.Contains(string(kept.Files[0].Content), "keep_unread") {
		t.Errorf("the files of version %s: %+v, %v", version, kept.Files, err)
	}
	if none, err := c.m.RecordChat(ctx, control.RecordQuery{Chat: "c1", Pack: "vip", Version: strings.Repeat("0", 32)}); err != nil || len(none.Files) != 0 {
		t.Errorf("an unknown version has files: %+v, %v", none.Files, err)
	}

	// What retention removes is said, not guessed.
	if _, err := c.st.PruneTexts(ctx, c.now().Add(time.Hour), "", 100); err != nil {
		t.Fatal(err)
	}
	if r, err = c.m.RecordChat(ctx, control.RecordQuery{Chat: "c1"}); err != nil || len(r.Events) != 2 || !r.Events[0].NoText || r.Events[0].Text != "" {
		t.Errorf("without texts: %+v, %v", r, err)
	}
	if got := spec.Record(ctx, &r, "vip", nil, true); strings.Count(got.Lua, "no longer kept") != 2 || strings.Contains(got.Lua, "text =") {
		t.Errorf("without texts:\n%s", got.Lua)
	}
}

// A recording is bounded, and says that there is more.
func TestRecordingIsBounded(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "none.lua", `chert.on("reaction.added", function(ev) end)`)
	for i := range control.MaxRecorded + 3 {
		c.message("c1", fmt.Sprintf("e%d", i), "x")
	}
	c.drained()
	r, err := c.m.RecordChat(ctx, control.RecordQuery{Chat: "c1"})
	if err != nil || len(r.Events) != control.MaxRecorded || !r.Earlier || r.Events[0].ID != "e3" {
		t.Errorf("%d events, earlier %t, %v", len(r.Events), r.Earlier, err)
	}
	since := r.Events[490].Received.Format(time.RFC3339Nano)
	if r, err = c.m.RecordChat(ctx, control.RecordQuery{Chat: "c1", Since: since}); err != nil || len(r.Events) > 10 || !r.Earlier {
		t.Errorf("since %s: %d events, earlier %t, %v", since, len(r.Events), r.Earlier, err)
	}
	for since, want := range map[string]string{
		"soon": "since: duration", c.now().Add(time.Hour).Format(time.RFC3339): "has no event since",
	} {
		_, err := c.m.RecordChat(ctx, control.RecordQuery{Chat: "c1", Since: since})
		if user := (*control.UserError)(nil); !errors.As(err, &user) || user.Hint == "" || !strings.Contains(user.Message, want) {
			t.Errorf("since %s: %v, want %q and a hint", since, err, want)
		}
	}
}
