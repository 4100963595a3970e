package control

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// No request is answered as if it did not have a parameter that it has: a misspelled keep_pending, or one
// in the query instead of the body, would drop what is pending.
func TestRequestsRefuseParametersTheyDoNotHave(t *testing.T) {
	t.Parallel()
	type request struct{ method, path, body string }
	requests := []request{{"GET", "/api/v1/tail", ""}, {"GET", "/api/v1/status", ""}, {"GET", "/api/v1/lists/vips/history", ""}, {"POST", "/api/v1/reload/settings", ""}}
	for _, c := range changing {
		requests = append(requests, request{c.method, c.path, c.body})
	}
	for pattern := range queries {
		method, path, _ := strings.Cut(pattern, " ")
		requests = append(requests, request{method, strings.NewReplacer("{pack}", "codes", "{list}", "vips", "{chat}", "c1").Replace(path), ""})
	}
	for _, r := range requests {
		path, _, _ := strings.Cut(r.path, "?")
		for query, want := range map[string]string{"nonsense=1": `unknown parameter \"nonsense\"`, "%zz": "the query of the URL is malformed", "a=1;b=2": "the query of the URL is malformed"} {
			f := &fake{}
			w := httptest.NewRecorder()
			Handler(Config{Daemon: f, Health: fine}).ServeHTTP(w, httptest.NewRequest(r.method, path+"?"+query, strings.NewReader(r.body)))
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) || f.last() != "" {
				t.Errorf("%s %s?%s: %d %s, called the daemon with %q", r.method, path, query, w.Code, w.Body, f.last())
			}
		}
	}
}

func TestParametersThatCanNotBeRead(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]string{
		"DELETE /api/v1/packs/codes?keep-pending=true":                "did you mean",
		"DELETE /api/v1/packs/codes?keep_pending=maybe":               "keep_pending must be true or false",
		"DELETE /api/v1/packs/codes?keep_pending=1&keep_pending=true": "keep_pending: the parameter is there twice",
		"DELETE /api/v1/packs/codes/candidate?keep=1":                 "the parameters are keep_pending",
		"POST /api/v1/packs/codes/rollback?keep_pending=true":         "as a JSON object in the body",
		"POST /api/v1/pause?for=1h":                                   "the request has no parameters",
		"GET /api/v1/explain?of=c1&all=yes":                           "all must be true or false",
		"GET /api/v1/dead?attempts=all":                               "attempts must be true or false",
		"GET /api/v1/quarantine?bodies=yes":                           "bodies must be true or false",
		"GET /api/v1/rules?gone=yes":                                  "gone must be true or false",
		"GET /api/v1/tail?text=yes":                                   "text must be true or false",
		"GET /api/v1/tail?follow=no":                                  "follow must be true or false",
	} {
		method, path, _ := strings.Cut(request, " ")
		f := &fake{}
		w := httptest.NewRecorder()
		Handler(Config{Daemon: f, Health: fine}).ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) || f.last() != "" {
			t.Errorf("%s: %d %s, called the daemon with %q; want %q", request, w.Code, w.Body, f.last(), want)
		}
	}
	q, err := tailQuery(map[string][]string{"text": {"true"}, "follow": {"false"}})
	if err != nil || !q.Text || !q.NoFollow {
		t.Errorf("text=true and follow=false: %+v, %v", q, err)
	}
}

// TestParametersOfDocuments: docs/http-api.md shows the parameters of each route, and no others.
func TestParametersOfDocuments(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	row, inCode, name := regexp.MustCompile("(?m)^\\| `([A-Z]+ /[^`]*)` \\|.*$"), regexp.MustCompile("`[^`]*`"), regexp.MustCompile(`(?:^|[?&])([a-z_]+)=`)
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		var shown []string
		for _, code := range inCode.FindAllString(m[0], -1) {
			code = strings.Trim(code, "`")
			if strings.HasPrefix(code, "{") || strings.HasPrefix(code, "--") {
				continue
			}
			for _, p := range name.FindAllStringSubmatch(code, -1) {
				if !slices.Contains(shown, p[1]) {
					shown = append(shown, p[1])
				}
			}
		}
		known := slices.Clone(queries[m[1]])
		slices.Sort(shown)
		slices.Sort(known)
		if m[1] != "GET /-/ready" && !slices.Equal(shown, known) {
			t.Errorf("%s: docs/http-api.md shows the parameters %q, the route takes %q", m[1], shown, known)
		}
	}
}
