package main

import (
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/luabind/diag"
)

// at is a moment of the local zone, in which lists show times. TestMain makes it UTC.
func at(hour, minute int) time.Time { return time.Date(2026, 1, 5, hour, minute, 0, 0, time.Local) }

func printed(t *testing.T, print func(*strings.Builder) error) string {
	t.Helper()
	var b strings.Builder
	if err := print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func compare(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
	for line := range strings.Lines(got) {
		if n := len(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
}

func TestPrintPacks(t *testing.T) {
	t.Parallel()
	packs := []control.Pack{
		{Name: "codes", Version: "3f786850e387550f", Since: at(12, 0), Mode: "live", ModeBy: "default", Rules: 3, Events: 12345, Failures: 4},
		{Name: "a-name-of-25-characters-ok", Version: "89e6c98d92887913", Since: at(9, 5), Mode: "shadow", ModeBy: "more than 300 reads in 10m", ModeHint: "chertd mode it live takes it back", Rules: 1, Pinned: true, PinnedUntil: "undo"},
		{Name: "back", Version: "5f61d477", Since: at(9, 5), Mode: "live", Rules: 1, Pinned: true, PinnedUntil: "next_edit", NotLive: "rolled back to 5f61d477: by command"},
		{Name: "part", Version: "5f61d477", Since: at(9, 5), Mode: "live", Share: "12.5%", ModeBy: "command", Rules: 1},
		{Name: "codes2", Version: "5f61d477", Since: at(9, 5), Mode: "off", ModeBy: "command", Rules: 3, Switches: []control.Switch{
			{Pack: "codes2", Mode: "off", Until: at(15, 0), Then: "shadow", By: "anna", Reason: "wrong reads since noon"},
			{Pack: "codes2", Rule: "read codes", Mode: "shadow", By: "bob"},
			{Pack: "codes2", Rule: "codes#2", Mode: "off", Until: at(16, 0), Then: "live", NoRule: true},
		}},
		{Name: "tried", Version: "5f61d477", Since: at(9, 5), Mode: "live", Rules: 1, Events: 7, Candidate: &control.Candidate{Version: "89e6c98d92887913", Rules: 2, Events: 1200, Failures: 3, Suspended: 1},
			Comparison: &control.Comparison{Against: "5f61d477", Events: 1100, Agreed: 1099, Differ: 1}},
		{Name: "dry", Version: "5f61d477", Since: at(9, 5), Mode: "shadow", Rules: 1, Comparison: &control.Comparison{Events: 2, Agreed: 1, Differ: 1}},
		{Name: "halfway", Version: "5f61d477", Since: at(9, 5), Mode: "live", Share: "10%", ModeBy: "command", Rules: 1, Events: 7, Candidate: &control.Candidate{Version: "89e6c98d92887913", Events: 1}},
		{Name: "idle", Version: "5f61d477", Since: at(9, 5), Mode: "off", Rules: 1, Events: 7, Candidate: &control.Candidate{Version: "89e6c98d92887913", NotRunning: "the pack is in mode off"}},
		{Name: "promoted", Path: "rules/promoted.lua", Version: "5f61d477", Since: at(9, 5), Mode: "live", Rules: 1, Events: 7, Pinned: true, PinnedUntil: "next_edit", Promoted: true, NotLive: "the candidate 5f61d477 was made live instead"},
		{Name: "restored", Version: "5f61d477", Since: at(9, 5), Mode: "live", Rules: 1, Pinned: true, PinnedUntil: "next_edit", Gone: true, NotLive: "its files are gone"},
		{
			Name: "new", Mode: "live", ModeBy: "pack.yaml", NotLive: "it does not load", Diagnostics: diag.List{
				{File: "rules/new.lua", Line: 3, Col: 5, Severity: diag.SeverityError, Message: "')' expected", Code: "CH001", Hint: "close it"},
				{File: "rules/new/pack.yaml", Severity: diag.SeverityWarning, Message: "it has no description"},
			},
		},
		{Name: "vip", Version: "2b66fd26", Since: at(0, 0), Mode: "off", ModeBy: "command", Rules: 2, Gone: true, NotLive: "its files are gone",
			Suspended: []control.RuleSuspension{
				{Rule: "hold", Scope: "all_chats", Until: at(13, 1), Why: "it fails"}, {Rule: "night", Scope: "no_chat", Until: at(13, 2), Why: "it fails"},
				{Rule: "sort", Scope: "one_chat", Chat: "c1", Until: at(13, 3), Why: "it fails"}, {Rule: "sort", Scope: "one_chat", Chat: "c2", Until: at(13, 4), Why: "it fails", Probing: true},
				{Rule: "sort", Scope: "one_chat", Chat: "c3", Until: at(13, 4), Why: "it fails"}, {Rule: "sort", Scope: "one_chat", Chat: "c4", Until: at(13, 4), Why: "it fails"},
				{Scope: "all_chats", Until: at(13, 5), Why: "it took too much"},
			}, SuspendedHint: "chertd eval EVENT.json"},
	}
	compare(t, printed(t, func(b *strings.Builder) error { return printPacks(b, packs) }), `
PACK                VERSION   LIVE SINCE         MODE    RULES    EVENTS  FAILED
codes               3f786850  2026-01-05 12:00Z  live        3    12,345       4
a-name-of-25-characters-ok
                    89e6c98d  2026-01-05 09:05Z  shadow      1         0       0
  mode shadow: more than 300 reads in 10m
    hint: chertd mode it live takes it back
  pinned by a rollback: edits do not go live
    hint: chertd rollback a-name-of-25-characters-ok --undo ends that
back                5f61d477  2026-01-05 09:05Z  live        1         0       0
  rolled back: the next edit that passes goes live
  FILES ON DISK NOT LIVE: rolled back to 5f61d477: by command
part                5f61d477  2026-01-05 09:05Z  live        1         0       0
  mode live in 12.5% of the chats, shadow in the others: by command
    hint: chertd mode part live makes it live in all chats
    hint: chertd rollback part ends it
codes2              5f61d477  2026-01-05 09:05Z  off         3         0       0
  mode off: by command
    set by anna until 2026-01-05 15:00Z, then shadow: wrong reads since noon
  rule "read codes": shadow
    set by bob
  rule "codes#2": off (no such rule now)
    set by command until 2026-01-05 16:00Z, then live
tried               5f61d477  2026-01-05 09:05Z  live        1         7       0
  candidate 89e6c98d: in shadow
    1,200 events handled, 3 failed; 1 rule suspended
    1,100 events compared: 1,099 agree, 1 differ
      hint: chertd packs --diff tried lists them
dry                 5f61d477  2026-01-05 09:05Z  shadow      1         0       0
  in shadow: 2 events compared: 1 agree, 1 differ
    hint: chertd packs --diff dry lists them
halfway             5f61d477  2026-01-05 09:05Z  live        1         7       0
  mode live, candidate 89e6c98d live in 10% of the chats: by command
    hint: chertd mode halfway live makes it live in all chats
    hint: chertd rollback halfway ends it
  candidate 89e6c98d: live in 10% of the chats, in shadow in the others
    1 event handled, 0 failed
idle                5f61d477  2026-01-05 09:05Z  off         1         7       0
  candidate 89e6c98d: does not run: the pack is in mode off
    0 events handled, 0 failed
promoted            5f61d477  2026-01-05 09:05Z  live        1         7       0
  a candidate was made live: the next edit that passes goes live
    hint: copy its files over rules/promoted.lua, which has the version before
  FILES ON DISK NOT LIVE: the candidate 5f61d477 was made live instead
restored            5f61d477  2026-01-05 09:05Z  live        1         0       0
  rolled back: this version is live until the files are back
  its files are gone; its last version is still live
    hint: to remove it, run: chertd packs remove restored
new                 none      -                  -           0         0       0
  mode live: by pack.yaml
  FILES ON DISK NOT LIVE: it does not load
    rules/new.lua:3:5: error: ')' expected [CH001]
      hint: close it
    rules/new/pack.yaml: warning: it has no description
vip                 2b66fd26  2026-01-05 00:00Z  off         2         0       0
  mode off: by command
  rule "hold" is suspended until 2026-01-05 13:01Z
    it fails
  rule "night" is suspended for events without a chat until 2026-01-05 13:02Z
    it fails
  rule "sort" is suspended in chat c1 until 2026-01-05 13:03Z
    it fails
  rule "sort" is suspended in chat c2: the next event tries it again
    it fails
  rule "sort" is suspended in chat c3 until 2026-01-05 13:04Z
    it fails
  every rule is suspended until 2026-01-05 13:05Z
    it took too much
  rule "sort" is suspended in 1 more chat
    hint: chertd eval EVENT.json
  its files are gone; its last version is still live
    hint: to remove it, run: chertd packs remove vip
`)
	compare(t, printed(t, func(b *strings.Builder) error { return printPacks(b, nil) }), "no packs\n")
}

func TestPrintPackThatBlocksReads(t *testing.T) {
	t.Parallel()
	blocked := control.Blocked{
		Pack: "vip", Since: at(11, 20), Why: "no version of it is live: it does not load", Events: 1234, Reads: 1,
		Fix: []string{"chertd check rules/vip.lua shows what is wrong", "chertd mode vip off ends the blocking"},
	}
	compare(t, printed(t, func(b *strings.Builder) error {
		return printPacks(b, []control.Pack{
			{Name: "vip", Mode: "live", ModeBy: "default", Missed: 1234, Blocked: &blocked},
			{Name: "codes", Version: "3f786850e387550f", Since: at(12, 0), Mode: "live", ModeBy: "default", Rules: 3, Events: 2, Failures: 1, Missed: 1,
				Versions: []control.PackVersion{{Version: "3f786850e387550f"}, {Version: "89e6c98d92887913", RolledBack: true}, {Version: "5f61d47703456789"}}},
			{Name: "first", Version: "3f786850e387550f", Since: at(12, 0), Mode: "live", Rules: 3, Missed: 1, Versions: []control.PackVersion{{Version: "3f786850e387550f"}}},
			{Name: "lost", Mode: "live", Missed: 2, Versions: []control.PackVersion{{Version: "3f786850e387550f"}}},
		})
	}), `
PACK   VERSION   LIVE SINCE         MODE    RULES    EVENTS  FAILED
vip    none      -                  -           0         0       0
  BLOCKS READS since 2026-01-05 11:20Z
    no version of it is live: it does not load
    1,234 events missed, 1 read blocked
    hint: chertd check rules/vip.lua shows what is wrong
    hint: chertd mode vip off ends the blocking
codes  3f786850  2026-01-05 12:00Z  live        3         2       1
  1 event missed in the last hour
    they run, oldest first, while a version of the pack works
    hint: chertd rollback codes makes the previous version live
first  3f786850  2026-01-05 12:00Z  live        3         0       0
  1 event missed in the last hour
    they run, oldest first, while a version of the pack works
lost   none      -                  -           0         0       0
  2 events missed in the last hour
    they run, oldest first, while a version of the pack works
`)
	s := control.Status{Version: "v1.2.0", Since: at(8, 0), Ready: true, Blocked: []control.Blocked{blocked}, Packs: 2}
	got := printed(t, func(b *strings.Builder) error { return printStatus(b, s, at(12, 34)) })
	compare(t, got[:strings.Index(got, "  events")], `
chertd v1.2.0, up 4h34m, since 2026-01-05 08:00Z
  BLOCKED  pack vip blocks reads since 2026-01-05 11:20Z
           no version of it is live: it does not load
           1,234 events missed, 1 read blocked
             hint: chertd check rules/vip.lua shows what is wrong
             hint: chertd mode vip off ends the blocking
`)
}

func TestPrintPack(t *testing.T) {
	t.Parallel()
	p := control.Pack{
		Name: "codes", Path: "rules/codes.lua", Version: "3f786850e387550f", Since: at(12, 0), Mode: "live", ModeBy: "default", Rules: 3, Events: 1000, Failures: 4,
		Versions: []control.PackVersion{
			{Version: "3f786850e387550f", Since: at(8, 0), Last: at(12, 0), Events: 1000, Failures: 4},
			{Version: "89e6c98d92887913", Since: at(11, 0), Last: at(11, 0), Events: 50, Failures: 40, RolledBack: true},
			{Version: "2b66", Since: at(7, 0), Last: at(7, 0)},
		},
	}
	compare(t, printed(t, func(b *strings.Builder) error { return printPack(b, p) }), `
PACK   VERSION   LIVE SINCE         MODE    RULES    EVENTS  FAILED
codes  3f786850  2026-01-05 12:00Z  live        3     1,000       4
  files: rules/codes.lua

Version history, newest first:
  VERSION   FIRST LIVE         LAST LIVE            EVENTS  FAILED
  3f786850  2026-01-05 08:00Z  2026-01-05 12:00Z     1,000       4  live
  89e6c98d  2026-01-05 11:00Z  2026-01-05 11:00Z        50      40  rolled back
  2b66      2026-01-05 07:00Z  2026-01-05 07:00Z         0       0
`)
	p.Versions, p.NotLive = nil, "it does not load"
	p.Edit = &control.Edit{More: 2, Files: []control.FileEdit{
		{File: "codes.lua", Change: control.FileChanged, Diff: []string{"@@ -2 +2 @@", "-end)", "+\tend"}, Note: control.DiffCut},
		{File: "data/p.bin", Change: control.FileAdded, Note: control.DiffNotText},
		{File: "data/vips.txt", Change: control.FileRemoved, Note: control.DiffTooLarge},
	}}
	compare(t, printed(t, func(b *strings.Builder) error { return printPack(b, p) }), `
PACK   VERSION   LIVE SINCE         MODE    RULES    EVENTS  FAILED
codes  3f786850  2026-01-05 12:00Z  live        3     1,000       4
  FILES ON DISK NOT LIVE: it does not load
  files: rules/codes.lua

Changes in the files that are not live:
  codes.lua: changed
    @@ -2 +2 @@
    -end)
    +    end
    and more
  data/p.bin: added
    it is not text
  data/vips.txt: removed
    it is too large to compare
  and 2 other files
`)
}

func TestPrintStatus(t *testing.T) {
	t.Parallel()
	fine := control.Status{
		Version: "v1.2.0", Since: at(8, 0), Ready: true, Events: 1234567, Pending: 3, Chats: 1, Bytes: 1536, Packs: 2,
		Actions: map[string]int64{"done": 1000, "waiting": 12, "dead": 1, "dropped": 0, "new kind": 2},
	}
	compare(t, printed(t, func(b *strings.Builder) error { return printStatus(b, fine, at(12, 34)) }), `
chertd v1.2.0, up 4h34m, since 2026-01-05 08:00Z
  events   accepted; 1,234,567 in all, 3 pending, 0 in quarantine
  calls    going out; none confirmed since chertd started
  actions  12 waiting, 1 dead, 1,000 done, 2 new kind
           dead actions stay until they are retried or dropped: see chertd dead
  packs    2
  store    1.5 KiB, 1 chat
`)
	slowed := fine
	slowed.Intake = control.IntakeSlowed
	if got := printed(t, func(b *strings.Builder) error { return printStatus(b, slowed, at(12, 34)) }); !strings.Contains(got, "acknowledgements are slowed down") {
		t.Errorf("events arrive faster than they are handled, and it printed\n%s", got)
	}
	broken := control.Status{
		Version: "v1.2.0", Since: at(12, 34), NotReady: []string{"the store fails: disk full"}, NoCalls: []string{"calls are paused"}, Paused: true,
		Calls: control.Calls{State: control.CallsPaused, LastConfirmed: at(12, 33)}, Actions: map[string]int64{"waiting": 2},
		Notes: []string{"pack vip: an edit is not live: it does not load", "rules/vip.lua:3:1: error: no\n  hint: fix it"},
		Packs: 1, NotLive: 1, Quarantined: 2, Bytes: 512,
		Webhook: &control.Webhook{Unavailable: 2, Refused: map[string]int64{"wrong signature": 1200, "another path": 4}},
	}
	compare(t, printed(t, func(b *strings.Builder) error { return printStatus(b, broken, at(12, 34)) }), `
chertd v1.2.0, up 0s, since 2026-01-05 12:34Z
  events   NOT READY; 0 in all, 0 pending, 2 in quarantine
           not ready: the store fails: disk full
  webhook  REFUSED 4: another path (see the log)
           REFUSED 1,200: wrong signature (see the log)
           2 answered 503; Chert sends them again
  calls    PAUSED; last confirmed 1m ago
           calls are paused
  actions  2 waiting
           waiting actions are kept and go out once calls can be made
  packs    1, 1 with an edit that is NOT LIVE: see chertd packs
  store    512 B, 0 chats
note: pack vip: an edit is not live: it does not load
note: rules/vip.lua:3:1: error: no
    hint: fix it
`)
}

func TestPrintStatusWithHolds(t *testing.T) {
	t.Parallel()
	s := control.Status{Version: "v1.2.0", Since: at(8, 0), Ready: true, Holds: &control.Holds{Total: 1234, First: []control.Hold{
		{Chat: "7d1b2c9e", Until: at(13, 31), By: "vip/hold", Reason: "asked for quiet"}, {Chat: "c0ffee11", Until: at(13, 0), By: "operator"},
	}}}
	holds := func() string {
		got := printed(t, func(b *strings.Builder) error { return printStatus(b, s, at(12, 34)) })
		return got[strings.Index(got, "  holds"):]
	}
	compare(t, holds(), `
  holds    1,234 chats are held; reads are dropped until the hold ends
           7d1b2c9e until 2026-01-05 13:31Z, by vip/hold: asked for quiet
           c0ffee11 until 2026-01-05 13:00Z, by operator
           and 1,232 more, whose holds end before these
`)
	s.Holds.Total = control.CountedHolds
	if got := holds(); !strings.Contains(got, "10,000 or more chats are held") || !strings.Contains(got, "and 9,998 or more") {
		t.Errorf("printed\n%s", got)
	}
	s.Holds.Total, s.Holds.First = 1, s.Holds.First[:1]
	compare(t, holds(), `
  holds    1 chat is held; reads are dropped until the hold ends
           7d1b2c9e until 2026-01-05 13:31Z, by vip/hold: asked for quiet
`)
}

func TestPrintStatusWithPostponedChats(t *testing.T) {
	t.Parallel()
	s := control.Status{Version: "v1.2.0", Since: at(8, 0), Ready: true, Postponed: &control.Postponed{Total: 1234, First: []control.Postponement{
		{Chat: "7d1b2c9e", Until: at(13, 31), By: "night/wait", Reason: "closed"}, {Chat: "c0ffee11", Until: at(13, 0), By: "lunch/wait"},
	}}}
	waits := func() string {
		got := printed(t, func(b *strings.Builder) error { return printStatus(b, s, at(12, 34)) })
		return got[strings.Index(got, "  waits"):]
	}
	compare(t, waits(), `
  waits    1,234 chats are postponed; reads wait until then
           7d1b2c9e until 2026-01-05 13:31Z, by night/wait: closed
           c0ffee11 until 2026-01-05 13:00Z, by lunch/wait
           and 1,232 more, whose postponements end before these
`)
}

func TestPrintStatusWithTargets(t *testing.T) {
	t.Parallel()
	s := control.Status{Version: "v1.2.0", Since: at(8, 0), Ready: true, Notify: []control.NotifyTarget{
		{Target: "desk"}, {Target: "oncall", Waiting: 2, FailingSince: at(12, 0), Error: "no answer"}, {Target: "old", Waiting: 1, Removed: true, Hint: "add notify.old"},
	}}
	got := printed(t, func(b *strings.Builder) error { return printStatus(b, s, at(12, 34)) })
	compare(t, got[strings.Index(got, "  notify"):], `
  notify   desk: nothing waits
           oncall: 2 notifications wait; FAILING since 2026-01-05 12:00Z
           old: 1 notification waits; REMOVED from chertd.yaml
           hint: add notify.old
`)
}

// What the store can't tell is not printed as zero.
func TestPrintWithoutTheStore(t *testing.T) {
	t.Parallel()
	const unknown = "the store does not answer (a write has not ended after 4s)"
	s := control.Status{Version: "v1.2.0", Since: at(8, 0), NotReady: []string{"the store fails"}, NoCalls: []string{"the store fails"}, Unknown: unknown}
	compare(t, printed(t, func(b *strings.Builder) error { return printStatus(b, s, at(12, 34)) }), `
chertd v1.2.0, up 4h34m, since 2026-01-05 08:00Z
  events   NOT READY; counts unknown
           the store does not answer (a write has not ended after 4s)
           not ready: the store fails
  calls    NOT MADE; none confirmed since chertd started
           the store fails
  actions  unknown
  packs    0
  store    unknown
`)
	packs := []control.Pack{{Name: "codes", Version: "3f786850e387550f", Since: at(12, 0), Mode: "live", Rules: 3, Unknown: unknown}}
	compare(t, printed(t, func(b *strings.Builder) error { return printPacks(b, packs) }), `
PACK   VERSION   LIVE SINCE         MODE    RULES    EVENTS  FAILED
codes  3f786850  2026-01-05 12:00Z  live        3         ?       ?
  EVENTS and FAILED are unknown
    the store does not answer (a write has not ended after 4s)
`)
}

func TestDurationsShowTwoUnits(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 400 * time.Millisecond: "0s", 59 * time.Second: "59s", time.Minute: "1m", 61 * time.Second: "1m1s",
		time.Hour + time.Second: "1h", 25 * time.Hour: "1d1h", 24*time.Hour + time.Minute: "1d", 400 * 24 * time.Hour: "400d",
	} {
		if got := roughly(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestDigitsAreGrouped(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

// TestSocketOfConfiguration: the socket is found in a configuration that could not run
// in this shell, and errors of the socket itself are reported.
func TestSocketOfConfiguration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      "etc/data/chertd.sock",
		`control: {socket: /run/x.sock}`:        "/run/x.sock",
		`control: {socket: "run/${NINE}.sock"}`: "etc/run/9.sock",
		`chert: {tenant: "${UNSET}", timeout: soon}` + "\nunknown: 1\ncontrol: {socket: x.sock, token: \"${UNSET}\"}": "etc/x.sock",
		`control: {socket: ""}`:           "the control socket is disabled in etc/chertd.yaml",
		`control: {socket: "${UNSET}/x"}`: "etc/chertd.yaml:1:19: error: control.socket: ",
		"control: {socket: [":             "etc/chertd.yaml:1:",
		"control: x":                      "etc/chertd.yaml:1:10: error: control: expected keys and values",
		// What is not YAML elsewhere in the file does not matter either.
		"chert: {tenant: [}\ncontrol:\n  # where\n  socket: x.sock\nlog: {}\n": "etc/x.sock",
		"chert:\n\ttenant: x\ncontrol: {socket: x.sock}\n":                     "etc/x.sock",
		"control: {socket: x.sock}\r\nlog: {level: \"}\r\n":                    "etc/x.sock",
		"chert: {tenant: [}\n":                                                       "etc/data/chertd.sock",
		"chert: *tenant\ncontrol: {listen: ':1'}\n":                                  "etc/data/chertd.sock",
		"chert: {tenant: [}\n control: {socket: x.sock}\n":                           "etc/chertd.yaml:1:", // the key is unknown
		"chert: {control: {socket: y.sock}, tenant: [}\ncontrol: {socket: x.sock}\n": "etc/chertd.yaml:1:",
	} {
		got, err := socketOf("etc/chertd.yaml", []byte(text), environment)
		if err != nil {
			var out strings.Builder
			if report(&out, err); text != `control: {socket: ""}` && !strings.Contains(out.String(), "--socket PATH") {
				t.Errorf("%q: the hint does not name --socket: %s", text, &out)
			}
			got = err.Error()
		}
		if got != want && (err == nil || !strings.HasPrefix(got, want)) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// A token that strangers could read on its way is an error, unless it is allowed
// by name.
func TestTokenOverPlainTCPIsRefused(t *testing.T) {
	t.Parallel()
	for control, want := range map[string]bool{
		`{listen: "0.0.0.0:9900", token: abcdefgh}`:                                 true,
		`{listen: ":9900", token: abcdefgh}`:                                        true,
		`{listen: "0.0.0.0:9900"}`:                                                  false,
		`{listen: "127.0.0.1:9900", token: abcdefgh}`:                               false,
		`{listen: "localhost:9900", token: abcdefgh}`:                               false,
		`{listen: "0.0.0.0:9900", token: abcdefgh, tls: {cert: c.pem, key: k.pem}}`: false,
		`{token: abcdefgh}`:                                                         false,
		`{listen: "0.0.0.0:9900", token: abcdefgh, insecure_token: false}`:          true,
		`{listen: "0.0.0.0:9900", token: abcdefgh, insecure_token: true}`:           false,
	} {
		_, diags := parseConfig("chertd.yaml", []byte(minimal+"control: "+control+"\n"), environment, use{})
		if got := strings.Contains(diags.Error(), "error: control.token: the token would be sent unencrypted"); got != want || diags.Errors() != want {
			t.Errorf("%s: refused: %t, want %t: %v", control, got, want, diags)
		}
	}
}

// Commands count what they drop. A chat that is no longer postponed may be read
// immediately.
func TestDroppedLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dropped live.Dropped
		kept    bool
		want    string
	}{
		{live.Dropped{}, true, ""},
		{live.Dropped{}, false, "dropped: no waiting reads and no timers"},
		{live.Dropped{Reads: 12, Timers: 1, Calls: 2}, false, "dropped: 12 waiting reads and 1 timer, and 2 other calls"},
		{live.Dropped{Postponed: 1}, false, "dropped: no waiting reads and no timers; 1 chat is no longer postponed"},
		{live.Dropped{Reads: 12, Timers: 1, Postponed: 3}, false, "dropped: 12 waiting reads and 1 timer; 3 chats are no longer postponed"},
	} {
		if got := droppedLine(tt.dropped, tt.kept); got != tt.want {
			t.Errorf("%+v (kept: %t): got %q, want %q", tt.dropped, tt.kept, got, tt.want)
		}
	}
}

func TestPrintDead(t *testing.T) {
	t.Parallel()
	compare(t, printed(t, func(b *strings.Builder) error { return printDead(b, control.Dead{}, "nothing is dead") }), `
nothing is dead
`)
	many := control.Dead{
		Total: 1236, Groups: []control.DeadGroup{{HTTP: 404, Code: 2002, Count: 1234}, {HTTP: 502, Count: 1}, {Count: 1}},
		Dead: []control.DeadAction{
			{ID: "31.0", Chat: "c1", Kind: "read", Pack: "codes", Rule: "read codes", Why: "retries_exhausted", Error: "502: bad gateway", TraceID: "t9", Attempts: 400, First: at(8, 0), Died: at(12, 31),
				FailedAttempts: []control.DeadAttempt{{N: 1, At: at(8, 0), HTTP: 503, Code: 4002, TraceID: "t1", CallOf: "30.0"}, {N: 400, At: at(12, 31)}}},
			{ID: "30.2", Chat: "c2", Kind: "read", Rule: "operator", Why: "refused", Error: "404, code 2002 (trace t2)", TraceID: "t2", Attempts: 2, First: at(8, 0), Died: at(9, 0)},
		},
		Missed: []control.MissedEvents{{Pack: "vip", Events: 12, Since: at(9, 12), Earlier: 4}, {Pack: "codes", Events: 1, Since: at(12, 0)}, {Pack: "old", Events: 2, Since: at(7, 0), Earlier: 2}},
	}
	compare(t, printed(t, func(b *strings.Builder) error { return printDead(b, many, "") }), `
1,236 dead actions
  1,234 by 404, code 2002
  1 by 502, not from Chert
  1 without an answer
31.0  2026-01-05 12:31Z  read: retries_exhausted after 400 attempts
    in chat c1, by codes/read codes
    502: bad gateway
    trace t9
    attempt 1, 2026-01-05 08:00:00.000Z: 503, code 4002, trace t1
      in the call of 30.0
    398 attempts not kept
    attempt 400, 2026-01-05 12:31:00.000Z: no answer
30.2  2026-01-05 09:00Z  read: refused after 2 attempts
    in chat c2, by operator
    the first 2026-01-05 08:00Z, the last 2026-01-05 09:00Z
    404, code 2002 (trace t2)
and 1,234 older ones
events that packs have missed:
  vip 12, since 2026-01-05 09:12Z; 4 more than an hour ago
    hint: run chertd retry-errors vip
  codes 1, since 2026-01-05 12:00Z
  old 2, since 2026-01-05 07:00Z; all more than an hour ago
    hint: run chertd retry-errors old
`)
}

func TestPrintRetried(t *testing.T) {
	t.Parallel()
	r := control.DeadRetried{
		Waiting: 1, Blocked: 2, Dropped: map[string]int{"held": 1, "already_read": 2}, Stay: map[string]int{"unknown": 1, "tried_once": 2}, NotDead: 1,
		First: []control.DeadOutcome{{ID: "1.0", Chat: "c1", Kind: "read", Status: "dropped", Why: "held"}},
	}
	compare(t, strings.Join(retriedWords(r), "\n")+"\n", `
1 dead action waits to be called again
2 dead actions wait for a pack that can veto: see chertd packs
2 dead actions dropped: already_read
1 dead action dropped: held
2 dead actions stay dead: a typing indicator is never repeated
hint: chertd dead drop ends them
1 dead action stays dead: Chert may have carried it out
hint: --repeat-unknown repeats such reactions; chertd dead drop ends them
1 action is not dead any more, and not changed
  1.0  read in chat c1: dropped, held
  and 8 more
`)
	r = control.DeadRetried{DryRun: true, Waiting: 2, Blocked: 1, Dropped: map[string]int{"vetoed": 1}}
	compare(t, strings.Join(retriedWords(r), "\n")+"\n", `
2 dead actions would wait to be called again
1 dead action would wait for a pack that can veto: see chertd packs
1 dead action would be dropped: vetoed
`)
	r = control.DeadRetried{Stay: map[string]int{"line_unsupported": 2, "pack_inactive": 1, "rule_gone": 1}, StayPacks: []string{"vip"}, StayLines: []string{"+14155550100"}}
	got := strings.Join(retriedWords(r), "\n")
	for _, want := range []string{
		"2 dead actions stay dead: mark-read is not available on their line (4099)\nhint: once Chert has enabled the line, run chertd forget --line +14155550100, then chertd dead retry --code 4099",
		"1 dead action stays dead: its pack is off, in shadow or removed\nhint: switch the pack on, then retry (chertd mode vip live); chertd dead drop ends them",
		"1 dead action stays dead: its rule is no longer in the pack (vip), or its version was rolled back\nhint: add the rule again, then retry; chertd dead drop ends them",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("printed\n%s\nwithout\n%s", got, want)
		}
	}
}

// A drain's result says what is left, and that it is safe.
func TestDrainLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		drain control.Drain
		again bool
		want  string
	}{
		{control.Drain{}, false, "stopped: 0 events pending, 0 actions waiting"},
		{control.Drain{Waiting: 12}, false, "stopped: 0 events pending, 12 actions waiting; they are in the store, and continue after the next start"},
		{control.Drain{Pending: 1, Blocked: 1}, false, "stopped: 1 event pending, 0 actions waiting, 1 read blocked; they are in the store, and continue after the next start"},
		{control.Drain{Unknown: "the store does not answer within 3s"}, false, "stopped: what is left is unknown: the store does not answer within 3s"},
		{control.Drain{}, true, "stopped: 0 events pending, 0 actions waiting|warning: chertd runs again: its service manager has restarted it"},
	} {
		if got := strings.Join(drainWords(tt.drain, tt.again), "|"); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.drain, got, tt.want)
		}
	}
}
