package control

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTailQueryIsRead(t *testing.T) {
	t.Parallel()
	all := TailQuery{Pack: "codes", Rule: "codes/read it", Chat: "+14155550123", Outcomes: []string{"dead", "failed"}, Lines: 10, After: 17, Again: []int64{4, 17}, NoFollow: true, Text: true}
	for _, q := range []TailQuery{{}, all} {
		text, err := url.ParseQuery(q.values().Encode())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tailQuery(text); err != nil || !reflect.DeepEqual(got, q) {
			t.Errorf("got %+v, error %v, want %+v", got, err, q)
		}
	}
	for query, want := range map[string]string{
		"lines=1001":          "lines: expected 0 to 1000, got ",
		"lines=-1":            "lines: expected 0 to 1000",
		"after=x":             "after: expected the seq of an event, got ",
		"after=17&again=4,18": "again: expected seqs of events up to after=17, separated by commas, got ",
		"after=17&again=4,":   "again: expected seqs",
		"again=4":             "again: expected seqs of events up to after=0",
		"after=9&again=1" + strings.Repeat(",1", MaxTailAgain): "again: more than 500 events",
		"outcome=read&outcome=vetod":                           `there is no outcome \"vetod\"","hint":"did you mean vetoed? outcomes are read, waiting, not_read, blocked, dead, shadow, none, failed, sent,`,
		"outcome=":                                             `there is no outcome \"\"","hint":"outcomes are read, waiting,`,
	} {
		w := httptest.NewRecorder()
		Handler(Config{Daemon: &fake{}, Health: fine}).ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/tail?"+query, nil))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", query, w.Code, w.Body, want)
		}
	}
}

// Whatever word docs/outcomes.md defines, people can choose lines by it.
func TestTailKnowsTheOutcomesOfTheManual(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## Status\n")
	tables, rest, _ := strings.Cut(rest, "\n## Answers")
	_, skips, _ := strings.Cut(rest, "\n## Rules that did not run\n")
	tables += skips
	n := 0
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(tables, -1) {
		for _, word := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[1], -1) {
			n++
			if !slices.Contains(TailOutcomes, word[1]) {
				t.Errorf("there is no outcome %q", word[1])
			}
		}
	}
	if n < 33 {
		t.Errorf("the manual has %d words: the test proves nothing", n)
	}
	for i, o := range TailOutcomes {
		if slices.Contains(TailOutcomes[:i], o) {
			t.Errorf("%q is listed twice", o)
		}
	}
}
