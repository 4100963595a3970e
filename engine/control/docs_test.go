package control

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// documented is a row of the table of requests: request, body.
var documented = regexp.MustCompile("(?m)^\\| `([A-Z]+) (/[^`]*)` \\| (?:`([^`]*)`)? *\\|")

// TestRequestsOfDocuments: each request that docs/http-api.md lists is served, with
// the body it shows, and there is none that it does not list.
func TestRequestsOfDocuments(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	served := 0
	for _, m := range documented.FindAllStringSubmatch(string(text), -1) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(m[1], strings.ReplaceAll(m[2], "{pack}", "codes"), strings.NewReader(m[3]))
		Handler(Config{Daemon: &fake{packs: []Pack{{Name: "codes"}}}, Health: fine, Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}).ServeHTTP(w, r)
		if w.Code != 200 {
			t.Errorf("%s %s with body %s: %d %s", m[1], m[2], m[3], w.Code, w.Body)
		}
		served++
	}
	source, err := os.ReadFile("api.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"health.go", "server.go"} {
		text, err := os.ReadFile(more)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, text...)
	}
	route := regexp.MustCompile(`"(?:GET|POST|DELETE|PUT|PATCH) `)
	if n := len(route.FindAll(source, -1)); served != n {
		t.Errorf("docs/http-api.md lists %d requests, %d are served", served, n)
	}
}
