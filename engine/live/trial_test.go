package live

import (
	"fmt"
	"testing"
)

func TestTrial(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name             string
		before           [2]int // failures, events of the version before
		failures, events int    // of the new one, the failures first
		every            int    // or each so-manieth event fails; 0: the first do
		want             string
		notLive          string
	}{
		{"it fails", [2]int{0, 10}, 11, 11, 0, "v1", "rolled back to …"},
		{"it fails on every fourth", [2]int{0, 10}, 0, 44, 4, "v1", "rolled back to …"},
		{"it fails on a fifth", [2]int{0, 10}, 0, 60, 5, "v2", ""},
		{"it fails on each of the first five", [2]int{0, 10}, 5, 5, 0, "v1", "rolled back to …"},
		{"it fails on four of the first five", [2]int{0, 10}, 4, 5, 0, "v2", ""},
		{"it fails on four of the first five, and on few later", [2]int{0, 10}, 4, 60, 0, "v2", ""},
		{"nothing is known of the one before", [2]int{0, 0}, 11, 11, 0, "v1", "rolled back to …"},
		{"the one before did, too", [2]int{3, 10}, 50, 50, 0, "v2", ""},
		{"the one before did on a fifth", [2]int{2, 10}, 11, 11, 0, "v1", "rolled back to …"},
	} {
		for _, restart := range []int{-1, 3} { // after so many events
			t.Run(fmt.Sprint(tt.name, restart), func(t *testing.T) {
				t.Parallel()
				p := newPen(t, "codes.lua", version("v1"))
				v1 := p.standing("codes").Version
				for i := range tt.before[1] {
					p.keeper.count("codes", v1, i < tt.before[0])
				}
				p.edit("codes.lua", version("v2"))
				v2 := p.standing("codes").Version
				for i := range tt.events {
					if i == restart {
						p.start()
					}
					failed := i < tt.failures || tt.every > 0 && i%tt.every == 0
					p.keeper.count("codes", v2, failed)
					p.g.Handled("codes", v1, true) // an event that was run before the swap
					if p.g.Handled("codes", v2, failed) {
						must(t, p.g.RollBackFailing(background, "codes"))
					}
				}
				p.expectLive("in the end", "codes="+tt.want)
				p.expectNotLive("in the end", "codes", tt.notLive)
				if tt.want == "v2" {
					p.expectCancelled("nothing was rolled back")
					return
				}
				p.await("codes")
				p.expectCancelled("rolled back", "codes v2: rolled back")
				p.start()
				p.edit("vip.lua", version("w1"))
				p.expectLive("it does not come back", "codes=v1 vip=w1")
				if p.g.Handled("codes", v2, true) || p.g.Handled("codes", v1, true) {
					t.Error("a version that was rolled back to is on trial")
				}
			})
		}
	}
}

// An edit in between ends a trial; the verdict must not hit the next version.
func TestTrialOfAnEarlierEdit(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	p.edit("codes.lua", version("v2"))
	v2, fails := p.standing("codes").Version, false
	for range 11 {
		fails = p.g.Handled("codes", v2, true) || fails
	}
	if !fails {
		t.Fatal("eleven failures do not end the trial")
	}
	p.edit("codes.lua", version("v3"))
	must(t, p.g.RollBackFailing(background, "codes"))
	p.expectLive("the verdict comes late", "codes=v3")
}

// A version that has passed its trial stays live whatever it does, and however often the
// folder is read.
func TestTrialIsOverOnce(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", version("v1"))
	p.keeper.count("codes", p.standing("codes").Version, false)
	p.edit("codes.lua", version("v2"))
	v2 := p.standing("codes").Version
	for range trialEvents {
		p.g.Handled("codes", v2, false)
	}
	for range 3 {
		p.edit("vip.lua", version("w1"))
		for range trialEvents {
			if p.g.Handled("codes", v2, true) {
				t.Fatal("it is on trial again")
			}
		}
	}
}
