package rules

import (
	"testing"
	"time"

	"chertd/rules/chat"
)

// TestRoleKeys: stores have these keys.
func TestRoleKeys(t *testing.T) {
	t.Parallel()
	seen := map[string]Role{}
	for role, want := range map[Role]string{RoleLive: "codes", RoleShadow: "codes (shadow)", RoleCandidate: "codes (candidate)"} {
		key := role.Key("codes")
		if key != want {
			t.Errorf("role %d has the key %q, want %q", role, key, want)
		}
		if pack, r := ParseRoleKey(key); pack != "codes" || r != role {
			t.Errorf("%q is of role %d of pack %q", key, r, pack)
		}
		seen[key] = role
	}
	if len(seen) != len(Roles) {
		t.Errorf("%d roles have %d keys", len(Roles), len(seen))
	}
}

// TestRuleInShadowAndCandidateAreSeparate: an operator switched the rule to shadow, and a
// candidate with the same rule runs in shadow beside it. Neither sees what the other one
// stored, and neither rests because the other one ran.
func TestRuleInShadowAndCandidateAreSeparate(t *testing.T) {
	t.Parallel()
	const rule = `chert.rule { name = "read", on = "message.received", cooldown = "1h", run = function(ev)
		local n = kv.incr("n")
		ev.state.n = (ev.state.n or 0) + 1
		chert.mark_read(ev.chat.id, { reason = n .. " and " .. ev.state.n })
	end }`
	s := withCandidate(t, rule, rule+"\n-- 2", 0, nil)
	s = NewSet(SetParts{
		Packs: s.Packs(), Modes: map[string]Mode{"p": Live}, Candidates: []*Pack{s.Candidate("p")},
		Rollouts: map[string]Rollout{"p": s.Rollout("p")}, RuleModes: map[string]map[string]RuleMode{"p": {"read": {Mode: Shadow, Why: "by anna"}}},
	}, Options{})
	in := Input{Event: message("x"), Now: noon, Chat: &chat.Chat{ID: "c1", Cooldown: map[string]time.Time{}}}
	r := s.Run(0, in)
	expectSaid(t, r, `
		p/read: mark_read (1 and 1) [shadow] state={"n":1} n=1
		p/read: mark_read (1 and 1) [shadow] state={"n":1} n=1`)
	byCommand, candidate := &r.Outcomes[0], &r.Outcomes[1]
	if byCommand.MemoryPack() == candidate.MemoryPack() || byCommand.Rest == nil || candidate.Rest == nil || byCommand.Rest.Rule == candidate.Rest.Rule {
		t.Fatalf("both keep %q, and rest as %+v and %+v", candidate.MemoryPack(), byCommand.Rest, candidate.Rest)
	}
	for i := range r.Outcomes { // only one of both rests
		in.Chat.Cooldown = map[string]time.Time{r.Outcomes[i].Rest.Rule: r.Outcomes[i].Rest.Until}
		later := s.Run(0, in).Outcomes
		if later[i].Skipped != SkippedCooldown || later[1-i].Skipped != "" {
			t.Errorf("outcome %d rests: %q and %q are skipped", i, later[0].Skipped, later[1].Skipped)
		}
		pack, role := []*Pack{s.Pack("p"), s.Candidate("p")}[i], r.Outcomes[i].Role()
		if skip, ok := pack.SkipOf("read", in, SkippedCooldown, role); !ok || skip.Why != "until 2026-01-05 13:00:00Z" || skip.CooldownKey != r.Outcomes[i].Rest.Rule {
			t.Errorf("outcome %d is skipped because of %+v", i, skip)
		}
	}
}
