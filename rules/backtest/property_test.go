package backtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
)

// randomWords are what messages and rules of the property test are about.
var randomWords = []string{"now", "later", "long", "veto", "hold", "timer", "cancel", "none"}

// randomRules returns a pack of which each rule acts on some of the words.
func randomRules(dice *rand.Rand) string {
	var b strings.Builder
	for _, body := range []string{
		`chert.mark_read(ev.chat.id)`,
		`chert.mark_read(ev.chat.id, { after = "40s" })`,
		`chert.mark_read(ev.chat.id, { after = "5m", even_if_newer = true })`,
		`chert.keep_unread(ev.chat.id)`,
		`chert.hold(ev.chat.id, "3m")`,
		`chert.set_timer("t", "90s")`,
		`chert.cancel_read(ev.chat.id)`,
		`ev.state.n = (ev.state.n or 0) + 1 if ev.state.n % 3 == 0 then chert.mark_read(ev.chat.id) end`,
	} {
		if dice.IntN(3) == 0 {
			continue
		}
		fmt.Fprintf(&b, "chert.on(\"message.received\", { text = %q }, function(ev) %s end)\n", randomWords[dice.IntN(len(randomWords))], body)
	}
	b.WriteString("chert.on(\"timer:t\", function(ev) chert.mark_read(ev.chat.id) end)\n")
	fmt.Fprintf(&b, "chert.every(\"7m\", { name = \"sweep\" }, function(ev) chert.mark_read(\"c%d\", { even_if_newer = true }) end)\n", dice.IntN(4))
	return b.String()
}

// fates runs one side alone, and returns for each message when it is read, and by which
// rule; the zero fate: never. It also returns how many calls there are.
func fates(t *testing.T, set *rules.Set, events []Event) (all []Read, calls int) {
	t.Helper()
	w := spec.NewWorld(spec.WorldConfig{Set: set, Start: events[0].Received})
	all = make([]Read, len(events))
	looked := 0
	look := func(received int) { // reads what the calls since read
		for log := w.Log(); looked < len(log); looked++ {
			made := log[looked].Call
			if made == nil || made.Call.Kind != chat.Read {
				continue
			}
			calls++
			for i := range received {
				if events[i].Event.ChatID() == made.Call.Chat && all[i] == (Read{}) {
					a := &made.Call.Actions[0]
					all[i] = Read{At: made.At, Rule: a.RuleKey(), Place: a.Place}
				}
			}
		}
	}
	for i := range events {
		if err := w.Advance(context.Background(), events[i].Received.Sub(w.Now())); err != nil {
			t.Fatal(err)
		}
		look(i)
		if err := w.Receive(context.Background(), events[i].Event); err != nil {
			t.Fatal(err)
		}
		look(i + 1)
	}
	if err := w.Advance(context.Background(), afterLast); err != nil {
		t.Fatal(err)
	}
	look(len(events))
	return all, calls
}

// TestComparisonAgreesWithEachSideAlone: for random rules and messages, the differences are
// those that one finds by running each side alone and looking at each message.
func TestComparisonAgreesWithEachSideAlone(t *testing.T) {
	t.Parallel()
	differences := 0
	for seed := range uint64(20) {
		dice := rand.New(rand.NewPCG(seed, 1))
		packs := []map[string]string{{"p": randomRules(dice)}, {"p": randomRules(dice)}}
		var events []Event
		var at time.Duration
		for i := range 120 {
			text := randomWords[dice.IntN(len(randomWords))] + " " + randomWords[dice.IntN(len(randomWords))]
			events = append(events, said(t, i+1, fmt.Sprintf("c%d", dice.IntN(5)), text, at))
			at += time.Duration(dice.IntN(4)) * 25 * time.Second
		}
		r := mustRun(t, Config{Live: load(t, packs[0]), Candidate: load(t, packs[1])}, events)
		a, aCalls := fates(t, load(t, packs[0]), events)
		b, bCalls := fates(t, load(t, packs[1]), events)
		want := map[Kind]int{}
		for i := range events {
			switch apart := b[i].At.Sub(a[i].At); {
			case a[i] == (Read{}) && b[i] == (Read{}):
			case a[i] == (Read{}):
				want[Added]++
			case b[i] == (Read{}):
				want[Left]++
			case apart > time.Second:
				want[Later]++
			case apart < -time.Second:
				want[Earlier]++
			case a[i].Rule != b[i].Rule:
				want[OtherRule]++
			}
		}
		got := map[Kind]int{}
		for i := range r.Differences {
			d := &r.Differences[i]
			if d.Messages == 0 {
				continue // a read in a chat without a message
			}
			kind := d.Kind
			switch { // waiting reads are not in fates
			case d.Live.Read != nil && d.Live.Read.Waits:
				kind = Added
			case d.Candidate.Read != nil && d.Candidate.Read.Waits:
				kind = Left
			}
			got[kind] += d.Messages
			differences += d.Messages
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || r.Sides[live].Reads != aCalls || r.Sides[candidate].Reads != bCalls {
			t.Fatalf("seed %d: got %v and %d, %d reads, want %v and %d, %d; the packs:\n%s\n\n%s", seed, got, r.Sides[live].Reads, r.Sides[candidate].Reads, want, aCalls, bCalls, packs[0]["p"], packs[1]["p"])
		}
	}
	if differences < 400 {
		t.Errorf("%d messages differ: the test proves little", differences)
	}
}

// TestSameRulesNeverDiffer: a set that is compared with itself has no difference.
func TestSameRulesNeverDiffer(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		dice := rand.New(rand.NewPCG(seed, 2))
		pack := map[string]string{"p": randomRules(dice)}
		var events []Event
		for i := range 200 {
			events = append(events, said(t, i+1, fmt.Sprintf("c%d", dice.IntN(5)), randomWords[dice.IntN(len(randomWords))], time.Duration(i)*20*time.Second))
		}
		r := mustRun(t, Config{Live: load(t, pack), Candidate: load(t, pack)}, events)
		if r.Total()+r.OtherRule+r.Unknown > 0 || r.Sides[live].Reads != r.Sides[candidate].Reads {
			t.Errorf("seed %d: %+v", seed, r)
		}
	}
}
