package live

import (
	"strings"
	"testing"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// act does what a line of a story says.
func (l *life) act(t interface{ Fatalf(string, ...any) }, what string) {
	verb, arg, _ := strings.Cut(what, " ")
	if (verb == "mode" || verb == "limit" || verb == "rule") && !l.s.inSet() && l.gone {
		return // there is no such pack
	}
	if l.actCandidate(verb, arg) {
		l.tend()
		return
	}
	switch verb {
	case "edit":
		l.files = arg
		l.read(false)
	case "delete":
		l.files = ""
		l.read(false)
	case "wait":
		d, err := time.ParseDuration(arg)
		if err != nil {
			t.Fatalf("%v", err)
		}
		l.now = l.now.Add(d)
		l.timeUp()
		l.read(false)
	case "clash": // another pack has the name
		if l.files != "" && !l.unread {
			e := l.edit()
			e.Content, e.MayVeto = l.files+" twice", canVeto(l.files)
			l.give(Refused{e, Verdict{Kind: NameTaken, Diagnostics: diag.List{{Severity: diag.SeverityError, Message: "taken"}}}})
		}
	case "empty": // the folder is there, and holds no rules
		if !l.s.Gone {
			l.give(Refused{Edit{Path: l.s.Path, MayVeto: l.s.EditVeto}, Verdict{Kind: NoRules, Diagnostics: diag.List{{Severity: diag.SeverityError, Message: "no rules"}}}})
		}
	case "gate":
		l.gated()
	case "rollback", "pin", "rollback-keep":
		if arg == "" && verb != "pin" && (l.s.Candidate != "" || l.s.shareNow() != 0) {
			l.give(EndCandidate{KeepPending: verb == "rollback-keep"})
			break
		}
		l.rollback(arg, Rollback{Pin: verb == "pin", KeepPending: verb == "rollback-keep", Cause: Cause{Kind: ByCommand}})
	case "undo":
		l.undo()
	case "mode": // MODE, or MODE for DURATION
		mode, length, _ := strings.Cut(arg, " for ")
		d, _ := time.ParseDuration(length)
		if d > 0 && mode == "live" && l.s.beside() != nil {
			break // a candidate can't be made live for a time
		}
		l.give(SetMode{Mode: rules.Mode(strings.TrimPrefix(mode, "reset")), For: d, Author: Author{By: "anna"}})
	case "rule":
		mode, length, _ := strings.Cut(arg, " for ")
		d, _ := time.ParseDuration(length)
		l.give(SetRuleMode{Rule: "r", Mode: rules.Mode(strings.TrimPrefix(mode, "reset")), For: d, Author: Author{By: "anna"}})
	case "limit":
		l.give(SetMode{Mode: rules.Shadow, Limit: rules.Rate{N: 3, Per: 10 * time.Minute}})
	case "trial-fails":
		if to := l.s.failedTrial(l.s.Version.Hash); to != "" {
			l.rollback(to, Rollback{Cause: Cause{Kind: TrialFailed, Failures: 11, Events: 20}})
		}
	case "trial-passes":
		l.over = true
	case "remove":
		if l.s.Gone {
			l.give(Remove{Operator: true})
		}
	case "alone":
		l.alone = arg != "no longer"
	case "unread":
		l.unread = arg != "no longer"
		l.read(false)
	case "revoke":
		l.reconfigure(false)
	case "grant":
		l.reconfigure(true)
	case "disk-full":
		l.diskOK = false
	case "restart":
		l.restart()
	case "down":
		d, err := time.ParseDuration(arg)
		if err != nil {
			t.Fatalf("%v", err)
		}
		l.now = l.now.Add(d)
		l.restart()
	case "edit-while-down":
		l.files = arg
		l.restart()
	case "delete-while-down":
		l.files = ""
		l.restart()
	default:
		t.Fatalf("a story can't say %q", what)
	}
	l.tend()
}

// TestStories plays sessions: what is done, and how the pack stands then. A version is
// called by what it is like: see life.
func TestStories(t *testing.T) {
	t.Parallel()
	type line struct{ do, want string }
	for name, tt := range map[string]struct {
		gate  bool
		story []line
	}{
		"a broken edit, and its fix": {false, []line{
			{"edit v1", "v1"},
			{"edit broken1", "v1; it does not load; logged: not live"},
			{"wait 1s", "v1; it does not load"},
			{"edit v2", "v2; on trial"},
		}},
		"a broken edit is taken back": {false, []line{
			{"edit v1", "v1"},
			{"edit broken1", "v1; it does not load; logged: not live"},
			{"edit v1", "v1; logged: as before"},
		}},
		"a restart after a broken edit": {false, []line{
			{"edit v1", "v1"},
			{"edit broken1", "v1; it does not load; logged: not live"},
			{"restart", "v1; it does not load; logged: not live"},
		}},
		"an edit passes the gate": {true, []line{
			{"edit v1", "none; its specs are running; gate runs"},
			{"gate", "v1"},
			{"edit v2", "v1; its specs are running; gate runs"},
			{"gate", "v2; on trial"},
		}},
		"an edit fails its specs": {true, []line{
			{"edit v1", "none; its specs are running; gate runs"},
			{"gate", "v1"},
			{"edit unfit2", "v1; its specs are running; gate runs"},
			{"gate", "v1; its specs fail; logged: not live"},
			{"wait 1s", "v1; its specs fail"},
			{"restart", "v1; its specs are running; gate runs"},
			{"gate", "v1; its specs fail; logged: not live"},
		}},
		"an edit comes while the gate runs on another": {true, []line{
			{"edit v1", "none; its specs are running; gate runs"},
			{"gate", "v1"},
			{"edit v2", "v1; its specs are running; gate runs"},
			{"edit v3", "v1; its specs are running; gate runs"},
			{"gate", "v3; on trial"},
		}},
		"what was live is live after a restart without its specs": {true, []line{
			{"edit v1", "none; its specs are running; gate runs"},
			{"gate", "v1"},
			{"restart", "v1"},
		}},
		"a rollback ends at the next edit": {false, []line{
			{"edit v1", "v1"},
			{"edit v2", "v2; on trial"},
			{"rollback", "v1; rolled back to v1: by command; logged: rolled back; dropped: v2 rolled back"},
			{"wait 1s", "v1; rolled back to v1: by command"},
			{"restart", "v1; rolled back to v1; logged: pinned; dropped: v2 rolled back"},
			{"edit v3", "v3; on trial"},
		}},
		"a rollback that keeps what waits": {false, []line{
			{"edit v1", "v1"},
			{"edit v2", "v2; on trial"},
			{"rollback-keep v1", "v1; rolled back to v1: by command; logged: rolled back"},
			{"restart", "v1; rolled back to v1; logged: pinned"},
		}},
		"a pin outlives edits and restarts": {false, []line{
			{"edit v1", "v1"},
			{"edit v2", "v2; on trial"},
			{"pin v1", "v1; pinned to v1 by rollback --pin; logged: rolled back; dropped: v2 rolled back"},
			{"edit v3", "v1; pinned to v1 by rollback --pin; logged: pinned"},
			{"restart", "v1; pinned to v1 by rollback --pin; logged: pinned; dropped: v2 rolled back"},
			{"undo", "v3; on trial"},
		}},
		"an undone rollback": {false, []line{
			{"edit v1", "v1"},
			{"edit v2", "v2; on trial"},
			{"rollback", "v1; rolled back to v1: by command; logged: rolled back; dropped: v2 rolled back"},
			{"undo", "v2; logged: rolled back; dropped: v1 rolled back"},
			{"restart", "v2; on trial"},
		}},
		"an edit restores a version that was rolled back": {false, []line{
			{"edit v1", "v1"},
			{"edit v2", "v2; on trial"},
			{"rollback", "v1; rolled back to v1: by command; logged: rolled back; dropped: v2 rolled back"},
			{"edit v3", "v3; on trial"},
			{"edit v2", "v2; on trial; logged: restores"},
		}},
		"a version fails its trial": {false, []line{
			{"edit v1", "v1"},
			{"edit v2", "v2; on trial"},
			{"trial-fails", "v1; rolled back to v1: it failed on 11 of its first 20 events, and the version before did not; logged: rolled back; dropped: v2 rolled back"},
		}},
		"a version passes its trial": {false, []line{
			{"edit v1", "v1"},
			{"edit v2", "v2; on trial"},
			{"trial-passes", "v2"},
			{"trial-fails", "v2"},
		}},
		"a pack is deleted": {false, []line{
			{"edit v1", "v1"},
			{"delete", "v1; its files are gone; looks again in 2s"},
			{"wait 1s", "v1; its files are gone; looks again in 1s"},
			{"wait 1s", "none; its files are gone; logged: removed; dropped: removed"},
			{"restart", "none; its files are gone"},
		}},
		"a pack is deleted and comes back": {false, []line{
			{"edit v1", "v1"},
			{"delete", "v1; its files are gone; looks again in 2s"},
			{"edit v1", "v1"},
			{"wait 3s", "v1"},
		}},
		"the last pack is deleted": {false, []line{
			{"edit v1", "v1"},
			{"alone", "v1"},
			{"delete", "v1; its files are gone; logged: kept"},
			{"wait 1h", "v1; its files are gone"},
			{"restart", "v1; its files are gone"},
			{"remove", "none; its files are gone; logged: removed by command; dropped: removed"},
		}},
		"a deleted pack is restored by a rollback, until files come": {false, []line{
			{"edit v1", "v1"},
			{"delete", "v1; its files are gone; looks again in 2s"},
			{"wait 2s", "none; its files are gone; logged: removed; dropped: removed"},
			{"rollback v1", "v1; rolled back to v1: by command; logged: rolled back"},
			{"wait 1h", "v1; its files are gone"},
			{"edit v2", "v2; on trial"},
		}},
		"the folder can't be read": {false, []line{
			{"edit veto1", "veto1"},
			{"unread", "veto1; the rules folder can't be read"},
			{"wait 1h", "veto1; the rules folder can't be read"},
			{"unread no longer", "veto1"},
		}},
		"a copy of the pack's folder has its name": {false, []line{
			{"edit v1", "v1"},
			{"clash", "v1; two packs have this name; logged: not live"},
			{"restart", "v1"},
			{"clash", "v1; two packs have this name; logged: not live"},
			{"edit v2", "v2; on trial"},
		}},
		"the pack's folder is emptied": {false, []line{
			{"edit veto1", "veto1"},
			{"empty", "veto1; it has no rules; logged: not live"},
			{"edit veto1", "veto1; logged: as before"},
		}},
		"a file is written in two goes": {false, []line{
			{"edit v1", "v1"},
			{"edit v2~", "v1; it looks half written; chertd loads it as it is after 2s; logged: half written; looks again in 2s"},
			{"edit v2", "v2; on trial"},
		}},
		"a file stays half written": {false, []line{
			{"edit v1", "v1"},
			{"edit v2~", "v1; it looks half written; chertd loads it as it is after 2s; logged: half written; looks again in 2s"},
			{"wait 2s", "v1; it does not load; logged: not live"},
		}},
		"a broken veto blocks reads until it is fixed": {false, []line{
			{"edit bveto1", "none; it does not load; reads are blocked; logged: not live"},
			{"restart", "none; it does not load; reads are blocked; logged: not live"},
			{"edit veto1", "veto1"},
		}},
		"a broken veto is deleted": {false, []line{
			{"edit bveto1", "none; it does not load; reads are blocked; logged: not live"},
			{"delete", "none; its files are gone; reads are blocked; looks again in 2s"},
			{"wait 2s", "none; its files are gone; logged: removed; dropped: removed"},
		}},
		"a broken pack that can't veto blocks nothing": {false, []line{
			{"edit broken1", "none; it does not load; logged: not live"},
			{"delete", "none; its files are gone"},
		}},
		"a mode outlives edits and restarts": {false, []line{
			{"edit v1", "v1"},
			{"mode off", "v1; off (command); dropped: off"},
			{"edit v2", "v2; off (command); on trial"},
			{"restart", "v2; off (command); on trial; dropped: off"},
			{"mode reset", "v2; on trial"},
		}},
		"a limit is reached": {false, []line{
			{"edit veto1", "veto1"},
			{"limit", "veto1; shadow (more than 3 reads in 10m); dropped: shadow"},
			{"edit bveto2", "veto1; shadow (more than 3 reads in 10m); it does not load; logged: not live"},
			{"mode live", "veto1; it does not load"},
		}},
		"a grant is taken back, and given again": {false, []line{
			{"edit v1", "v1"},
			{"edit vsend2", "vsend2; on trial"},
			{"revoke", "v1; it needs a permission that it does not have: send; on trial; logged: needs less; dropped: vsend2 off"},
			{"grant", "vsend2; on trial"},
		}},
		"a candidate is live instead of a version that needs more": {false, []line{
			{"edit v1", "v1"},
			{"edit send2", "send2; on trial"},
			{"try v1", "send2; on trial; logged: a candidate runs in shadow beside the live version"},
			{"mode off for 1h", "send2; off (command); off for 1h0m0s, then live; on trial; dropped: off"},
			{"share 10%", "send2; on trial; dropped: v1 shadow"},
			{"mode off for 1h", "send2; off (command); off for 1h0m0s, then live; on trial; dropped: off"},
			{"revoke", "v1; off (command); off for 1h0m0s, then live; it needs a permission that it does not have: send; on trial; logged: needs less; dropped: send2 off"},
			{"wait 2h", "v1; it needs a permission that it does not have: send; on trial; logged: a mode for a time ended"},
			{"end-candidate", "v1; it needs a permission that it does not have: send; on trial; logged: a candidate ended"},
			{"grant", "send2; on trial"},
		}},
		"a candidate that reached its limit stays in shadow": {false, []line{
			{"edit v1", "v1"},
			{"try v2", "v1; logged: a candidate runs in shadow beside the live version"},
			{"share 10%", "v1; dropped: v2 shadow"},
			{"share 50% for 1h", "v1; live for 1h0m0s, then live; dropped: v2 shadow"},
			{"candidate-limit", "v1; logged: a mode for a time ended: the candidate has reached its limit of reads, candidate switched to shadow: the live version runs in all chats; dropped: v2 rolled back"},
			{"wait 2h", "v1"},
		}},
		"a candidate tried again begins in no chat": {false, []line{
			{"edit v1", "v1"},
			{"try v2", "v1; logged: a candidate runs in shadow beside the live version"},
			{"share 10%", "v1; dropped: v2 shadow"},
			{"share 50% for 1h", "v1; live for 1h0m0s, then live; dropped: v2 shadow"},
			{"end-candidate", "v1; live for 1h0m0s, then live; logged: a candidate ended; dropped: v2 rolled back"},
			{"try v2", "v1; live for 1h0m0s, then live; logged: a candidate runs in shadow beside the live version"},
			{"wait 2h", "v1; logged: a mode for a time ended"},
		}},
		"a grant is taken back of a pack that never needed less": {false, []line{
			{"edit vsend1", "vsend1"},
			{"revoke", "none; it needs a permission that it does not have: send; reads are blocked; logged: lost; dropped: vsend1 off"},
			{"grant", "vsend1"},
		}},
		"the disk is full when an edit goes live": {true, []line{
			{"edit v1", "none; its specs are running; gate runs"},
			{"gate", "v1"},
			{"edit v2", "v1; its specs are running; gate runs"},
			{"disk-full", "v1; its specs are running"},
			{"gate", "v1; it could not be kept"},
			{"wait 5s", "v2; on trial"},
		}},
		"the disk is full at a rollback": {false, []line{
			{"edit v1", "v1"},
			{"edit v2", "v2; on trial"},
			{"disk-full", "v2; on trial"},
			{"rollback", "v2; on trial"},
			{"restart", "v2; on trial"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLife(tt.gate)
			for i, line := range tt.story {
				l.act(t, line.do)
				if l.wrong != "" {
					t.Fatalf("line %d, %s: %s", i+1, line.do, l.wrong)
				}
				if got := l.stands(); got != line.want {
					t.Errorf("line %d, %s:\n got %q\nwant %q", i+1, line.do, got, line.want)
				}
			}
		})
	}
}

// TestTriedEditPassesTheGateOfANewConfiguration: an edit that went live without a gate,
// but could not be kept, runs through the gate that the configuration has since then.
func TestTriedEditPassesTheGateOfANewConfiguration(t *testing.T) {
	t.Parallel()
	s := Standing{PackState: PackState{Pack: "p"}, Config: PackConfig{Revision: 1, Settle: time.Second}}
	give := func(in Input) (out Commands) {
		s, out = Step(s, in, noon)
		return out
	}
	e := Edit{Version: "v1", Built: "b1", Key: "k", Content: "c", Path: "p"}
	compiled := Compiled{Edit: e, Version: Version{Hash: "v1", Built: "b1"}}
	give(Found{Edit: e})
	give(NotKept{compiled})
	s.Config = PackConfig{Revision: 2, Gate: true, Settle: time.Second}
	if out := give(Found{Edit: e}); s.Version.Runs() || out.Compile == nil {
		t.Fatalf("live is %q, and the edit is compiled again: %t", s.Version.Hash, out.Compile != nil)
	}
	if out := give(compiled); s.Version.Runs() || !out.RunGate {
		t.Errorf("live is %q, and the gate runs: %t", s.Version.Hash, out.RunGate)
	}
}
