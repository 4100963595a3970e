package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/rules"
	"chertd/rules/chat"
)

// tryLimited has a pack with a limit of reads run as the candidate of codes, in a share.
func (c *crew) tryLimited(limit, share string) {
	c.t.Helper()
	_, err := c.m.Shadow(ctx, "codes", control.CandidateRequest{Path: "/tmp/codes", Files: []control.SentFile{
		{Name: "r.lua", Content: []byte(strings.ReplaceAll(readAll, "chert.mark_read", "  chert.mark_read"))},
		{Name: "pack.yaml", Content: []byte("limits: {reads: " + limit + "}\n")},
	}})
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "live", Share: share}); err != nil {
		c.t.Fatal(err)
	}
}

// counted returns how many of the chats end with a read.
func (c *crew) counted(name string, ids []string) (read int) {
	c.t.Helper()
	for i, id := range ids {
		c.handle(id, fmt.Sprint(name, i), "x")
		c.finished()
		if strings.Contains(c.actions(id), "read done (read)") {
			read++
		}
	}
	return read
}

// The limit of reads of a candidate ends its share, and nothing else: the live version makes
// calls in all chats, within a count of its own.
func TestCandidateLimitEndsItsShare(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes/r.lua", readAll, "codes/pack.yaml", "limits: {reads: 20/10m}\n")
	const half = rules.Share(5000)
	in, out := shared("codes", half, 0, 12), shared("codes", 0, half, 6)
	c.tryLimited("3/10m", "50%")
	candidate := c.pack("codes").Candidate.Version
	if n := c.counted("out", out[:5]); n != 5 {
		t.Errorf("outside the share %d of 5 chats were read", n)
	}
	c.counted("in", in[:3])
	if p := c.pack("codes"); p.Share != "50%" || p.Candidate.LimitReached != "" {
		t.Errorf("within its limit, the candidate is live in %q of the chats: %+v", p.Share, p.Candidate)
	}
	c.stop()
	c.start() // the count survives
	c.handle(in[3], "over", "x")
	c.wait("the share to end", func() bool { return c.eng.Rules().Rollout("codes").Share == 0 })
	c.finished()
	if got := c.actions(in[3]); got != "read dropped (limit_reached)" && got != "read dropped (pack_inactive)" {
		t.Errorf("beyond the limit: %s", got)
	}
	over := c.explainOne("over")
	if n := len(over.Rules); n != 1 || !over.Rules[0].CandidateLive || over.Rules[0].Candidate || over.Rules[0].Version != candidate || over.Rules[0].Note != "live in the candidate's share of 50%, by command" {
		t.Errorf("the rules of the event: %+v", over.Rules)
	}
	if a := over.Actions[0]; a.Why == chat.WhyLimit && (a.EndedBy == nil || a.EndedBy.Cause != "limits.reads of version "+rules.ShortOf(candidate)+" of pack codes, a candidate then") {
		t.Errorf("its read was ended by %+v", a.EndedBy)
	}
	if e := c.explainOne("out0"); len(e.Rules) != 2 || e.Rules[0].CandidateLive || e.Rules[1].CandidateLive || !e.Rules[1].Candidate || e.Rules[1].Note != "outside the candidate's share of 50%, by command" {
		t.Errorf("outside the share: %+v", e.Rules)
	}
	for _, when := range []string{"then", "after a restart"} {
		p := c.pack("codes")
		if p.Mode != "live" || p.ModeBy != "command" || p.Share != "" || p.Candidate == nil || p.Candidate.Version != candidate || p.Candidate.LimitReached != "more than 3 reads in 10m" {
			t.Errorf("%s codes is %s (%s) in %q, its candidate %+v", when, p.Mode, p.ModeBy, p.Share, p.Candidate)
		}
		notes := strings.Join(c.m.health().Notes, "\n")
		if want := "of pack codes is in shadow: more than 3 reads in 10m; chertd mode codes live --share=10% makes it live again"; !strings.Contains(notes, want) {
			t.Errorf("%s status notes %q, want %q", when, notes, want)
		}
		c.stop()
		c.start()
	}
	if !strings.Contains(c.logged(), "candidate switched to shadow: the live version runs in all chats") {
		t.Error("it is not logged")
	}
	if n := c.counted("live", in[4:8]); n != 4 {
		t.Errorf("the live version read %d of 4 chats that were in the share", n)
	}
	// The command starts the candidate's count again, and leaves that of the live version.
	if _, err := c.m.SetMode(ctx, "codes", control.ModeRequest{Mode: "live", Share: "50%"}); err != nil {
		t.Fatal(err)
	}
	if p := c.pack("codes"); p.Candidate.LimitReached != "" {
		t.Errorf("live again, the candidate says %q", p.Candidate.LimitReached)
	}
	if n := c.counted("again", in[8:11]); n != 3 {
		t.Errorf("live again, the candidate read %d of 3 chats", n)
	}
	count, err := c.st.ReadCount(ctx, "codes")
	if err != nil || count.Count != 0 || len(count.Calls) != 9 {
		t.Errorf("the live version has count %d with %d calls, want 0 with 9 (%v)", count.Count, len(count.Calls), err)
	}
}

// What the live version requested before its chat came into the share counts as its own.
func TestReadsFromBeforeTheShareCountAsTheLiveVersions(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "codes/r.lua", `chert.rule({ name = "read", on = "message.received", run = function(ev)
		chert.mark_read(ev.chat.id, { after = "1m" })
	end })`)
	in := shared("codes", 5000, 0, 4)
	for i, id := range in {
		c.handle(id, fmt.Sprint("e", i), "x")
		c.expectActions("before", id, "read waiting")
	}
	c.tryLimited("1/10m", "50%")
	c.stop()
	c.ahead.Add(int64(2 * time.Minute))
	c.start()
	c.finished()
	for _, id := range in {
		c.expectActions("from before the share", id, "read done (read)")
	}
	if p := c.pack("codes"); p.Share != "50%" || p.Candidate.LimitReached != "" {
		t.Errorf("the candidate is live in %q: %+v", p.Share, p.Candidate)
	}
}
