package rules

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
)

func TestRunDoesNotAllocateForWhatNoRuleWants(t *testing.T) {
	s := mustLoad(t, Options{}, map[string]string{"a.lua": `
		for i = 1, 300 do
			chert.on("message.received", { from = "+1415555" .. 2000 + i }, function(ev) end)
			chert.on("message.received", { text = "word " .. i }, function(ev) end)
			chert.on("message.received", { matches = "pin " .. i }, function(ev) end)
			chert.on("message.received", { chat = "c1", is_group = true, text = "x" }, function(ev) end)
		end`})
	in := Input{Event: message("hello there, x."), Now: noon, Suspensions: &suspensions}
	s.Run(0, in)
	if n := testing.AllocsPerRun(100, func() { s.Run(0, in) }); n > 0 {
		t.Errorf("an event that none of %d rules wants allocates %g times, want 0", s.Rules(), n)
	}
}

// BenchmarkRun is one event against many rules of which one matches, its
// handler reading two fields and asking for a read, as a ratio to that rule
// being alone. The budget is 2.
func BenchmarkRun(b *testing.B) {
	for _, kind := range []struct{ name, where string }{
		{"from", `{ from = string.format("+1415%07d", i) }`},
		{"text", `{ text = string.format("order number %07d", i) }`},
		{"matches", `{ matches = string.format("(?i)\\border\\s+number %07d\\b", i) }`},
	} {
		var alone float64
		for _, n := range []int{1, 100, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, n), func(b *testing.B) {
				s := mustLoad(b, Options{}, map[string]string{"a.lua": fmt.Sprintf(`
					for i = 0, %d - 1 do
						chert.on("message.received", %s, function(ev)
							if ev.text ~= "" then chert.mark_read(ev.chat.id) end
						end)
					end`, n, kind.where)})
				in := Input{Now: noon, Suspensions: &suspensions, Event: message("Hello! Your parcel is on its way, see order number 0000000 for details. Thank you, and good bye.",
					func(ev *event.Event) { ev.From = "+14150000000" })}
				b.ReportAllocs()
				for b.Loop() {
					if r := s.Run(0, in); len(r.Outcomes) != 1 || len(r.Outcomes[0].Requests) != 1 {
						b.Fatalf("said %q", said(r))
					}
				}
				per := float64(b.Elapsed()) / float64(b.N)
				if n == 1 {
					alone = per
				}
				if alone > 0 {
					b.ReportMetric(per/alone, "ratio")
				}
			})
		}
	}
}

// BenchmarkLoad is a folder of 1,000 files, and the same with one edited.
func BenchmarkLoad(b *testing.B) {
	files := map[string]string{}
	for i := range 1000 {
		files[fmt.Sprintf("pack%04d.lua", i)] = fmt.Sprintf(`chert.on("message.received", { text = "word %d" }, function(ev) chert.mark_read(ev.chat.id) end)`, i)
	}
	dir := tree(b, files)
	load := func(previous *Set) *Set {
		s, diags := loadOver(dir, Options{}, previous)
		if s == nil {
			b.Fatal(diags)
		}
		return s
	}
	var s *Set
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			s = load(nil)
		}
	})
	b.Run("one edited", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			write(b, dir+"/pack0500.lua", fmt.Sprintf(`-- %d`, i)+"\n"+files["pack0500.lua"])
			s = load(s)
		}
	})
}

// BenchmarkTexts is what looking for a text costs an event: normalizing it, the
// index, and the clause that confirms. The ratio is to what has to be done for any
// text, lowering its case and looking for one literal; for ASCII it stays small.
func BenchmarkTexts(b *testing.B) {
	const ascii = "Hello! Your parcel is on its way, see order number 0000000 for details. Thank you, and good bye."
	const rounds = 10_000
	lower := math.Inf(1) // the fastest of several rounds: others use the machine too
	for range 10 {
		began := time.Now()
		for range rounds {
			if !strings.Contains(strings.ToLower(ascii), "bye") {
				b.Fatal("not found")
			}
		}
		lower = min(lower, float64(time.Since(began))/rounds)
	}
	for _, bm := range []struct{ name, key, find, text string }{
		{"text/ascii", "text", "bye", ascii},
		{"words/ascii", "words", "bye", ascii},
		{"words/ascii, not", "words", "by", ascii},
		{"words/russian", "words", "код", "Здравствуйте! Ваш код подтверждения: 424242. Никому не говорите его."},
		{"words/turkish", "words", "şifre", "Merhaba! ŞİFRE: 424242. Kimseyle paylaşmayınız, teşekkür ederiz."},
		{"words/japanese", "words", "コード", "認証コードは４２４２４２です。誰にも教えないでください"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			where, problems := compileWhere(map[string]any{bm.key: bm.find}, "")
			if len(problems) > 0 {
				b.Fatal(problemText(problems))
			}
			rules := []*Rule{{Pack: "p", Types: []string{event.MessageReceived}, where: where, ways: accessesOf(where)}}
			ix, p, ev := newIndex(rules), &probe{}, message(bm.text)
			b.ReportAllocs()
			for b.Loop() {
				p.reset(ev)
				matched(ix, rules, p)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/lower, "ratio")
		})
	}
}
