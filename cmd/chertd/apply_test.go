package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chertd/engine/control"
	"chertd/rules/backtest"
	"chertd/rules/chat"
)

// docs/outcomes.md defines each reason why apply leaves a read out, and apply has words for it.
func TestReasonsOfApplyAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Reads that apply leaves out\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1) {
		got = append(got, row[1])
	}
	want := []string{
		backtest.LeftNewer, backtest.LeftOlder, backtest.LeftNoText, backtest.LeftKept, backtest.LeftUnknown, leftShare, control.WhyNoEvent,
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("docs/outcomes.md defines %q, and there are %q", got, want)
	}
	for _, why := range want {
		if c := (&applyCount{Status: statusLeft, Why: why}); c.outcomeWords() == statusLeft {
			t.Errorf("there are no words for %s", why)
		}
	}
	for _, why := range []chat.WaitFor{
		"", chat.WaitCall, chat.WaitDelay, chat.WaitPostponed, chat.WaitRetry, chat.WaitLimit, chat.WaitNewer, chat.WaitOrder, chat.WaitHold, chat.WaitTimer,
	} {
		if c := (&applyCount{Status: string(chat.Waiting), Why: string(why)}); c.outcomeWords() == "" {
			t.Errorf("there are no words for reads that wait for %q", why)
		}
	}
}
