package control

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What is wrong with a body is said in JSON's terms, with its fields.
func TestBodyThatCanNotBeRead(t *testing.T) {
	t.Parallel()
	fields := "send one JSON object; its fields are chat, where, for, reason, force, by, dry_run"
	for body, want := range map[string][2]string{
		`[]`:                         {"expected an object, got an array", fields},
		`"c4"`:                       {"expected an object, got a string", fields},
		`true`:                       {"expected an object, got true or false", fields},
		`{"chat": 1}`:                {"chat: expected a string, got a number", fields},
		`{"chat": "c", "for": 3600}`: {"for: expected a string, got a number", fields},
		`{"force": "yes"}`:           {"force: expected true or false, got a string", fields},
		`{"chat": {}}`:               {"chat: expected a string, got an object", fields},
		`{"fro": "1h"}`:              {`unknown field "fro"`, `did you mean "for"?`},
		`{"line": "x"}`:              {`unknown field "line"`, fields},
		`{"Chat": "c"}`:              {`unknown field "Chat"`, `did you mean "chat"?`},
		`{"chat": "c", "chat": "d"}`: {"chat: it is there twice", fields},
		`{"chat": "c"} {}`:           {"there is more after the object", fields},
		`{"chat": "c"`:               {"it is truncated", fields},
		`chat=c`:                     {"it is not JSON: invalid character", fields},
		"\xff":                       {"it is not JSON: invalid character", fields},
	} {
		var in HoldRequest
		err := decode(httptest.NewRequest(http.MethodPost, "/api/v1/hold", strings.NewReader(body)), &in)
		user, ok := errors.AsType[*UserError](err)
		if !ok || !strings.HasPrefix(user.Message, "the body is malformed: "+want[0]) || user.Hint != want[1] {
			t.Errorf("%s: %+v\nwant %q", body, err, want)
		}
	}
	if err := decode(httptest.NewRequest(http.MethodPost, "/", strings.NewReader("")), &HoldRequest{}); err != nil {
		t.Errorf("no body: %v", err)
	}
}

// No request that changes something is carried out with a field that it does not have: whoever sends
// {"for": "1h"} with a pause expects its end. A request without fields takes an empty object.
func TestRequestsRefuseFieldsTheyDoNotHave(t *testing.T) {
	t.Parallel()
	type request struct{ method, path, body string }
	requests := []request{{"POST", "/api/v1/reload/settings", ""}, {"POST", "/api/v1/drain", ""}}
	for _, c := range changing {
		requests = append(requests, request{c.method, c.path, c.body})
	}
	for _, r := range requests {
		ask := func(body string) (int, string, string) {
			f := &fake{}
			w := httptest.NewRecorder()
			Handler(Config{Daemon: f, Health: fine}).ServeHTTP(w, httptest.NewRequest(r.method, r.path, strings.NewReader(body)))
			return w.Code, w.Body.String(), f.last()
		}
		code, text, called := ask(`{"nonsense": "1h"}`)
		if code != http.StatusBadRequest || !strings.Contains(text, `unknown field \"nonsense\"`) || called != "" {
			t.Errorf("%s %s: %d %s, called the daemon with %q", r.method, r.path, code, text, called)
		}
		if r.body != "" {
			continue
		}
		if !strings.Contains(text, "send the request without a body: it has no fields") {
			t.Errorf("%s %s: %s", r.method, r.path, text)
		}
		for _, body := range []string{"", " {} \n"} {
			if code, text, _ := ask(body); code == http.StatusBadRequest {
				t.Errorf("%s %s with the body %q: %d %s", r.method, r.path, body, code, text)
			}
		}
		if code, text, called := ask(`{"a": "` + strings.Repeat("x", maxBody) + `"}`); code != http.StatusBadRequest || called != "" {
			t.Errorf("%s %s with a large body: %d %s", r.method, r.path, code, text)
		}
	}
}
