package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/rules"
	"chertd/rules/backtest"
	"chertd/rules/chat"
)

// name is the word for a count: why a read ended, or what it waits for.
func (c *applyCount) name() string {
	if c.Status == string(chat.Waiting) {
		return "waiting"
	}
	return cmp.Or(c.Why, c.Status, "pending")
}

// waitingWords are what a read would wait for.
var waitingWords = map[chat.WaitFor]string{
	"":                 "requested, and waiting",
	chat.WaitCall:      "to be read within the rate",
	chat.WaitDelay:     "to be read later, as the rule asks",
	chat.WaitPostponed: "to be read later: a live rule has postponed reads of the chat",
	chat.WaitRetry:     "to be read after an attempt that failed",
	chat.WaitLimit:     "to be read once limits.reads leaves a call",
	chat.WaitNewer:     "to be read together with a newer message whose read waits",
	chat.WaitOrder:     "to be read after an earlier action of the chat",
	chat.WaitHold:      "not to be read: the chat is held until after it is due",
	chat.WaitTimer:     "to be read after a timer of the chat",
}

// outcomeWords say what a count means.
func (c *applyCount) outcomeWords() string {
	switch c.Status {
	case string(chat.Waiting):
		return waitingWords[chat.WaitFor(c.Why)]
	case string(chat.Done):
		return "read"
	case string(chat.Blocked):
		return "to be read once what blocks reads is fixed (chertd packs)"
	case "":
		return "requested, after earlier events of their chats"
	}
	switch c.Why {
	case chat.WhyAlreadyRead:
		return "read already"
	case chat.WhySuperseded:
		return "a newer message came that no rule reads"
	case chat.WhyVetoed:
		return "a rule has vetoed the message, or a newer one"
	case chat.WhyHeld:
		return "the chat is held"
	case control.WhyNoEvent:
		return "the daemon's store does not have the message: is this the daemon of the configuration?"
	case leftShare:
		return "the pack is in shadow in the chat (mode --share)"
	case backtest.LeftOlder:
		return "the message is older than --since"
	case backtest.LeftNoText:
		return "the text was removed (store.raw)"
	case backtest.LeftKept:
		return "the same rules keep the chat unread since"
	case backtest.LeftUnknown:
		return "no message of the chat is among the events"
	}
	return c.Status
}

// print prints the report for people.
func (r *applyReport) print(w io.Writer, o *applyOptions) error {
	safe := shown(*r)
	r = &safe
	var b bytes.Buffer
	fmt.Fprintf(&b, "rules at %s, on %s in %s", r.Path, many(int64(r.Events), "event"), many(int64(r.Chats), "chat"))
	if r.Events > 0 {
		fmt.Fprintf(&b, ", received from %s to %s", minute(r.First), minute(r.Last))
	}
	fmt.Fprintln(&b)
	for _, p := range r.Packs {
		fmt.Fprintf(&b, "  pack %s: %s, %s\n", p.Name, rules.ShortOf(p.Version), p.Mode)
	}
	if r.Warmup.Events > 0 {
		fmt.Fprintf(&b, "warm-up: %s before, from %s; state that is older is missing\n", many(int64(r.Warmup.Events), "event"), minute(r.Warmup.First))
	}
	if len(r.Counts) > 0 {
		fmt.Fprintln(&b)
	}
	for i := range r.Counts {
		c := &r.Counts[i]
		fmt.Fprintf(&b, "%8s  %-14s %s\n", thousands(int64(c.Count)), c.name(), c.outcomeWords())
	}
	r.list(&b, o, "to be read", (*applyRead).possible)
	r.list(&b, o, "not read", func(x *applyRead) bool {
		_, why := x.outcome()
		return !x.possible() && (o.all || why != chat.WhyAlreadyRead)
	})
	fmt.Fprintln(&b)
	for _, f := range r.Rules.Failing {
		fmt.Fprintf(&b, "%s: rule %s failed %s; the first: %s\n", f.Place, f.Rule, times(f.Failures), f.First)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	for _, why := range r.Waits {
		fmt.Fprintf(&b, "note: %s\n", why)
	}
	if r.hint != "" {
		fmt.Fprintln(&b, r.hint)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// list lists those of the reads that match.
func (r *applyReport) list(b *bytes.Buffer, o *applyOptions, title string, match func(*applyRead) bool) {
	n, all := 0, 0
	for i := range r.Reads {
		x := &r.Reads[i]
		if !match(x) {
			continue
		}
		if all++; o.limit > 0 && n >= o.limit {
			continue
		}
		if n++; n == 1 {
			fmt.Fprintf(b, "\n%s\n", title)
		}
		fmt.Fprintf(b, "  %s  chat %s, event %s\n", stamp(x.Received), x.Chat, x.Event)
		if x.Text != "" {
			fmt.Fprintf(b, "    \"%s\"\n", cut(x.Text, 70))
		}
		fmt.Fprintf(b, "    %s\n", x.words())
	}
	if all > n {
		fmt.Fprintf(b, "  %s more; --limit lists more of them, --all lists all\n", thousands(int64(all-n)))
	}
}

// words describe a read: its rule, and what becomes of it.
func (x *applyRead) words() string {
	text := fmt.Sprintf("%s (%s)", x.Read.Rule, x.Read.Place)
	if x.Read.Reason != "" {
		text += ": " + x.Read.Reason
	}
	if x.OnlyIf != "" {
		text += fmt.Sprintf("; only if Chert says that the chat is %s", x.OnlyIf)
	}
	if !x.Due.IsZero() {
		text += "; due at " + stamp(x.Due)
	}
	status, why := x.outcome()
	if why != string(chat.WaitCall) {
		text += "; " + cmp.Or(why, status)
		if x.Now != nil && x.Now.EndedBy != "" {
			text += " by " + x.Now.EndedBy
		}
	}
	return text
}

// requested returns the lines that say what was requested.
func (r *applyReport) requested(f *daemonFlags) []string {
	lines := []string{fmt.Sprintf("batch %s: %s requested%s", r.Batch, many(int64(r.sent), "read"), r.became(false))}
	if again := r.became(true); again != "" {
		lines = append(lines, "  and had requested before, which changes nothing:"+again)
	}
	if r.sent > 0 && r.last.After(time.Now().Add(time.Second)) {
		lines = append(lines, "  they come due one after the other, the last one at "+stamp(r.last)+", so that reads of live rules go out meanwhile")
	}
	for _, why := range r.Waits {
		lines = append(lines, "  "+localTimes(why))
	}
	where := " --where rule=apply:" + r.Batch
	return append(lines, "hint: "+f.daemonCommand("waiting"+where)+" lists what waits of it; "+f.daemonCommand("waiting cancel"+where)+" cancels that")
}

// became counts what became of the reads that this command has requested, or of those that the batch
// had requested before; "": there are none.
func (r *applyReport) became(again bool) string {
	of := map[string]int64{}
	for i := range r.Reads {
		if x := &r.Reads[i]; x.Now != nil && x.Now.Event != "" && x.Now.Again == again && x.Left == "" {
			status, why := x.outcome()
			of[(&applyCount{Status: status, Why: why}).name()]++
		}
	}
	var parts []string
	for _, name := range sortedKeys(of) {
		parts = append(parts, name+" "+thousands(of[name]))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
