package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
	"chertd/luabind"
)

// mustRule compiles a rule as the i-th of a pack.
func mustRule(t testing.TB, pack string, i int, where map[string]any, types ...string) *Rule {
	t.Helper()
	r, problems := compileRule(pack, luabind.Subscription{Index: i, Types: types, Where: where, File: "a.lua", Line: i + 1}, i+1, time.UTC, "")
	if slices.ContainsFunc(problems, func(p *problem) bool { return !p.warning }) {
		t.Fatalf("rule %d with where %v: %s", i, where, problemText(problems))
	}
	return r
}

// matched are the rules the index and their clauses let through.
func matched(ix *index, rules []*Rule, p *probe) []int32 {
	var got []int32
	for _, i := range ix.candidates(p) {
		if rules[i].where.holds(p) {
			got = append(got, i)
		}
	}
	return got
}

// concerned says, by the contract alone, whether a rule's types are the event's.
func concerned(r *Rule, ev *event.Event) bool {
	own := func(t string) bool {
		return t == "schedule" || strings.HasPrefix(t, "action.") || strings.HasPrefix(t, "timer:")
	}
	for _, t := range r.Types {
		switch {
		case own(t):
			if ev.Source == "engine" && ev.Type == t && ev.Pack == r.Pack {
				return true
			}
		case strings.HasPrefix(t, "signal:"):
			if ev.Source == "signal" && t == ev.Type {
				return true
			}
		case ev.Source == "webhook" && (t == "*" || t == ev.Type):
			return true
		}
	}
	return false
}

func TestIndexFindsWhatHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		words := []string{"code", "passcode", "Stop", "stopp", "é", "ß", "K", "s", "verification code", "a", "ab", "aab", "x y"}
		word := rapid.SampledFrom(words)
		patterns := rapid.SampledFrom([]string{
			`code`, `(?i)CODE`, `\bstop\b|pass`, `^\d+$`, `(?i)k`, `a+b`, `(ab){2,}`, `(?:aab|code)?`, `[Ss]top`, `.*`, `(?i:ß|s)x*`, `x\sy`, `(code|)`, `(?i)straße`, "\ufffd",
		})
		strs := func(g *rapid.Generator[string], label string) any {
			var out []any
			for _, s := range rapid.SliceOfN(g, 1, 3).Draw(rt, label) {
				out = append(out, s)
			}
			if len(out) == 1 && rapid.Bool().Draw(rt, "alone") {
				return out[0]
			}
			return out
		}
		keys := map[string]func() any{
			"chat": func() any { return strs(rapid.SampledFrom([]string{"c1", "c2", "c3"}), "chat") },
			"from": func() any {
				return strs(rapid.SampledFrom([]string{"+1 (415) 555-0001", "+4420 79460958", "A@b.example"}), "from")
			},
			"line":     func() any { return strs(rapid.SampledFrom([]string{"+14155550008", "+14155550009"}), "line") },
			"text":     func() any { return strs(word, "text") },
			"words":    func() any { return strs(word, "words") },
			"matches":  func() any { return strs(patterns, "matches") },
			"is_group": func() any { return rapid.Bool().Draw(rt, "is_group") },
			"source":   func() any { return strs(rapid.SampledFrom([]string{"webhook", "engine", "signal"}), "source") },
		}
		names := slices.Sorted(func(yield func(string) bool) {
			for k := range keys {
				if !yield(k) {
					return
				}
			}
		})
		types := rapid.SampledFrom([]string{"message.received", "lead_reply", "*", "timer:t", "action.done", "signal:s", "odd"})
		where := func() map[string]any {
			m := map[string]any{}
			for _, k := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 3, rapid.ID).Draw(rt, "keys") {
				m[k] = keys[k]()
			}
			return m
		}
		var rules []*Rule
		for i := range rapid.IntRange(0, 30).Draw(rt, "rules") {
			w := where()
			if x := where(); len(x) > 0 && rapid.IntRange(0, 3).Draw(rt, "except") == 0 {
				w["except"] = x
			}
			pack := rapid.SampledFrom([]string{"p", "q"}).Draw(rt, "pack")
			rules = append(rules, mustRule(t, pack, i, w, rapid.SliceOfN(types, 1, 3).Draw(rt, "on")...))
		}
		ix := newIndex(rules)
		p := &probe{}
		for range 3 {
			ev := &event.Event{
				ID:     "e",
				Type:   types.Draw(rt, "type"),
				Source: rapid.SampledFrom([]string{"webhook", "engine", "signal"}).Draw(rt, "from where"),
				Pack:   rapid.SampledFrom([]string{"", "p", "q"}).Draw(rt, "its pack"),
				From:   rapid.SampledFrom([]string{"", "+14155550001", "+442079460958", "a@B.example"}).Draw(rt, "sender"),
				Text: strings.Join(rapid.SliceOfN(rapid.SampledFrom(append(words, "CODE", "\u212a", "ſ", "STRASSE", "straße", "STRAẞE", "\xff", "12", "nonstop")), 0, 4).Draw(rt, "said"),
					rapid.SampledFrom([]string{"", " "}).Draw(rt, "between")),
			}
			if rapid.Bool().Draw(rt, "in a chat") {
				ev.Chat = &event.Chat{ID: rapid.SampledFrom([]string{"c1", "c2"}).Draw(rt, "where"), Line: "+14155550009", IsGroup: rapid.SampledFrom([]event.Truth{event.Unknown, event.False, event.True}).Draw(rt, "group")}
			}
			p.reset(ev)
			got := matched(ix, rules, p)
			var want []int32
			fresh := &probe{ev: ev}
			for i, r := range rules {
				if concerned(r, ev) && r.where.holds(fresh) {
					want = append(want, int32(i))
				}
			}
			if !slices.Equal(got, want) {
				rt.Fatalf("event %+v: the index lets rules %v through, looking at each %v", ev, got, want)
			}
			maker := ""
			if ev.Source == event.SourceEngine {
				maker = ev.Pack
			}
			if len(want) > 0 && !ix.wants(ev.Type, maker) {
				rt.Fatalf("rules %v match an event of type %q that the index does not want", want, ev.Type)
			}
		}
	})
}

func TestAutomatonFindsEachLiteral(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		lits := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab]{1,6}|[a-z]{1,3}|é`), 1, 40, rapid.ID).Draw(rt, "literals")
		a := newAutomaton(lits)
		var seen marks
		for range 3 {
			text := rapid.StringMatching(`([ab]{0,12}|[a-z]|é){0,6}`).Draw(rt, "text")
			got := find(a, text, &seen, nil)
			slices.Sort(got)
			var want []int32
			for i, l := range lits {
				if strings.Contains(text, l) {
					want = append(want, int32(i))
				}
			}
			if !slices.Equal(got, want) {
				rt.Fatalf("literals %q in %q: found %v, want %v", lits, text, got, want)
			}
		}
	})
}

func TestMarksSurviveOverflow(t *testing.T) {
	t.Parallel()
	a := newAutomaton([]string{"ab"})
	seen := marks{now: ^uint32(0) - 1}
	for range 4 {
		if got := find(a, "xabab", &seen, nil); len(got) != 1 {
			t.Fatalf("scan %d: found %v, want the one literal once", seen.now, got)
		}
	}
}

func TestRequiredLiterals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ pattern, want string }{
		{`code`, "CODE"},
		{`(?i)stop`, "STOP"},
		{`\bunsubscribe\b`, "UNSUBSCRIBE"},
		{`yes|no`, "NO YES"},
		{`your (pin|code) is \d+`, "YOUR "},
		{`(verification|security)+ x`, "SECURITY VERIFICATION"},
		{`\d{6}`, ""},
		{`(code)?`, ""},
		{`code|\d+`, ""},
		{`(code){2}\d`, "CODE"},
		{`.*`, ""},
		{`(?i)k\x{212a}`, "KK"},
	} {
		if got := strings.Join(required(regexp.MustCompile(tt.pattern)), " "); got != tt.want {
			t.Errorf("required(%s) = %q, want %q", tt.pattern, got, tt.want)
		}
	}
}

// FuzzRequired looks for a pattern that matches a text without any of the
// literals it is said to require: the index would hide the text from the rule.
func FuzzRequired(f *testing.F) {
	f.Add(`(?i)straße|k\b`, "STRASSE K")
	f.Add(`(a|b+c){2,}x?`, "abcabc")
	f.Add(`(?s).ſ\x{fffd}*`, "\xffS")
	f.Add(`[Kk]elvin(?i:ss)`, "\u212aelvinſS")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return
		}
		lits := required(re)
		for _, text := range []string{text, pattern, strings.ToUpper(pattern), re.FindString(pattern + text)} {
			if lits == nil || !re.MatchString(text) {
				continue
			}
			caseless := string(appendCaseless(nil, text))
			if !slices.ContainsFunc(lits, func(l string) bool { return strings.Contains(caseless, l) }) {
				t.Errorf("%q matches %q, which contains none of %q", pattern, text, lits)
			}
		}
	})
}

func TestIndexUsesTheLeastSharedCondition(t *testing.T) {
	t.Parallel()
	var rules []*Rule
	for i := range 100 {
		rules = append(rules, mustRule(t, "p", i, map[string]any{"line": "+14155550009", "text": fmt.Sprintf("word%03d", i)}, event.MessageReceived))
	}
	p := &probe{}
	p.reset(message("this is word042", func(ev *event.Event) { ev.Chat.Line = "+14155550009" }))
	if got := newIndex(rules).candidates(p); !slices.Equal(got, []int32{42}) {
		t.Errorf("candidates = %v, want the one whose word is in the text: all have the same line", got)
	}
}

func TestCandidatesDoNotAllocate(t *testing.T) {
	var rules []*Rule
	for i := range 1000 {
		rules = append(rules,
			mustRule(t, "p", 3*i, map[string]any{"from": fmt.Sprintf("+1415%07d", i)}, event.MessageReceived),
			mustRule(t, "p", 3*i+1, map[string]any{"text": fmt.Sprintf("word %d.", i)}, "*"),
			mustRule(t, "p", 3*i+2, map[string]any{"matches": fmt.Sprintf(`(?i)pin %d\b`, i)}, event.MessageReceived))
	}
	ix := newIndex(rules)
	ev := message("pin 900, word 900. hello", func(ev *event.Event) { ev.From = "+14150000900" })
	p := &probe{}
	run := func() {
		p.reset(ev)
		if got := ix.candidates(p); len(got) != 5 {
			t.Fatalf("candidates = %v, want one by sender, one by text, and the patterns with pin 9, pin 90 and pin 900", got)
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("looking for candidates among 3000 rules allocates %g times, want 0", n)
	}
}

// BenchmarkCandidates shows what it costs to find the one rule of many that an
// event concerns, as a ratio to there being but one.
func BenchmarkCandidates(b *testing.B) {
	kinds := []struct {
		name  string
		where func(i int) map[string]any
	}{
		{"from", func(i int) map[string]any { return map[string]any{"from": fmt.Sprintf("+1415%07d", i)} }},
		{"text", func(i int) map[string]any { return map[string]any{"text": fmt.Sprintf("order number %07d", i)} }},
		{"matches", func(i int) map[string]any {
			return map[string]any{"matches": fmt.Sprintf(`(?i)\border\s+number %07d\b`, i)}
		}},
	}
	ev := message("Hello! Your parcel is on its way, see order number 0000000 for details. Thank you, and good bye.",
		func(ev *event.Event) { ev.From = "+14150000000" })
	for _, kind := range kinds {
		var one float64
		for _, n := range []int{1, 100, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, n), func(b *testing.B) {
				rules := make([]*Rule, n)
				for i := range rules {
					rules[i] = mustRule(b, "p", i, kind.where(i), event.MessageReceived)
				}
				ix := newIndex(rules)
				p := &probe{}
				b.ReportAllocs()
				b.ResetTimer()
				for b.Loop() {
					p.reset(ev)
					if got := matched(ix, rules, p); len(got) != 1 {
						b.Fatalf("matched %v, want rule 0", got)
					}
				}
				per := float64(b.Elapsed()) / float64(b.N)
				if n == 1 {
					one = per
				}
				if one > 0 {
					b.ReportMetric(per/one, "ratio")
				}
			})
		}
	}
}

// BenchmarkNewIndex is what each reload pays for 10,000 rules, edited or not.
func BenchmarkNewIndex(b *testing.B) {
	rules := make([]*Rule, 10_000)
	for i := range rules {
		where := map[string]any{"text": fmt.Sprintf("order number %07d", i)}
		if i%2 == 0 {
			where = map[string]any{"matches": fmt.Sprintf(`(?i)order\s+number %07d`, i)}
		}
		rules[i] = mustRule(b, "p", i, where, event.MessageReceived)
	}
	for b.Loop() {
		newIndex(rules)
	}
}
