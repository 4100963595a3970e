package engine

import (
	"fmt"
	"testing"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/rules"
)

// shared returns n chats that are in a share of a pack and not in another, smaller one; 0
// has no chat.
func shared(pack string, in, notIn rules.Share, n int) (ids []string) {
	for i := 0; len(ids) < n; i++ {
		id := fmt.Sprint("chat", i)
		if in.Has(pack, id) && (notIn == 0 || !notIn.Has(pack, id)) {
			ids = append(ids, id)
		}
	}
	return ids
}

// TestSmallerShareDropsWhatIsPending: the pending work of a pack is dropped in the chats
// that leave its share, and in no others, also if the process is killed before.
func TestSmallerShareDropsWhatIsPending(t *testing.T) {
	t.Parallel()
	const tenth, half = rules.Share(1000), rules.Share(5000)
	for _, tt := range []struct {
		name string
		keep bool
		want string // in the chats that leave
		then string // once a newer message is there
	}{
		{"dropped", false, "read dropped (pack_inactive)", "read dropped (pack_inactive)"},
		{"kept", true, "read waiting", "read dropped (superseded)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, "codes.lua", later)
			stay, leave := shared("codes", tenth, 0, 2), shared("codes", half, tenth, 3)
			never := shared("codes", 0, half, 2)
			set := func(share string, keep bool) control.Changed {
				t.Helper()
				p, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "live", Share: share, KeepPending: keep})
				if err != nil {
					t.Fatal(err)
				}
				if p.Share != share || p.Mode != "live" {
					t.Errorf("codes is %s in %q", p.Mode, p.Share)
				}
				return p
			}
			set("50%", false)
			n := 0
			for _, all := range [][]string{stay, leave, never} {
				for _, id := range all {
					n++
					c.handle(id, fmt.Sprint("e", n), "x")
				}
			}
			want := live.Dropped{Reads: 3, Timers: 3}
			if tt.keep {
				want = live.Dropped{}
			}
			if got := set("10%", tt.keep).Dropped; got != want {
				t.Errorf("dropped %+v, want %+v", got, want)
			}
			for _, when := range []string{"after the command", "after a restart"} {
				for _, id := range stay {
					c.expectActions(when, id, "read waiting")
				}
				for _, id := range leave {
					c.expectActions(when, id, tt.want)
				}
				for _, id := range never {
					c.expectActions(when, id, "read shadow (shadow)")
				}
				c.stop()
				c.start()
			}
			c.handle(leave[0], "again", "x")
			c.expectActions("it left", leave[0], "read shadow (shadow), "+tt.then)
			if p := c.pack("codes"); p.Share != "10%" {
				t.Errorf("after restarts it is live in %q", p.Share)
			}
			if p, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "live"}); err != nil || p.Share != "" || p.Dropped != (live.Dropped{}) {
				t.Errorf("in all chats: share %q, dropped %+v, %v", p.Share, p.Dropped, err)
			}
			c.handle(never[0], "at last", "x")
			c.expectActions("live in all chats", never[0], "read waiting, read shadow (shadow)")
		})
	}
}

// TestShareEndsBlockingInTheChatsThatLeave: what a failing pack has blocked goes out in the
// chats that leave its share, and stays blocked in the others.
func TestShareEndsBlockingInTheChatsThatLeave(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "guard.lua", `chert.on("message.received", function(ev) if ev.text == "bad" then error("oh") end chert.keep_unread(ev.chat.id) end)`,
		"other.lua", `chert.rule({ name = "o", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "2h" }) end })`)
	const tenth = rules.Share(1000)
	stays, leaves := shared("guard", tenth, 0, 1)[0], shared("guard", 9999, tenth, 1)[0]
	c.handle(stays, "e1", "bad")
	c.handle(leaves, "e2", "bad")
	for _, id := range []string{stays, leaves} {
		c.expectActions("it has failed", id, "read blocked (blocked)")
	}
	if _, err := c.m.SetMode(ctx, "guard", control.ModeRequest{Mode: "live", Share: "10%"}); err != nil {
		t.Fatal(err)
	}
	c.endedAs(leaves, "read waiting")
	c.expectActions("it is in the share", stays, "read blocked (blocked)")
	c.handle(leaves, "e3", "good")
	c.expectActions("outside the share it does not veto", leaves, "read waiting, read dropped (replaced)")
}

func TestShareIsChecked(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", later)
	for _, in := range []control.ModeRequest{{Mode: "live", Share: "0%"}, {Mode: "live", Share: "0.1"}, {Mode: "shadow", Share: "10%"}, {Reset: true, Share: "10%"}} {
		if _, err := c.m.SetMode(ctx, "codes", in); err == nil {
			t.Errorf("%+v is accepted", in)
		}
	}
	if p := c.pack("codes"); p.ModeBy != "default" {
		t.Errorf("its mode is by %s", p.ModeBy)
	}
}
