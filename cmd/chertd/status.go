package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine"
	"chertd/engine/control"
	"chertd/luabind/diag"
)

func newStatusCommand() *cobra.Command {
	var f daemonFlags
	var ready bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the daemon's status",
		Long: `Shows the status of the running daemon: whether it accepts events and makes calls
(and if not, why), what the store contains, and what needs attention.

With --ready it prints only "ready", or why the daemon is not ready, and exits
with 0 or 1, as /-/ready answers 200 or 503. Health checks of containers use it:
the image needs no other program. It takes at most 5 seconds.

Exits with 1 if no daemon answers.`,
		Example: "  chertd status\n  chertd status -c /etc/chertd/chertd.yaml\n  chertd status --ready\n  chertd status --json | jq .calls",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
				if ready {
					ctx, cancel := context.WithTimeout(ctx, readyTime)
					defer cancel()
					why, err := c.NotReady(ctx)
					if err != nil {
						return err
					}
					return printReady(cmd, why)
				}
				s, err := c.Status(ctx)
				if err != nil {
					return err
				}
				if f.json {
					return printJSON(cmd.OutOrStdout(), s)
				}
				return printStatus(cmd.OutOrStdout(), s, time.Now())
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&ready, "ready", false, "only check whether events are accepted and handled")
	cmd.MarkFlagsMutuallyExclusive("ready", "json")
	return cmd
}

// readyTime is how long the daemon has to answer status --ready.
const readyTime = 5 * time.Second

// printReady prints whether the daemon is ready, and fails if it is not.
func printReady(cmd *cobra.Command, why []string) error {
	if len(why) == 0 {
		return tell(cmd, false, nil, "ready")
	}
	if err := tell(cmd, false, nil, why...); err != nil {
		return err
	}
	return fail(exitFailure, errSilent)
}

// printStatus prints one line per subject, and then what needs attention.
func printStatus(w io.Writer, s control.Status, now time.Time) error {
	s = shown(s)
	var b strings.Builder
	fmt.Fprintf(&b, "chertd %s, up %s, since %s\n", s.Version, roughly(now.Sub(s.Since)), minute(s.Since))
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "  %-8s %s\n", label, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n           "))
	}
	if s.Draining {
		line("DRAINING", "chertd stops once all calls in flight have ended: %d left", s.InFlight)
	}
	for _, p := range s.Blocked {
		line("BLOCKED", "pack %s blocks reads since %s", p.Pack, minute(p.Since))
		line("", "%s", p.Why)
		line("", "%s missed, %s blocked", many(p.Events, "event"), many(p.Reads, "read"))
		for _, fix := range p.Fix {
			line("", "  hint: %s", fix)
		}
	}
	counts := fmt.Sprintf("%s in all, %d pending, %d in quarantine", thousands(s.Events), s.Pending, s.Quarantined)
	if s.Early > 0 {
		counts += fmt.Sprintf("; %s until the events log is read", choose(s.Early == 1, "1 more waits", thousands(s.Early)+" more wait"))
	}
	line("events", "%s; %s", choose(s.Ready, "accepted", "NOT READY"), choose(s.Unknown == "", counts, "counts unknown"))
	if s.Intake == control.IntakeSlowed {
		line("", "acknowledgements are slowed down: rules are slower than events arrive")
	}
	if s.Missed > 0 {
		line("", "%s missed by packs that are broken, failing or suspended: see chertd packs", many(s.Missed, "event"))
	}
	if r := s.Retrying; r != nil {
		line("", "%d of %s run again through pack %s by retry-errors", r.Done, many(int64(r.Events), "event"), r.Pack)
	}
	if s.Unknown != "" {
		line("", "%s", s.Unknown)
	}
	for _, why := range s.NotReady {
		line("", "not ready: %s", why)
	}
	for i, text := range webhookState(s.Webhook, now) {
		line(choose(i == 0, "webhook", ""), "%s", text)
	}
	if c := s.Catchup; c != nil {
		line("log", "%s", caughtUp(c, now))
	}
	if t := s.Stream; t != nil {
		line("stream", "%s; %s, %s known already%s", streamState(t, now), many(t.Events, "event"), thousands(t.Known), lagOf(&t.Lag, now))
	}
	if f := s.File; f != nil {
		line("file", "%s; %s, %s known already, %s in quarantine%s", fileState(f, now), many(f.Events, "event"), thousands(f.Known), thousands(f.Quarantined), lagOf(&f.Lag, now))
	}
	if g := s.Signals; g != (control.Signals{}) {
		line("signals", "%s, %s known already%s", many(g.Accepted, "signal"), thousands(g.Duplicates), choose(g.Unavailable > 0, fmt.Sprintf(", %s answered 503", thousands(g.Unavailable)), ""))
	}
	line("calls", "%s; %s", choose(s.Paused, "PAUSED", choose(len(s.NoCalls) > 0, "NOT MADE", "going out")), lastConfirmed(s.Calls.LastConfirmed, now))
	if c := s.Calls; c.Learned > 0 {
		line("", "%s", learnedRate(c))
	}
	for _, why := range s.NoCalls {
		line("", "%s", why)
	}
	line("actions", "%s", choose(s.Unknown == "", actionCounts(s.Actions), "unknown"))
	if n := s.Actions["waiting"]; n > 0 && len(s.NoCalls) > 0 {
		line("", "waiting actions are kept and go out once calls can be made")
	}
	if s.Actions["dead"] > 0 {
		line("", "dead actions stay until they are retried or dropped: see chertd dead")
	}
	if s.Actions["blocked"] > 0 {
		line("", "blocked reads wait for a pack that can veto them: see chertd packs")
	}
	line("packs", "%s", choose(s.NotLive == 0, fmt.Sprint(s.Packs), fmt.Sprintf("%d, %d with an edit that is NOT LIVE: see chertd packs", s.Packs, s.NotLive)))
	for i := range s.Switches {
		line("", "%s, set %s", switchWords(&s.Switches[i], true), endWords(&s.Switches[i]))
	}
	if n := len(s.Ignored); n > 0 {
		line("", "%s: see chertd packs", choose(n == 1, "1 file is not loaded because of its name", fmt.Sprintf("%d files are not loaded because of their names", n)))
	}
	line("store", "%s", choose(s.Unknown == "", sizeOf(s.Bytes)+", "+many(s.Chats, "chat"), "unknown"))
	for i, hold := range append(heldSelectionsShown(s.HeldSelections), heldChats(s.Holds)...) {
		line(choose(i == 0, "holds", ""), "%s", hold)
	}
	for i, wait := range postponedChats(s.Postponed) {
		line(choose(i == 0, "waits", ""), "%s", wait)
	}
	for i, t := range s.Notify {
		line(choose(i == 0, "notify", ""), "%s: %s", t.Target, notifyState(&t))
		if t.Hint != "" {
			line("", "hint: %s", t.Hint)
		}
	}
	for _, note := range s.Notes {
		b.WriteString("note: " + strings.ReplaceAll(note, "\n", "\n  ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// notifyState returns the state of a target in words. Why it fails is in a note.
func notifyState(t *control.NotifyTarget) string {
	state := choose(t.Waiting == 0, "nothing waits", choose(t.Waiting == 1, "1 notification waits", fmt.Sprintf("%d notifications wait", t.Waiting)))
	if t.Removed {
		state += "; REMOVED from chertd.yaml"
	}
	if !t.FailingSince.IsZero() {
		state += "; FAILING since " + minute(t.FailingSince)
	}
	return state
}

// learnedRate returns, in words, the rate that calls keep to because of 429s.
func learnedRate(c control.Calls) string {
	s := "at most " + engine.PerSecond(c.Learned) + "/s: learned from Chert's 429s"
	if c.Ceiling > 0 {
		s += "; ceiling " + engine.PerSecond(c.Ceiling) + "/s"
	}
	return s
}

// caughtUp returns, in words, how far the events log is read.
func caughtUp(c *control.Catchup, now time.Time) string {
	state := map[string]string{
		control.CatchupDone:    "read",
		control.CatchupReading: "being read",
		control.CatchupWaiting: "waits until " + c.Until.Local().Format("15:04:05") + " because of a rate limit (429)",
		control.CatchupFailing: "CAN'T BE READ",
		control.CatchupNoLog:   "CAN'T BE READ: there is none at chert.base_url",
	}[c.State]
	if c.Ahead > 0 {
		state += fmt.Sprintf(" (%s to go)", many(int64(c.Ahead), "row"))
	}
	last := "not read to its end since chertd started"
	if !c.Passed.IsZero() {
		last = "read to its end " + roughly(now.Sub(c.Passed)) + " ago"
	}
	if c.State == control.CatchupDone {
		state, last = last, ""
	} else {
		last = "; " + last
	}
	return state + last + "; " + many(c.Found, "event") + " came by it alone" + lagOf(&c.Lag, now)
}

// lagOf returns, in words that follow others, when the last event of a source came and how
// long events were under way; "" if none has come.
func lagOf(l *control.Lag, now time.Time) string {
	if l.LastEvent.IsZero() {
		return ""
	}
	text := fmt.Sprintf("; the last %s ago, after %.1fs", roughly(now.Sub(l.LastEvent)), l.Seconds)
	if l.MaxSeconds > 0 {
		text += fmt.Sprintf(" (median %.1fs, longest %.1fs in 5m)", l.MedianSeconds, l.MaxSeconds)
	}
	return text
}

// streamState returns, in words, whether the stream is connected.
func streamState(s *control.Stream, now time.Time) string {
	switch {
	case !s.Down.IsZero():
		return "INTERRUPTED for " + roughly(now.Sub(s.Down)) + ": " + s.Error
	case s.Connected.IsZero():
		return "connecting"
	case s.LastEvent.IsZero():
		return "connected; no event yet"
	}
	return "connected"
}

// fileState returns, in words, how far a file of events is read.
func fileState(f *control.File, now time.Time) string {
	name := choose(f.Name == "-", "standard input", f.Name)
	switch {
	case f.Error != "":
		return fmt.Sprintf("%s FAILED %s ago after line %d: %s", name, roughly(now.Sub(f.Ended)), f.Line, f.Error)
	case !f.Ended.IsZero():
		return fmt.Sprintf("%s is read to its end, line %d, %s ago", name, f.Line, roughly(now.Sub(f.Ended)))
	case f.Line == 0:
		return name + ": no line has come yet"
	}
	return fmt.Sprintf("reading %s, at line %d", name, f.Line)
}

// lastConfirmed returns, in words, when Chert last confirmed a call.
func lastConfirmed(at, now time.Time) string {
	if at.IsZero() {
		return "none confirmed since chertd started"
	}
	return "last confirmed " + roughly(now.Sub(at)) + " ago"
}

// heldChats lists the held chats, longest hold first.
func heldChats(h *control.Holds) []string {
	if h == nil || h.Total == 0 {
		return nil
	}
	list := []string{"held; reads are dropped until the hold ends"}
	for _, hold := range h.First {
		list = append(list, lasting(hold.Chat, hold.Until, hold.By, hold.Reason))
	}
	return counted(list, h.Total, "whose holds end before these")
}

// postponedChats lists the chats whose reads wait, longest wait first.
func postponedChats(p *control.Postponed) []string {
	if p == nil || p.Total == 0 {
		return nil
	}
	list := []string{"postponed; reads wait until then"}
	for _, chat := range p.First {
		list = append(list, lasting(chat.Chat, chat.Until, chat.By, chat.Reason))
	}
	return counted(list, p.Total, "whose postponements end before these")
}

// lasting describes a hold or a postponement: until when, by whom and why.
func lasting(chat string, until time.Time, by, reason string) string {
	return fmt.Sprintf("%s until %s, by %s%s", chat, minute(until), by, choose(reason == "", "", ": "+reason))
}

// counted adds the total to the first line of a list of chats, and the number of chats
// that are not listed to its end.
func counted(list []string, total int64, others string) []string {
	shown := int64(len(list)) - 1
	list[0] = choose(total == 1, "1 chat is", thousands(total)+choose(total < control.CountedHolds, "", " or more")+" chats are") + " " + list[0]
	if more := total - shown; more > 0 {
		list = append(list, fmt.Sprintf("and %s%s more, %s", thousands(more), choose(total < control.CountedHolds, "", " or"), others))
	}
	return list
}

// webhookState says what has come by the webhook, and lists the requests that were rejected
// since the start.
func webhookState(w *control.Webhook, now time.Time) (all []string) {
	if w == nil {
		return nil
	}
	if w.Accepted+w.Duplicates > 0 {
		all = append(all, fmt.Sprintf("%s, %s known already%s", many(w.Accepted, "event"), thousands(w.Duplicates), lagOf(&w.Lag, now)))
	}
	for _, why := range slices.Sorted(maps.Keys(w.Refused)) {
		all = append(all, fmt.Sprintf("REFUSED %s: %s (see the log)", thousands(w.Refused[why]), why))
	}
	if w.Unavailable > 0 {
		all = append(all, fmt.Sprintf("%s answered 503; Chert sends them again", thousands(w.Unavailable)))
	}
	return all
}

// actionCounts lists the number of actions by status: those that wait or need attention
// first.
func actionCounts(n map[string]int64) string {
	order := []string{"waiting", "sent", "blocked", "dead", "done", "dropped", "shadow"}
	for _, status := range slices.Sorted(maps.Keys(n)) {
		if !slices.Contains(order, status) {
			order = append(order, status)
		}
	}
	var parts []string
	for _, status := range order {
		if n[status] > 0 {
			parts = append(parts, thousands(n[status])+" "+status)
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// many returns a count with its noun, with digits grouped.
func many(n int64, thing string) string {
	return thousands(n) + " " + thing + choose(n == 1, "", "s")
}

func choose(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// minute formats a time in the local zone, with its offset, because lists are passed on
// to people in other zones.
func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04Z07:00")
}

// roughly formats a duration without parts of a second: "3d4h", "12m5s".
func roughly(d time.Duration) string { return diag.About(d.Truncate(time.Second)) }

// thousands groups digits: 1,234,567.
func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// sizeOf formats a number of bytes in its largest unit.
func sizeOf(n int64) string {
	size, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if size < 1024 {
			break
		}
		size, unit = size/1024, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}
