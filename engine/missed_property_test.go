package engine

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"chertd/rules"
)

var (
	missedRuns = flag.Int("missed", 3, "how many random lives TestMissedAsIfNeverBroken tries")
	missedSeed = flag.Uint64("missed.seed", 1, "of the first life of TestMissedAsIfNeverBroken")
)

// reader asks for reads: for the event's chat, for it even if something newer
// comes, and for another chat.
const reader = `
chert.on("message.received", { text = "read" }, function(ev) chert.mark_read(ev.chat.id) end)
chert.on("message.received", { text = "stay" }, function(ev) chert.mark_read(ev.chat.id, { even_if_newer = true }) end)
chert.on("message.received", { text = "tell" }, function(ev) chert.mark_read(ev.text:match("tell (%w+)"), { even_if_newer = true }) end)`

// vetoer vetoes by its own words. Of two rules one may fail while the other has
// its say.
func vetoer(name string, n int, fails string) string {
	return fmt.Sprintf(`-- %[2]d
chert.rule({ name = "count", on = "message.received", run = function(ev)
  kv.incr(ev.id)
  ev.state.n = (ev.state.n or 0) + 1
end })
chert.rule({ name = "veto", on = "message.received", run = function(ev)
  %[3]s
  if ev.text:find("%[1]s-keep", 1, true) then chert.keep_unread(ev.chat.id) end
  if ev.text:find("%[1]s-hold", 1, true) then chert.hold(ev.chat.id, "2d") end
end })`, name, n, fails)
}

// life is what one random life of a daemon sent, in order.
type life struct {
	chats map[string][]sent
}

type sent struct {
	read, stay bool // asked for this chat
	veto, hold bool
	inbound    bool
	ran        bool // a rule of the reader ran on it
}

// isRead reports whether a chat is read in the end if all reads are asked for after
// everything was handled.
func (l *life) isRead(chatID string) bool {
	list := l.chats[chatID]
	for _, e := range list {
		if e.hold {
			return false
		}
	}
	for i, e := range list {
		alive := (e.read || e.stay) && !e.veto
		// One that another chat's event asked for speaks for what the reader has
		// seen here, and is vetoed with it.
		for j := i - 1; !e.inbound && j >= 0; j-- {
			alive = alive && !list[j].veto
			if list[j].inbound && list[j].ran {
				break
			}
		}
		for _, later := range list[i+1:] {
			alive = alive && !later.veto && (e.stay || !later.inbound || later.read || later.stay)
		}
		if alive {
			return true
		}
	}
	return false
}

// Packs that can veto are broken, fail, are fixed, and the daemon is restarted,
// at random, while no call goes out. Once all are fixed, each chat is read or
// not as if they had never been broken, and each pack has handled each event once.
//
//	go test ./engine -run MissedAsIf -missed 200
func TestMissedAsIfNeverBroken(t *testing.T) {
	t.Parallel()
	seed := *missedSeed
	for n := range *missedRuns {
		t.Run(fmt.Sprintf("seed %d", seed+uint64(n)), func(t *testing.T) {
			t.Parallel()
			missedLife(t, rand.New(rand.NewPCG(seed+uint64(n), 0)))
		})
	}
}

func missedLife(t *testing.T, random *rand.Rand) {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	c := newCrew(t)
	c.stop()
	c.options.Suspend = rules.SuspendPolicy{After: -1}
	edits := 0
	edit := func(name string, states ...string) {
		edits++
		source := map[string]string{
			"broken": fmt.Sprintf("-- %d\nchert.keep_unread(", edits),
			"fails":  vetoer(name, edits, `error("oh")`),
			"some":   vetoer(name, edits, fmt.Sprintf(`if ev.id:byte(-1) %% 2 == %d then error("oh") end`, edits%2)),
			"works":  vetoer(name, edits, ""),
		}
		c.write(name+".lua", source[pick(states...)])
	}
	c.write("reader.lua", reader)
	for _, name := range []string{"ann", "bob"} {
		edit(name, "broken", "broken", "fails", "works")
	}
	c.paused = true
	c.start()
	l := life{chats: map[string][]sent{}}
	var ids []string
	for range 10 + random.IntN(25) {
		switch random.IntN(8) {
		case 0:
			edit(pick("ann", "bob"), "fails", "some", "works", "works")
			c.reload()
			c.caughtUp()
		case 1:
			c.stop()
			c.start()
		default:
			chatID, other := pick("c1", "c2", "c3"), pick("c1", "c2", "c3")
			var words []string
			e := sent{inbound: true}
			for _, w := range []string{pick("read", "read", "stay", "hm"), pick("", "", "ann-keep", "bob-keep", "ann-hold"), pick("", "", "", "tell "+other)} {
				if w == "ann-hold" && random.IntN(3) > 0 {
					w = ""
				}
				e.read, e.stay = e.read || w == "read", e.stay || w == "stay"
				e.veto, e.hold = e.veto || strings.HasSuffix(w, "-keep") || w == "ann-hold", e.hold || w == "ann-hold"
				if w != "" {
					words = append(words, w)
				}
			}
			text := strings.Join(words, " ")
			id := fmt.Sprint("e", len(ids))
			ids = append(ids, id)
			asks := strings.Contains(text, "tell ")
			if asks && other == chatID {
				e.stay = true
			}
			e.ran = e.read || e.stay || asks
			l.chats[chatID] = append(l.chats[chatID], e)
			c.handle(chatID, id, text)
			if asks && other != chatID {
				c.drained()
				l.chats[other] = append(l.chats[other], sent{stay: true})
			}
		}
	}
	for _, name := range []string{"ann", "bob"} {
		edit(name, "works")
	}
	c.reload()
	c.caughtUp()
	if n := c.rows(); n > 0 {
		t.Errorf("%d rows are left", n)
	}
	c.eng.Pause(false)
	c.wait("all to have ended", func() bool {
		stats, err := c.st.Stats(ctx)
		return err != nil || stats.Pending+stats.Actions["waiting"] == 0
	})
	if stats, err := c.st.Stats(ctx); err != nil || stats.Actions["blocked"] > 0 {
		t.Errorf("%d reads are blocked still (%v)", stats.Actions["blocked"], err)
	}
	for _, chatID := range []string{"c1", "c2", "c3"} {
		if got, want := c.called(chatID) > 0, l.isRead(chatID); got != want {
			t.Errorf("chat %s is read: %t, want %t\nsent: %+v\nactions: %s", chatID, got, want, l.chats[chatID], c.actions(chatID))
		}
	}
	for _, name := range []string{"ann", "bob"} {
		for _, id := range ids {
			kv, err := c.st.KV(ctx, name, id, time.Now())
			if err != nil || string(kv.Value) != "1" {
				t.Errorf("pack %s counted event %s %q times (%v)", name, id, kv.Value, err)
			}
		}
	}
}
