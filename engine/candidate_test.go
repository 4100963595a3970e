package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/rules"
)

// try has a text run as the candidate of a pack.
func (c *crew) try(pack, text string) control.Changed {
	c.t.Helper()
	p, err := c.m.Shadow(ctx, pack, control.CandidateRequest{Path: "/tmp/new.lua", Files: []control.SentFile{{Name: "new.lua", Content: []byte(text)}}})
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// TestCandidateOnRealEvents: the candidate runs on the events of the live version, its
// results are recorded, and nothing of them is carried out.
func TestCandidateOnRealEvents(t *testing.T) {
	t.Parallel()
	const rule = `chert.rule({ name = "read", on = "message.received", run = function(ev)
		ev.state.n = (ev.state.n or 0) + 1
		%s
	end })`
	c := newCrew(t, "codes.lua", fmt.Sprintf(rule, `chert.mark_read(ev.chat.id, { after = "1h" })`))
	p := c.try("codes", fmt.Sprintf(rule, `log.info("seen " .. ev.state.n) if ev.text == "bad" then error("oh") end chert.keep_unread(ev.chat.id)`))
	if p.Candidate == nil || p.Candidate.Version == p.Version {
		t.Fatalf("the answer is %+v", p)
	}
	candidate := p.Candidate.Version
	c.handle("c1", "e1", "x")
	c.handle("c1", "e2", "x")
	c.stop()
	c.start()
	c.handle("c1", "e3", "x")
	c.handle("c2", "e4", "bad")
	c.expectActions("a veto in shadow", "c1", "read waiting, read dropped (replaced), read dropped (replaced)")
	c.expectActions("a failure in shadow", "c2", "read waiting")
	d := c.decision("e3")
	if len(d.Rules) != 2 || d.Failed {
		t.Fatalf("the decision is %+v", d)
	}
	own, beside := d.Rules[0], d.Rules[1]
	if own.Shadow || own.Candidate || !beside.Shadow || !beside.Candidate || beside.Version != candidate || !slices.Equal(beside.Asked, []string{"keep_unread [shadow]"}) {
		t.Errorf("the rules are %+v", d.Rules)
	}
	if len(beside.Logs) != 1 || beside.Logs[0].Msg != "seen 3" {
		t.Errorf("its memory did not last: %+v", beside.Logs)
	}
	if d := c.decision("e4"); d.Failed {
		t.Errorf("the event counts as missed: %+v", d)
	}
	now := c.pack("codes")
	if now.Candidate.Events != 4 || now.Candidate.Failures != 1 || now.Events != 4 || now.Failures != 0 {
		t.Errorf("%d events and %d failures of the candidate, %d and %d of the live version", now.Candidate.Events, now.Candidate.Failures, now.Events, now.Failures)
	}
	if now.Blocked != nil || now.Missed != 0 {
		t.Errorf("it blocks reads: %+v", now.Blocked)
	}
	back, err := c.m.Rollback(ctx, "codes", control.RollbackRequest{})
	if err != nil || back.Ended == nil || back.Ended.Candidate != candidate || back.Version != now.Version || back.Dropped != (live.Dropped{}) {
		t.Errorf("the rollback returns %+v, %v", back, err)
	}
	c.handle("c3", "e5", "x")
	if d := c.decision("e5"); len(d.Rules) != 1 {
		t.Errorf("after the rollback: %+v", d.Rules)
	}
}

// TestCandidateFromAShareToAllChats: in the share the candidate alone runs and acts, also
// after a restart; its pending work ends with the share.
func TestCandidateFromAShareToAllChats(t *testing.T) {
	t.Parallel()
	const rule = `chert.rule({ name = "%s", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "%s" }) end })`
	c := newCrew(t, "codes.lua", fmt.Sprintf(rule, "old", "1h"))
	const half = rules.Share(5000)
	in, out := shared("codes", half, 0, 2), shared("codes", 0, half, 2)
	p := c.try("codes", fmt.Sprintf(rule, "new", "2h"))
	candidate := p.Candidate.Version
	set := func(in control.ModeRequest) control.Changed {
		t.Helper()
		p, err := c.m.SetMode(ctx, "codes", in)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	set(control.ModeRequest{Mode: "live", Share: "50%"})
	c.stop()
	c.start()
	c.handle(in[0], "e1", "x")
	c.handle(out[0], "e2", "x")
	c.expectActions("in the share", in[0], "read waiting")
	c.expectActions("outside", out[0], "read shadow (candidate), read waiting")
	if d := c.decision("e1"); len(d.Rules) != 1 || d.Rules[0].Version != candidate || d.Rules[0].Rule != "new" || d.Rules[0].Shadow {
		t.Errorf("in the share ran %+v", d.Rules)
	}
	back, err := c.m.Rollback(ctx, "codes", control.RollbackRequest{})
	if err != nil || back.Dropped != (live.Dropped{Reads: 1}) || back.Ended == nil || back.Ended.Share != "50%" {
		t.Errorf("the rollback returns %+v, %+v, %v", back.Ended, back.Dropped, err)
	}
	c.expectActions("rolled back, in the share", in[0], "read dropped (pack_inactive)")
	c.expectActions("rolled back, outside", out[0], "read shadow (candidate), read waiting")

	c.try("codes", fmt.Sprintf(rule, "new", "2h"))
	set(control.ModeRequest{Mode: "live", Share: "50%"})
	c.handle(in[1], "e3", "x")
	c.handle(out[1], "e4", "x")
	if p := set(control.ModeRequest{Mode: "live"}); p.Version != candidate || !p.Promoted || p.Candidate != nil || !strings.Contains(p.NotLive, "was made live instead") {
		t.Errorf("in all chats: %+v", p)
	}
	c.expectActions("promoted: the same rule is live", in[1], "read waiting")
	c.wait("reads of the old rule to end", func() bool { return strings.HasSuffix(c.actions(out[1]), "read dropped (pack_inactive)") })
	c.handle(out[1], "e5", "x")
	if d := c.decision("e5"); len(d.Rules) != 1 || d.Rules[0].Version != candidate {
		t.Errorf("promoted: ran %+v", d.Rules)
	}
	c.stop()
	c.start()
	if p := c.pack("codes"); p.Version != candidate || !p.Promoted || p.PinnedUntil != control.PinnedUntilEdit {
		t.Errorf("after a restart: %+v", p)
	}
}

// TestLiveVersionMakesUpForAFailingCandidate: what a candidate missed in its share, and the
// reads that it blocked, are the live version's again once it ends.
func TestLiveVersionMakesUpForAFailingCandidate(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "guard.lua", `chert.on("message.received", function(ev) if ev.text == "vip" then chert.keep_unread(ev.chat.id) end end)`,
		"other.lua", `chert.rule({ name = "o", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "2h" }) end })`)
	c.try("guard", `chert.on("message.received", function(ev) error("oh") chert.keep_unread(ev.chat.id) end)`)
	in := shared("guard", 5000, 0, 2)
	if _, err := c.m.SetMode(ctx, "guard", control.ModeRequest{Mode: "live", Share: "50%"}); err != nil {
		t.Fatal(err)
	}
	c.handle(in[0], "e1", "vip")
	c.handle(in[1], "e2", "x")
	for _, id := range in {
		c.expectActions("the candidate fails", id, "read blocked (blocked)")
	}
	c.wait("the pack to be listed as blocking reads", func() bool { return c.pack("guard").Blocked != nil })
	if fix := c.pack("guard").Blocked.Fix[0]; fix != "chertd rollback guard ends the candidate, which is live in 50% of the chats" {
		t.Errorf("the fix is %q", fix)
	}
	if _, err := c.m.Rollback(ctx, "guard", control.RollbackRequest{}); err != nil {
		t.Fatal(err)
	}
	c.endedAs(in[0], "read dropped (vetoed)")
	c.endedAs(in[1], "read waiting")
}

func TestSentCandidateIsChecked(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", later)
	var refused *control.RefusedError
	_, err := c.m.Shadow(ctx, "codes", control.CandidateRequest{Path: "/tmp/new.lua", Files: []control.SentFile{{Name: "new.lua", Content: []byte("chert.on(")}}})
	if !errors.As(err, &refused) || len(refused.Diagnostics) == 0 || refused.Diagnostics[0].File != "/tmp/new.lua" {
		t.Errorf("files that do not load: %v", err)
	}
	var user *control.UserError
	_, err = c.m.Shadow(ctx, "codes", control.CandidateRequest{Path: "x", Files: []control.SentFile{{Name: "../codes.lua", Content: []byte(later)}}})
	if !errors.As(err, &user) || !strings.Contains(user.Message, "not the name of a pack's file") {
		t.Errorf("a name that is outside: %v", err)
	}
	if p := c.pack("codes"); p.Candidate != nil {
		t.Errorf("it has the candidate %+v", p.Candidate)
	}
}

// TestComparisonsAreCounted: what the candidate and the live version requested is compared
// on each event, and the counts are as durable as the decisions.
func TestComparisonsAreCounted(t *testing.T) {
	t.Parallel()
	const rule = `chert.rule({ name = "read", on = "message.received", where = { text = %s }, run = function(ev)
		if ev.text == %q then error("oh") end
		chert.mark_read(ev.chat.id, { after = %q })
	end })`
	c := newCrew(t, "codes.lua", fmt.Sprintf(rule, `{"code", "slow", "old", "bad", "worse"}`, "bad", "1h"))
	candidate := c.try("codes", strings.Replace(fmt.Sprintf(rule, `{"code", "slow", "new", "bad", "worse"}`, "worse", "1h"),
		`"1h"`, `ev.text == "slow" and "2h" or "1h"`, 1)).Candidate.Version
	for i, text := range []string{"code", "old", "hello", "new", "slow"} {
		c.handle("c1", fmt.Sprint("e", i), text)
	}
	c.stop()
	c.start()
	for i, text := range []string{"bad", "worse", "code"} {
		c.handle("c2", fmt.Sprint("f", i), text)
	}
	p := c.pack("codes")
	got := *p.Comparison
	if got.Since.IsZero() {
		t.Error("it is not known since when")
	}
	got.Since = p.Since
	want := control.Comparison{Version: candidate, Against: p.Version, Since: p.Since, Events: 7, Agreed: 2, Differ: 5, FailedLive: 1, FailedCandidate: 1, ReadLive: 1, ReadCandidate: 1, Time: 1}
	if got != want {
		t.Errorf("the counts are %+v, want %+v", got, want)
	}
	d, err := c.m.Differences(ctx, "codes", 100)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range d.Events {
		words := fmt.Sprintf("%s %s %s:", e.Event, e.Chat, e.Result)
		for who, all := range map[string][]control.RuleRequests{"live": e.Live, "candidate": e.Candidate} {
			for _, r := range all {
				if r.Rule != "read" || !strings.HasSuffix(strings.Split(r.Place, ":")[0], "codes.lua") {
					t.Errorf("%s: %s %+v", e.Event, who, r)
				}
			}
		}
		list = append(list, fmt.Sprintf("%s live %d, candidate %d", words, len(e.Live), len(e.Candidate)))
	}
	if got, want := strings.Join(list, "\n"), strings.TrimSpace(`
f1 c2 failed_candidate: live 1, candidate 1
f0 c2 failed_live: live 1, candidate 1
e4 c1 time: live 1, candidate 1
e3 c1 read_candidate: live 0, candidate 1
e1 c1 read_live: live 1, candidate 0`); got != want {
		t.Errorf("the differences are\n%s\nwant\n%s", got, want)
	}
	if asked := d.Events[2].Candidate[0].Asked; len(asked) != 1 || asked[0] != "mark_read after 2h" {
		t.Errorf("the candidate asked for %q", asked)
	}
	if few, err := c.m.Differences(ctx, "codes", 2); err != nil || len(few.Events) != 2 || few.Events[0].Event != "f1" {
		t.Errorf("two of them: %+v, %v", few.Events, err)
	}
	// An edit of the live version begins another comparison.
	c.write("codes.lua", later)
	c.reload()
	if x := c.pack("codes").Comparison; x == nil || x.Events != 0 {
		t.Errorf("against another version: %+v", x)
	}
}

// TestShadowIsComparedWithTheChats: a pack in shadow, and one outside its share, has no live
// version to compare with.
func TestShadowIsComparedWithTheChats(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes.lua", `chert.on("message.received", function(ev)
		if ev.text == "keep" then chert.keep_unread(ev.chat.id) elseif ev.text ~= "leave" then chert.mark_read(ev.chat.id) end
	end)`, "other.lua", `chert.rule({ name = "o", on = "message.received", where = { chat = "c2" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "2h" }) end })`)
	if p := c.pack("codes"); p.Comparison != nil {
		t.Errorf("a live pack is compared: %+v", p.Comparison)
	}
	c.mode("codes", "shadow")
	for i, text := range []string{"read", "keep", "leave"} {
		c.handle("c1", fmt.Sprint("alone", i), text)
		c.handle("c2", fmt.Sprint("both", i), text)
	}
	x := c.pack("codes").Comparison
	if x == nil || x.Events != 6 || x.Agreed != 4 || x.ReadCandidate != 1 || x.Veto != 1 || x.Against != "" {
		t.Errorf("the counts are %+v", x)
	}
	d, err := c.m.Differences(ctx, "codes", 100)
	if err != nil || len(d.Events) != 2 || d.Events[0].Event != "both1" || len(d.Events[0].Reads) != 1 || d.Events[1].Event != "alone0" || len(d.Events[1].Reads) != 0 {
		t.Errorf("the differences are %+v, %v", d.Events, err)
	}
	if _, err := c.m.Differences(ctx, "none", 1); err == nil {
		t.Error("a pack that does not exist has differences")
	}
	if d, err := c.m.Differences(ctx, "other", 1); err != nil || d.Comparison != nil {
		t.Errorf("a live pack: %+v, %v", d, err)
	}
}

// While a candidate runs, after it has ended and from when it is promoted, explain computes why a rule did
// not match with the version that was live in all chats then.
func TestExplainUsesTheLiveVersionBesideCandidates(t *testing.T) {
	t.Parallel()
	rule := func(word string) string {
		return fmt.Sprintf("chert.rule({ name = \"r\", on = \"message.received\", where = { text = %q }, run = function(ev) chert.mark_read(ev.chat.id) end })\n", word)
	}
	c := newCrew(t, "codes.lua", rule("slow"))
	why := func(id string) string {
		t.Helper()
		x := c.explain(control.ExplainQuery{Of: id, Rule: "codes/r"})
		if len(x.Events) == 0 || len(x.Events[0].NotMatch) != 1 {
			t.Fatalf("%s: %+v", id, x)
		}
		return strings.Join(x.Events[0].NotMatch[0].Why, " ")
	}
	c.handle("c1", "before", "nothing")
	c.try("codes", rule("tardy"))
	c.handle("c1", "beside", "nothing")
	for _, id := range []string{"before", "beside"} {
		if got := why(id); !strings.Contains(got, `"slow"`) {
			t.Errorf("with a candidate, %s: %s", id, got)
		}
	}
	if _, err := c.m.EndShadow(ctx, "codes", false); err != nil {
		t.Fatal(err)
	}
	c.handle("c1", "after", "nothing")
	if got := why("after"); !strings.Contains(got, `"slow"`) {
		t.Errorf("after the candidate: %s", got)
	}
	c.try("codes", rule("tardy"))
	c.mode("codes", "live")
	c.handle("c1", "promoted", "nothing")
	for id, word := range map[string]string{"before": "slow", "beside": "slow", "after": "slow", "promoted": "tardy"} {
		if got := why(id); !strings.Contains(got, fmt.Sprintf("%q", word)) {
			t.Errorf("after the promotion, %s: %s", id, got)
		}
	}
}
