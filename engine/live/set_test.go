package live

import (
	"strings"
	"testing"
	"time"

	"chertd/rules"
)

// What becomes of what a pack has missed, and of its rules, by how it stands in
// the set.
func TestSetKnowsHowEachPackStands(t *testing.T) {
	t.Parallel()
	const rule = `chert.rule({ name = "r", on = "message.received", run = function(ev) if ev.text == "bad" then error("oh") end end })`
	p := newPen(t)
	p.options.Suspend = rules.SuspendPolicy{After: 1, Chats: 1}
	p.write("fine.lua", "-- f1\n"+rule, "bad.lua", "-- b1\n"+strings.Replace(rule, "oh", "no", 1), "off/r.lua", "-- o1\n"+rule, "off/pack.yaml", "mode: off",
		"shadow/r.lua", "-- s1\n"+rule, "shadow/pack.yaml", "mode: shadow", "broken.lua", broken)
	p.start()
	p.expectLive("at start", "bad=b1 broken=none fine=f1 off=o1(off) shadow=s1(shadow)")
	for range 2 {
		p.run(rules.Input{Event: message("bad"), Now: noon, Pack: "bad"})
	}
	for _, tt := range []struct {
		pack                string
		version             bool
		suspended, out      bool
		has, hasR, hasOther bool
		withdrawn           bool
	}{
		{pack: "fine", version: true, has: true, hasR: true},
		{pack: "bad", version: true, suspended: true, has: true, hasR: true},
		{pack: "off", out: true, has: true, hasR: true, withdrawn: true},
		{pack: "shadow", out: true, has: true, hasR: true, withdrawn: true},
		{pack: "broken", has: true, hasR: true, hasOther: true},
		{pack: "none", out: true, hasR: true, hasOther: true, withdrawn: true},
	} {
		version, out := p.set.Serving(tt.pack)
		suspended := suspensions.Suspends(p.set, tt.pack, noon)
		if (version != "") != tt.version || suspended != tt.suspended || out != tt.out {
			t.Errorf("%s serves %q, suspended: %t, out: %t", tt.pack, version, suspended, out)
		}
		if tt.version && version != p.set.Pack(tt.pack).Version {
			t.Errorf("%s serves version %q", tt.pack, version)
		}
		if p.set.Has(tt.pack) != tt.has || p.set.HasRule(tt.pack, "r") != tt.hasR || p.set.HasRule(tt.pack, "s") != tt.hasOther {
			t.Errorf("the set has pack %s: %t; a rule r: %t; a rule s: %t", tt.pack, p.set.Has(tt.pack), p.set.HasRule(tt.pack, "r"), p.set.HasRule(tt.pack, "s"))
		}
		if p.set.Withdrawn(tt.pack, "v", "c1") != tt.withdrawn {
			t.Errorf("%s is withdrawn: %t", tt.pack, p.set.Withdrawn(tt.pack, "v", "c1"))
		}
	}
	if suspensions.Suspends(p.set, "bad", noon.Add(time.Minute)) {
		t.Error("the rule is suspended once its time is over")
	}
	var none *rules.Set
	if none.Packs() != nil || none.Schedules() != nil || none.Pack("x") != nil {
		t.Error("no set has packs")
	}
}
