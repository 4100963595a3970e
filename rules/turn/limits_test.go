package turn

import (
	"slices"
	"testing"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
)

func limitsOf(packs map[string]int) *Calls {
	l := &Calls{out: map[string][]Place{}}
	for pack, n := range packs {
		l.limits.Meter(rules.Meter{Pack: pack}).Limit = rules.Rate{N: n, Per: time.Minute}
	}
	return l
}

// spentOf asks a chat for its next call, and returns the packs that have no place
// left for it.
func spentOf(t *testing.T, l *Calls, c *chat.Chat, wire int64, now time.Time) (packs []string) {
	t.Helper()
	_, spent, err := (&Turn{Now: now, Chat: c}).Call(t.Context(), wire, l)
	if err != nil {
		t.Fatal(err)
	}
	for _, full := range spent {
		packs = append(packs, full.Pack)
	}
	return packs
}

// A call takes a place for each pack that has a read in it, or for none: packs
// without a place are named to the chat.
func TestCallTakesPlacesForAllPacksOrNone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	l := limitsOf(map[string]int{"few": 1, "many": 2})
	waiting := func(id string, packs ...string) *chat.Chat {
		in := chat.Outcomes{Seq: 1, New: true, Message: true, IDs: []string{"m"}, RanPacks: packs}
		for _, p := range packs {
			in.Requests = append(in.Requests, chat.Request{Kind: chat.RequestRead, Pack: p, Rule: "r", Due: now})
		}
		c, _ := chat.Step(chat.Chat{ID: id}, in, now)
		return &c
	}
	reserve := func(id string, packs ...string) []string { return spentOf(t, l, waiting(id, packs...), 1, now) }
	for _, tt := range []struct {
		chat         string
		packs, spent []string
	}{
		{"c1", []string{"few", "many", "free"}, nil},
		{"c2", []string{"few", "many", "free"}, []string{"few"}},
		{"c3", []string{"few", "free"}, []string{"few"}},
		{"c4", []string{"many"}, []string{"many"}},
		{"c5", []string{"free"}, nil},
	} {
		if spent := reserve(tt.chat, tt.packs...); !slices.Equal(spent, tt.spent) {
			t.Errorf("%s of %v: spent %v; want %v", tt.chat, tt.packs, spent, tt.spent)
		}
	}
	l.Ended("c1", now, false) // reached nobody
	l.Ended("c2", now, true)
	if spent := reserve("c6", "few", "many"); len(spent) > 0 {
		t.Errorf("after a call that reached nobody, %v may not call", spent)
	}
	l.Ended("c6", now, true)
	if spent := reserve("c7", "few", "many"); len(spent) != 2 {
		t.Errorf("after calls that reached someone, only %v may not call", spent)
	}
	now = now.Add(time.Minute)
	if spent := reserve("c8", "few", "many"); len(spent) > 0 {
		t.Errorf("a minute later %v may not call", spent)
	}
}

// A call that comes to nothing because of a limit takes no place: here the read
// that has none left was all that kept the other one.
func TestNoCallTakesNoPlace(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	l := limitsOf(map[string]int{"few": 1, "one": 1})
	read := func(pack string, after time.Duration) []chat.Request {
		return []chat.Request{{Kind: chat.RequestRead, Pack: pack, Rule: "r", Due: now.Add(after)}}
	}
	reserve := func(c chat.Chat) []string { return spentOf(t, l, &c, 9, now) }
	of := func(id string, packs ...string) chat.Chat {
		c := chat.Chat{ID: id}
		for i, pack := range packs {
			after := time.Hour // but for the last, which is due
			if i == len(packs)-1 {
				after = 0
			}
			c, _ = chat.Step(c, chat.Outcomes{Seq: int64(i + 1), New: true, Message: true, RanPacks: []string{pack}, Requests: read(pack, after)}, now)
		}
		return c
	}
	if spent := reserve(of("c1", "few")); len(spent) > 0 {
		t.Fatalf("the first may not call: %v", spent)
	}
	if spent := reserve(of("c2", "one", "few")); !slices.Equal(spent, []string{"few"}) {
		t.Errorf("spent are %v, want few", spent)
	}
	if spent := reserve(of("c3", "one")); len(spent) > 0 {
		t.Errorf("a call that was not made has taken the place of %v", spent)
	}
}
