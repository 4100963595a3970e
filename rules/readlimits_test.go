package rules

import (
	"slices"
	"testing"
	"time"

	"chertd/rules/chat"
)

// A call takes a place for each pack that has a read in it, or for none: packs
// without a place are named to the chat, and reach their limit once.
func TestReadLimitsReserveForAllOrNone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	l := &ReadLimits{
		packs:    map[string]*ReadMeter{"few": {Limit: Rate{1, time.Minute}}, "many": {Limit: Rate{2, time.Minute}}},
		out:      map[string]map[string]Place{},
		shadowed: map[string]bool{},
	}
	waiting := func(id string, packs ...string) *chat.Chat {
		in := chat.Handled{Seq: 1, New: true, Message: true, IDs: []string{"m"}, Saw: packs}
		for _, p := range packs {
			in.Wishes = append(in.Wishes, chat.Wish{Kind: chat.WishRead, Pack: p, Rule: "r", Due: now})
		}
		c, _ := chat.Step(chat.Chat{ID: id}, in, now)
		return &c
	}
	reserve := func(id string, packs ...string) (limited, spent []string) {
		in := chat.Ready{Wire: 1}
		limited = l.Reserve(waiting(id, packs...), &in, now)
		return limited, in.Spent
	}
	for _, tt := range []struct {
		chat                  string
		packs, limited, spent []string
	}{
		{"c1", []string{"few", "many", "free"}, nil, nil},
		{"c2", []string{"few", "many", "free"}, []string{"few"}, []string{"few"}},
		{"c3", []string{"few", "free"}, nil, []string{"few"}},
		{"c4", []string{"many"}, []string{"many"}, []string{"many"}},
		{"c5", []string{"free"}, nil, nil},
	} {
		limited, spent := reserve(tt.chat, tt.packs...)
		if !slices.Equal(limited, tt.limited) || !slices.Equal(spent, tt.spent) {
			t.Errorf("%s of %v: limited %v, spent %v; want %v, %v", tt.chat, tt.packs, limited, spent, tt.limited, tt.spent)
		}
	}
	if !l.Shadow("few") || !l.Shadow("many") || l.Shadow("free") {
		t.Errorf("in shadow: %v", l.shadowed)
	}
	l.Ended("c1", now, false) // reached nobody
	l.Ended("c2", now, true)
	if _, spent := reserve("c6", "few", "many"); len(spent) > 0 {
		t.Errorf("after a call that reached nobody, %v may not call", spent)
	}
	l.Ended("c6", now, true)
	if _, spent := reserve("c7", "few", "many"); len(spent) != 2 {
		t.Errorf("after calls that reached someone, only %v may not call", spent)
	}
	now = now.Add(time.Minute)
	if _, spent := reserve("c8", "few", "many"); len(spent) > 0 {
		t.Errorf("a minute later %v may not call", spent)
	}
}

// A call that comes to nothing because of a limit takes no place: here the read
// that has none left was all that kept the other one.
func TestReadLimitsTakeNoPlaceForNoCall(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	l := &ReadLimits{
		packs:    map[string]*ReadMeter{"few": {Limit: Rate{1, time.Minute}}, "one": {Limit: Rate{1, time.Minute}}},
		out:      map[string]map[string]Place{},
		shadowed: map[string]bool{},
	}
	read := func(pack string, after time.Duration) []chat.Wish {
		return []chat.Wish{{Kind: chat.WishRead, Pack: pack, Rule: "r", Due: now.Add(after)}}
	}
	reserve := func(c chat.Chat) []string {
		in := chat.Ready{Wire: 9}
		l.Reserve(&c, &in, now)
		return in.Spent
	}
	of := func(id string, packs ...string) chat.Chat {
		c := chat.Chat{ID: id}
		for i, pack := range packs {
			after := time.Hour // but for the last, which is due
			if i == len(packs)-1 {
				after = 0
			}
			c, _ = chat.Step(c, chat.Handled{Seq: int64(i + 1), New: true, Message: true, Saw: []string{pack}, Wishes: read(pack, after)}, now)
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
