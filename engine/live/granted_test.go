package live

import (
	"errors"
	"strings"
	"testing"

	"chertd/rules"
)

// sends is a version of a pack that sends.
func sends(v string) string {
	return version(v) + "\nchert.on(\"message.received\", function(ev)\n  chert.send(ev.chat.id, \"x\")\nend)\n"
}

// When a grant is taken back, the last good version that needs less goes live, whether
// the daemon runs or not, and whatever happens to the files. The hint names the place
// for the grant. Once the grant is back, so is the version.
func TestGrantsTakenBackLeaveLess(t *testing.T) {
	t.Parallel()
	p := newPen(t)
	grants := func(can ...string) {
		t.Helper()
		p.options.Packs = map[string]rules.PackOptions{"bot": {Grant: can}}
		must(t, p.g.Reconfigure(background, p.options, p.gated()))
	}
	grants("send")
	p.edit("bot/r.lua", version("v1"), "bot/pack.yaml", "mode: live")
	p.edit("bot/r.lua", sends("v2"), "bot/pack.yaml", "permissions: [send]")
	p.expectLive("granted", "bot=v2")
	grants()
	p.expectLive("taken back", "bot=v1")
	p.await("bot")
	if !p.hasCancelled("bot v2: off") {
		t.Error("what the version had waiting was kept")
	}
	p.expectNotLive("taken back", "bot", "it needs a permission that it does not have: send; version …")
	if said := p.standing("bot").Diagnostics.Error(); !strings.Contains(said, "r.lua:") || !strings.Contains(said, "add to chertd.yaml: rules: {packs: {bot: {grant: [send]}}}") {
		t.Errorf("the standing says\n%s", said)
	}
	for range 3 {
		p.edit()
	}
	if n := p.logged("no longer granted: the last version that needs less is live"); n != 1 {
		t.Errorf("it was logged %d times, want once", n)
	}
	p.start()
	p.expectLive("after a restart", "bot=v1")
	p.edit("bot/r.lua", broken)
	p.expectLive("an edit that is broken", "bot=v1")
	grants("send")
	p.expectLive("granted again, while the files are broken", "bot=v2")
	p.edit("bot/r.lua", sends("v2"))
	grants()
	p.expectLive("taken back again", "bot=v1")
	p.edit("bot/r.lua", version("v3"), "bot/pack.yaml", "mode: live")
	p.expectLive("an edit that needs less", "bot=v3")
	p.expectNotLive("an edit that needs less", "bot", "")
	grants("typing")
	p.expectLive("a grant that nobody asked for", "bot=v3")
	if n := p.logged("grants a permission that the pack does not request"); n != 1 {
		t.Errorf("an unused grant was logged %d times, want once", n)
	}
}

// A candidate that is live instead of a version that needs more is live in all chats: its
// share restricts nothing, can't be changed, and ends without its pending work being dropped.
func TestCandidateLiveInsteadHasNoShare(t *testing.T) {
	t.Parallel()
	p := newPen(t)
	grants := func(can ...string) {
		t.Helper()
		p.options.Packs = map[string]rules.PackOptions{"codes": {Grant: can}}
		must(t, p.g.Reconfigure(background, p.options, p.gated()))
	}
	grants("send")
	p.edit("codes/r.lua", version("v1"), "codes/pack.yaml", "mode: live")
	first := p.set.Pack("codes").Files
	p.edit("codes/r.lua", sends("v2"), "codes/pack.yaml", "permissions: [send]")
	if _, err := p.g.Try(background, "codes", "codes", first); err != nil {
		t.Fatal(err)
	}
	p.setMode(SetMode{Mode: rules.Live, Share: 1000})
	grants()
	p.expectLive("taken back", "codes=v1")
	p.await("codes")
	p.hasCancelled("")
	candidate := p.standing("codes").Candidate
	if candidate == nil || !strings.Contains(candidate.Why, "it is live in all chats, instead of version ") {
		t.Errorf("the candidate is %+v", candidate)
	}
	if _, err := p.g.SetMode(background, "codes", SetMode{Mode: rules.Live, Share: 2000}); !errors.Is(err, ErrIdle) {
		t.Errorf("another share: %v", err)
	}
	if _, err := p.g.EndCandidate(background, "codes", false); err != nil {
		t.Fatal(err)
	}
	if p.await("codes"); p.hasCancelled("codes v1") || p.current().Withdrawn("codes", p.standing("codes").Version, chatIn(1000)) {
		t.Error("the pending work of the live version is dropped")
	}
	grants("send")
	p.expectLive("granted again", "codes=v2")
	p.expectCandidate("granted again", "", 0)
}
