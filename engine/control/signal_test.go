package control

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A signal comes by POST with the token, and an error names the field and the fix.
func TestSignalOverTCP(t *testing.T) {
	t.Parallel()
	f := &fake{}
	handler := Guard{Listen: "127.0.0.1:9900", Token: "secret"}.Wrap(Handler(Config{Daemon: f, Health: fine}))
	const good = `{"name":"human_replied","chat":"c1","id":"r1","data":{"agent":"Ann"}}`
	for _, tt := range []struct {
		what, method, token, kind, body string
		status                          int
		want                            string
	}{
		{"as it should be", "POST", "secret", "application/json", good, 200, `"event":"signal:r1"`},
		{"JSON under another type", "POST", "secret", "application/x-www-form-urlencoded", good, 200, `"duplicate":false`},
		{"any data", "POST", "secret", "application/json; charset=utf-8", `{"name":"n","chat":"c1","data":[1,null]}`, 200, `"rules":1`},
		{"without a token", "POST", "", "application/json", good, 401, "the token is missing or wrong"},
		{"with another token", "POST", "secrex", "application/json", good, 401, "the token is missing or wrong"},
		{"by GET", "GET", "secret", "", "", 405, ""},
		{"a form", "POST", "secret", "application/x-www-form-urlencoded", "name=human_replied&chat=c1", 400, "the Content-Type is application/x-www-form-urlencoded: send application/json"},
		{"no JSON", "POST", "secret", "application/json", `{"name":`, 400, "its fields are name, chat, id, data, force"},
		{"an array", "POST", "secret", "application/json", `[]`, 400, "expected an object, got an array"},
		{"a wrong type", "POST", "secret", "application/json", `{"name":"n","chat":7}`, 400, "chat: expected a string, got a number"},
		{"a typo", "POST", "secret", "application/json", `{"name":"n","chatt":"c1"}`, 400, `did you mean \"chat\"?`},
		{"two objects", "POST", "secret", "application/json", good + good, 400, "there is more after the object"},
		{"too much", "POST", "secret", "application/json", `{"name":"` + strings.Repeat("x", 70_000) + `"}`, 400, "it is too large: the limit is 64 KiB"},
	} {
		f.tell("nothing")
		r := httptest.NewRequestWithContext(t.Context(), tt.method, "http://127.0.0.1:9900/api/v1/signals", strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.kind)
		if tt.token != "" {
			r.Header.Set("Authorization", "Bearer "+tt.token)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: answered %d %s, want %d and %s", tt.what, w.Code, w.Body, tt.status, tt.want)
		}
		if reached := strings.HasPrefix(f.last(), "signal "); reached != (tt.status == http.StatusOK) {
			t.Errorf("%s: the daemon was called with %q", tt.what, f.last())
		}
	}
	if want := (`signal {Name:n Chat:c1 ID: Data:[91 49 44 110 117 108 108 93] Force:false} [1,null]`); !strings.Contains(strings.Join(f.calls, "\n"), want) {
		t.Errorf("the daemon was called with %q, want %s among them", f.calls, want)
	}
}
