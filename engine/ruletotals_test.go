package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
)

// rules returns what rules did, by PACK/RULE.
func (c *crew) rules(q control.RulesQuery) map[string]control.Rule {
	c.t.Helper()
	all, err := c.m.Rules(ctx, q)
	if err != nil {
		c.t.Fatal(err)
	}
	byKey := map[string]control.Rule{}
	for _, r := range all.Rules {
		byKey[r.Pack+"/"+r.Rule] = r
	}
	return byKey
}

// TestRulesShowWhatTheyDid: rules that another one vetoes, that never match, that fail, that
// run in shadow and that are gone are distinguished, over versions and restarts.
func TestRulesShowWhatTheyDid(t *testing.T) {
	t.Parallel()
	const codes = `chert.rule({ name = "read", on = "message.received", where = { text = "code" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end })
	chert.rule({ name = "never", on = "message.received", where = { text = "nobody writes this" }, run = function(ev) chert.mark_read(ev.chat.id) end })
	%s`
	const old = `chert.rule({ name = "old", on = "message.received", run = function(ev) if ev.text == "bad" then error("oh no") end end })`
	c := newCrew(t,
		"codes.lua", fmt.Sprintf(codes, old),
		"vip.lua", `chert.rule({ name = "hold", on = "message.received", where = { text = "code" }, run = function(ev) chert.keep_unread(ev.chat.id) end })`,
		"try.lua", `chert.rule({ name = "all", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id) end })`)
	if _, err := c.m.SetMode(ctx, "try", control.ModeRequest{Mode: "shadow"}); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), "a code")
	}
	c.handle("c1", "e-bad", "bad")
	c.stop()
	c.start()
	c.handle("c1", "e-more", "a code")
	got := c.rules(control.RulesQuery{})

	read := got["codes/read"]
	if read.Matched != 13 || read.Ran != 13 || read.Requested != 13 || read.Reads != 13 || read.Vetoed != 13 || read.Read != 0 || read.Steps == 0 || read.Mode != "live" || read.LastMatched.IsZero() || read.Shadow != nil {
		t.Errorf("the vetoed rule: %+v", read)
	}
	if v := read.VetoedMostly; v == nil || v.By != "vip/hold" || v.Reads != 13 || !strings.HasSuffix(v.Place, "vip.lua:1") {
		t.Errorf("it is vetoed mostly by %+v", v)
	}
	if hold := got["vip/hold"]; hold.Matched != 13 || hold.Requested != 13 || hold.Reads != 0 || hold.Stopped != 13 || hold.VetoedMostly != nil {
		t.Errorf("the veto: %+v", hold)
	}
	if never := got["codes/never"]; never.Matched != 0 || !never.LastMatched.IsZero() || never.Since.IsZero() || never.Mode != "live" || !strings.HasSuffix(never.Place, "codes.lua:2") {
		t.Errorf("the rule that never matched: %+v", never)
	}
	failed := got["codes/old"]
	if f := failed.LastFailure; failed.Failed != 1 || failed.Matched != 14 || f == nil || f.Event != "e-bad" || !strings.Contains(f.Error, "oh no") {
		t.Errorf("the rule that failed: %+v, %+v", failed, f)
	}
	if shadow := got["try/all"]; shadow.RuleCounts != (control.RuleCounts{}) || shadow.Shadow == nil || shadow.Shadow.Matched != 14 || shadow.Shadow.Reads != 14 || shadow.Mode != "shadow" || shadow.LastMatched.IsZero() {
		t.Errorf("the rule in shadow: %+v, %+v", shadow, shadow.Shadow)
	}

	stale := c.rules(control.RulesQuery{Stale: time.Nanosecond})
	if len(stale) != 5 {
		t.Errorf("stale for a nanosecond are %v, want all", stale)
	}
	if stale := c.rules(control.RulesQuery{Stale: time.Hour}); len(stale) != 1 || stale["codes/never"].Rule == "" {
		t.Errorf("stale for an hour are %v, want the one that never matched", stale)
	}

	c.write("codes.lua", fmt.Sprintf(codes, ""))
	c.reload()
	if now := c.rules(control.RulesQuery{Pack: "codes"}); len(now) != 2 || now["codes/read"].Matched != 13 {
		t.Errorf("after the edit: %v", now)
	}
	all := c.rules(control.RulesQuery{Gone: true})
	if gone := all["codes/old"]; gone.Mode != control.RuleGone || gone.Matched != 14 || gone.Place != "" {
		t.Errorf("the removed rule: %+v", gone)
	}
	if one := c.rules(control.RulesQuery{Pack: "codes", Rule: "old"}); len(one) != 1 {
		t.Errorf("a removed rule that is named: %v", one)
	}
	for q, hint := range map[control.RulesQuery]string{{Pack: "code"}: `"codes"`, {Pack: "codes", Rule: "raed"}: `"read"`} {
		_, err := c.m.Rules(ctx, q)
		if user := (*control.UserError)(nil); !errors.As(err, &user) || user.Status != 404 || !strings.Contains(user.Hint, hint) {
			t.Errorf("%+v: %v, want a hint at %s", q, err, hint)
		}
	}
}

// TestRerunCountsWhatChanged: an event that runs again matched once, and no longer counts as
// failed.
func TestRerunCountsWhatChanged(t *testing.T) {
	t.Parallel()
	const rule = `chert.rule({ name = "hold", on = "message.received", run = function(ev) %s chert.keep_unread(ev.chat.id) end })`
	c := newCrew(t, "vip.lua", fmt.Sprintf(rule, `error("oh no")`),
		"codes.lua", `chert.rule({ name = "read", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end })`)
	c.handle("c1", "e1", "x")
	if r := c.rules(control.RulesQuery{})["vip/hold"]; r.Matched != 1 || r.Ran != 1 || r.Failed != 1 || r.Requested != 0 {
		t.Errorf("before: %+v", r)
	}
	c.write("vip.lua", fmt.Sprintf(rule, ""))
	c.reload()
	c.wait("the pack to catch up", func() bool { return c.pack("vip").Missed == 0 })
	c.endedAs("c1", "read dropped (vetoed)")
	got := c.rules(control.RulesQuery{})
	if r := got["vip/hold"]; r.Matched != 1 || r.Ran != 1 || r.Failed != 0 || r.Requested != 1 || r.LastFailure == nil {
		t.Errorf("after: %+v", r)
	}
	if r := got["codes/read"]; r.Matched != 1 || r.Reads != 1 || r.Vetoed != 1 || len(r.Vetoes) != 1 || r.Vetoes[0].By != "vip/hold" {
		t.Errorf("the read: %+v", r)
	}
}

// TestRulesInShadowAndCandidatesCountApart: an operator switched the rule to shadow while a
// candidate with the same rule runs beside it.
func TestRulesInShadowAndCandidatesCountApart(t *testing.T) {
	t.Parallel()
	const rule = `chert.rule({ name = "read", on = "message.received", run = function(ev)
		chert.mark_read(ev.chat.id)
		%s
	end })`
	c := newCrew(t, "codes.lua", fmt.Sprintf(rule, ""))
	c.try("codes", fmt.Sprintf(rule, `if ev.text == "bad" then error("oh no") end`))
	if _, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Rule: "read", Mode: "shadow"}); err != nil {
		t.Fatal(err)
	}
	c.handle("c1", "e1", "x")
	c.handle("c1", "e2", "bad")
	c.expectActions("both in shadow", "c1", "read shadow (shadow), read shadow (candidate), read shadow (shadow)")
	c.stop()
	c.start()
	r := c.rules(control.RulesQuery{})["codes/read"]
	if r.RuleCounts != (control.RuleCounts{}) || r.Shadow == nil || r.Candidate == nil {
		t.Fatalf("the rule: %+v", r)
	}
	if s := r.Shadow; s.Matched != 2 || s.Ran != 2 || s.Reads != 2 || s.Failed != 0 {
		t.Errorf("in shadow: %+v", s)
	}
	if s := r.Candidate; s.Matched != 2 || s.Ran != 2 || s.Reads != 1 || s.Failed != 1 {
		t.Errorf("the candidate: %+v", s)
	}
}
