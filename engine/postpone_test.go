package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/rules"
	"chertd/rules/turn"
)

// rest postpones all reads by an hour.
const rest = `chert.rule({ name = "rest", on = "message.received", run = function(ev)
  chert.postpone(ev.chat.id, { after = "1h", reason = "closed" })
end })`

// A read that another pack postpones goes out when that is over, also after a
// restart; the status says what waits and why.
func TestPostponedReadWaits(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", readAll, "night.lua", rest)
	postponed := func() *control.Postponed {
		t.Helper()
		st, err := c.m.Status(ctx)
		if err != nil || st.Unknown != "" {
			t.Fatalf("%+v, %v", st, err)
		}
		return st.Postponed
	}
	if p := postponed(); p == nil || p.Total != 0 || p.First == nil {
		t.Errorf("nothing is postponed, and the status says %+v", p)
	}
	c.handle("c1", "e1", "x")
	for _, when := range []string{"at first", "after a restart"} {
		c.expectActions(when, "c1", "read waiting")
		p := postponed()
		if p == nil || p.Total != 1 || p.First[0].Chat != "c1" || p.First[0].By != "night/rest" || p.First[0].Reason != "closed" {
			t.Fatalf("%s the status says %+v", when, p)
		}
		c.stop()
		c.start()
	}
	if d := c.decision("e1"); !strings.Contains(strings.Join(requested(d.Rules), "; "), "postpone until ") {
		t.Errorf("the decision is %+v", d)
	}
	c.stop()
	c.ahead.Store(int64(time.Hour))
	c.start()
	c.endedAs("c1", "read done (read)")
	if p := postponed(); p == nil || p.Total != 0 || p.First == nil {
		t.Errorf("it is over, and the status says %+v", p)
	}
	p := c.explainOne("e1").Actions[0].Postponed
	if p == nil || p.By != "night/rest" || !strings.HasSuffix(p.Place, "night.lua:1") || !strings.HasSuffix(p.Asked, "(closed)") || p.Event != nil || p.Until.Sub(c.explainOne("e1").Handled).Round(time.Minute) != time.Hour {
		t.Errorf("once the read is done, it was postponed by %+v", p)
	}
}

// Of several postponements, explain names the one that ended last before the call, also if it
// came from another chat; a read that went out when it was due has none.
func TestExplainNamesThePostponementThatWon(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", readAll, "night.lua", `
chert.rule({ name = "rest", on = "message.received", where = { words = "rest" }, run = function(ev) chert.postpone(ev.chat.id, { after = "1h" }) end })
chert.rule({ name = "far", on = "message.received", where = { words = "far" }, run = function(ev) chert.postpone("c1", { after = "2h" }) end })`)
	c.handle("c1", "e1", "rest")
	c.handle("c2", "e2", "far")
	c.drained()
	c.handle("c3", "e3", "x")
	c.endedAs("c3", "read done (read)")
	c.stop()
	c.ahead.Store(int64(3 * time.Hour))
	c.start()
	c.endedAs("c1", "read done (read)")
	p := c.explainOne("e1").Actions[0].Postponed
	if p == nil || p.By != "night/far" || p.Event == nil || p.Event.ID != "e2" {
		t.Errorf("postponed by %+v", p)
	}
	if p := c.explainOne("e3").Actions[0].Postponed; p != nil {
		t.Errorf("a read that did not wait was postponed by %+v", p)
	}
}

// What a pack has postponed ends when the pack goes off, and the command reports it; an
// edit leaves it, and so does a version that goes.
func TestPostponementEndsWithItsPack(t *testing.T) {
	t.Parallel()
	const goes, stays = "read done (read)", "read waiting"
	postponed := func(d live.Dropped, want int) error {
		if d != (live.Dropped{Postponed: want}) {
			return fmt.Errorf("it says that %+v was dropped, want %d postponed", d, want)
		}
		return nil
	}
	mode := func(mode string, keep bool, want int) func(*crew) error {
		return func(c *crew) error {
			changed, err := c.m.SetMode(ctx, "night", control.ModeRequest{Mode: mode, KeepPending: keep})
			return errors.Join(err, postponed(changed.Dropped, want))
		}
	}
	granted := func(permissions ...string) map[string]rules.PackOptions {
		return map[string]rules.PackOptions{"night": {Grant: permissions}}
	}
	regrant := func(c *crew, permissions ...string) error {
		c.options.Packs = granted(permissions...)
		return c.m.gens.Reconfigure(ctx, c.options, nil)
	}
	for _, tt := range []struct {
		name string
		act  func(c *crew) error
		want string
	}{
		{"off", mode("off", false, 1), goes},
		{"shadow", mode("shadow", false, 1), goes},
		{"off, and kept", mode("off", true, 0), stays},
		{"rolled back", func(c *crew) error {
			changed, err := c.m.Rollback(ctx, "night", control.RollbackRequest{})
			return errors.Join(err, postponed(changed.Dropped, 0))
		}, stays},
		{"rolled back by chertd", func(c *crew) error { return c.m.gens.RollBackFailing(ctx, "night") }, stays},
		{"rolled back, undone, and off", func(c *crew) error {
			for _, in := range []control.RollbackRequest{{}, {Undo: true}} {
				if _, err := c.m.Rollback(ctx, "night", in); err != nil {
					return err
				}
			}
			return mode("off", false, 1)(c)
		}, goes},
		{"a grant is taken back", func(c *crew) error { return regrant(c) }, stays},
		{"a grant is taken back, and a restart", func(c *crew) error {
			c.options.Packs = nil
			c.stop()
			c.start()
			return nil
		}, stays},
		{"a grant is taken back, and off", func(c *crew) error {
			return errors.Join(regrant(c), mode("off", false, 1)(c))
		}, goes},
		{"removed by command", func(c *crew) error {
			c.remove("night/night.lua")
			c.remove("night/pack.yaml")
			c.remove("night")
			dropped, err := c.m.Remove(ctx, "night", false)
			return errors.Join(err, postponed(dropped, 1))
		}, goes},
		{"removed by command, and kept", func(c *crew) error {
			c.remove("night/night.lua")
			c.remove("night/pack.yaml")
			c.remove("night")
			dropped, err := c.m.Remove(ctx, "night", true)
			return errors.Join(err, postponed(dropped, 0))
		}, stays},
		{"off by pack.yaml", func(c *crew) error { c.write("night/pack.yaml", "mode: off\n"); c.reload(); return nil }, goes},
		{"removed", func(c *crew) error {
			c.remove("night/night.lua")
			c.remove("night/pack.yaml")
			c.remove("night")
			c.reload()
			c.ahead.Store(int64(3 * time.Second))
			c.reload()
			return nil
		}, goes},
		{"off by chertd.yaml", func(c *crew) error {
			c.options.Packs = map[string]rules.PackOptions{"night": {Mode: rules.Off}}
			c.stop()
			c.start()
			return nil
		}, goes},
		{"an edit", func(c *crew) error { c.write("night/night.lua", rest+"\n-- edited"); c.reload(); return nil }, stays},
		{"its rule is renamed", func(c *crew) error {
			c.write("night/night.lua", strings.Replace(rest, `"rest"`, `"sleep"`, 1))
			c.reload()
			return nil
		}, stays},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, "codes.lua", readAll, "night/night.lua", `chert.on("reaction.added", function(ev) end)`)
			if err := regrant(c, "typing"); err != nil {
				t.Fatal(err)
			}
			c.write("night/pack.yaml", "permissions: [typing]\n")
			c.write("night/night.lua", rest)
			c.reload()
			c.handle("c1", "e1", "x")
			c.expectActions("before", "c1", stays)
			if err := tt.act(c); err != nil {
				t.Fatal(err)
			}
			if tt.want == goes {
				c.endedAs("c1", goes)
				return
			}
			c.stop()
			c.start()
			c.expectActions("after a restart", "c1", stays)
		})
	}
}

// A pack that postpones fails closed: what it could not postpone is blocked, and
// once it works waits until the time it says.
func TestPackThatPostponesFailsClosed(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", readAll, "night.lua", strings.Replace(rest, "run = function(ev)", `run = function(ev) error("oops")`, 1))
	c.handle("c1", "e1", "x")
	c.expectActions("it fails", "c1", "read blocked (blocked)")
	c.write("night.lua", rest)
	c.reload()
	c.caughtUp()
	c.expectActions("it works", "c1", "read waiting")
	c.mode("night", "off")
	c.endedAs("c1", "read done (read)")
}

// A postponement for another chat is carried there, and a read that the same
// event asks for waits.
func TestPostponeAnotherChat(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", `chert.on("message.received", { chat = "c1" }, function(ev) chert.mark_read("c2", { even_if_newer = true }) end)`,
		"night.lua", strings.Replace(rest, "ev.chat.id", `"c2"`, 1))
	c.handle("c1", "e1", "x")
	c.endedAs("c2", "read waiting")
	c2 := c.chatOf("c2")
	if p, ok := c2.Postponement(c.now()); !ok || p.By() != "night/rest" {
		t.Errorf("c2 is not postponed: %+v", c2)
	}
}

func requested(said []turn.RuleDecision) (all []string) {
	for i := range said {
		all = append(all, said[i].Asked...)
	}
	return all
}
