package control

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// What the client asks for is what the daemon gets.
func TestDeadRequestsReachTheDaemon(t *testing.T) {
	t.Parallel()
	f := &fake{}
	c := dialed(t, f)
	code, none := 2002, 0
	for want, ask := range map[string]func() error{
		`dead "" "" code any, 20 false`: func() error { _, err := c.Dead(t.Context(), DeadQuery{}); return err },
		`dead "c 1" "codes" code 2002, 7 true`: func() error {
			_, err := c.Dead(t.Context(), DeadQuery{Chat: "c 1", Pack: "codes", Code: &code, Limit: 7, Attempts: true})
			return err
		},
		`dead "" "" code 0, 20 false`: func() error { _, err := c.Dead(t.Context(), DeadQuery{Code: &none}); return err },
		`retry dead [1.0 2.0] "" "" all=false dry=true repeat=true`: func() error {
			_, err := c.RetryDead(t.Context(), DeadRequest{IDs: []string{"1.0", "2.0"}, DryRun: true, RepeatUnknown: true})
			return err
		},
		`drop dead [] "c1" "codes" all=false dry=false`: func() error {
			_, err := c.DropDead(t.Context(), DeadRequest{Chat: "c1", Pack: "codes"})
			return err
		},
		`drop dead [] "" "" all=true dry=false`: func() error { _, err := c.DropDead(t.Context(), DeadRequest{All: true}); return err },
	} {
		if err := ask(); err != nil || f.last() != want {
			t.Errorf("the daemon got %q, %v; want %q", f.last(), err, want)
		}
	}
}

// A request that does not say which actions it means, or has a wrong number, changes nothing.
func TestDeadRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	many := `"1.0"` + strings.Repeat(`,"1.0"`, MaxDeadIDs)
	for _, test := range []struct{ method, path, body, want string }{
		{"GET", "/dead?limit=0", "", "limit: expected 1 to 500"},
		{"GET", "/dead?limit=501", "", "limit: expected 1 to 500"},
		{"GET", "/dead?code=x", "", `code: expected 0 to 99999, got \"x\"`},
		{"GET", "/dead?code=-1", "", "code: expected 0 to 99999"},
		{"POST", "/dead/retry", `{}`, "which dead actions"},
		{"POST", "/dead/drop", `{}`, "which dead actions"},
		{"POST", "/dead/drop", `{"ids": ["1.0"], "all": true}`, "which dead actions"},
		{"POST", "/dead/drop", `{"chat": "c1", "all": true}`, "which dead actions"},
		{"POST", "/dead/retry", `{"ids": ["1.0"], "code": 0}`, "which dead actions"},
		{"POST", "/dead/retry", `{"code": -1}`, "code: expected 0 to 99999"},
		{"POST", "/dead/retry", `{"ids": [` + many + `]}`, "1001 ids are more than 1000"},
		{"POST", "/dead/drop", `{"all": true, "repeat_unknown": true}`, "repeat_unknown: only a retry has it"},
	} {
		f := &fake{}
		w := httptest.NewRecorder()
		Handler(Config{Daemon: f, Health: fine}).ServeHTTP(w, httptest.NewRequest(test.method, apiPath+test.path, strings.NewReader(test.body)))
		if w.Code != 400 || !strings.Contains(w.Body.String(), test.want) || f.last() != "" {
			t.Errorf("%s %s %.60s: %d %s, the daemon got %q; want 400 with %q", test.method, test.path, test.body, w.Code, w.Body, f.last(), test.want)
		}
	}
}
