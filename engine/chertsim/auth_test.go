package chertsim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"chertd/engine/chertsim"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	signature := func(secret string, off time.Duration, body string) string {
		ts, sum := sign(secret, start.Add(off), body)
		return "v1," + ts + "," + sum
	}
	good := signature(secret, 0, "")
	ts, sum, _ := strings.Cut(strings.TrimPrefix(good, "v1,"), ",")
	for name, test := range map[string]struct {
		tenant, signature, token string
		status, code             int
	}{
		"a signature":                         {tenant, good, "", 200, 0},
		"a token":                             {"", "", "Bearer " + secret, 200, 0},
		"a token with the tenant":             {tenant, "", "Bearer " + secret, 200, 0},
		"both":                                {tenant, good, "Bearer " + secret, 200, 0},
		"a signature 5 minutes old":           {tenant, signature(secret, -5*time.Minute, ""), "", 200, 0},
		"a signature 5 minutes ahead":         {tenant, signature(secret, 5*time.Minute, ""), "", 200, 0},
		"a signature 1 s too old":             {tenant, signature(secret, -301*time.Second, ""), "", 401, 2013},
		"a signature 1 s too far ahead":       {tenant, signature(secret, 301*time.Second, ""), "", 401, 2013},
		"nothing":                             {"", "", "", 401, 2012},
		"a tenant alone":                      {tenant, "", "", 401, 2012},
		"another scheme":                      {tenant, "", "Basic " + secret, 401, 2012},
		"a signature without a tenant":        {"", good, "", 401, 2012},
		"another tenant":                      {"other-0001", good, "", 404, 2001},
		"a token with another tenant":         {"other-0001", "", "Bearer " + secret, 404, 2001},
		"another secret":                      {tenant, signature("ffff", 0, ""), "", 401, 2004},
		"another body":                        {tenant, signature(secret, 0, "{}"), "", 401, 2004},
		"a wrong token":                       {tenant, "", "Bearer ffff", 401, 2004},
		"an empty token":                      {tenant, "", "Bearer ", 401, 2004},
		"a bad signature beside a token":      {tenant, signature("ffff", 0, ""), "Bearer " + secret, 401, 2004},
		"a good signature beside a bad one":   {tenant, good, "Bearer ffff", 200, 0},
		"upper case hex":                      {tenant, "v1," + ts + "," + strings.ToUpper(sum), "", 401, 2004},
		"another version":                     {tenant, "v2," + ts + "," + sum, "", 401, 2004},
		"the form of webhooks":                {tenant, "t=" + ts + ",v1=" + sum, "", 401, 2004},
		"no timestamp":                        {tenant, "v1,," + sum, "", 401, 2004},
		"a timestamp in milliseconds":         {tenant, "v1," + ts + "000," + sum, "", 401, 2013},
		"a signature too old and bad":         {tenant, signature("ffff", -time.Hour, ""), "", 401, 2013},
		"a signature with something after it": {tenant, good + ",x", "", 401, 2004},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, chertsim.Config{})
			req := b.request("GET", "/phone-numbers", "")
			req.Header = http.Header{}
			for key, value := range map[string]string{"x-chert-tenant": test.tenant, "x-chert-signature": test.signature,
				"authorization": test.token} {
				if value != "" {
					req.Header.Set(key, value)
				}
			}
			a, err := b.send(req)
			if err != nil {
				t.Fatal(err)
			}
			if a.status != test.status || a.code() != test.code {
				t.Errorf("answered %d %s, want %d with code %d", a.status, a.text, test.status, test.code)
			}
			if a.header.Get("Date") != start.Format(http.TimeFormat) {
				t.Errorf("Date is %q, want the server's clock %s", a.header.Get("Date"), start)
			}
		})
	}
}

func TestSignatureCoversTheBody(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{})
	b.sim.AddChat(chertsim.Chat{ID: "c1"})
	const body = `{"state": "typing"}`
	if a := b.call("POST", "/chats/c1/typing", body); a.status != 200 {
		t.Errorf("a signed body was answered %d %s", a.status, a.text)
	}
	req := b.request("POST", "/chats/c1/typing", body)
	changed := b.request("POST", "/chats/c1/typing", body+" ")
	changed.Header = req.Header
	if a, err := b.send(changed); err != nil || a.code() != 2004 {
		t.Errorf("a body changed by a space was answered %d %s, %v", a.status, a.text, err)
	}
	twice := b.request("GET", "/phone-numbers", "")
	twice.Header.Add("x-chert-signature", twice.Header.Get("x-chert-signature"))
	if a, err := b.send(twice); err != nil || a.code() != 2004 {
		t.Errorf("a header sent twice was answered %d %s, %v", a.status, a.text, err)
	}
}

func TestClockSkewIsCheckedByTheServersClock(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{Skew: 10 * time.Minute})
	a := b.call("GET", "/phone-numbers", "")
	if a.code() != 2013 || *a.body.Error.Retryable {
		t.Fatalf("10 minutes off was answered %d %s, want 2013, not retryable", a.status, a.text)
	}
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		t.Fatal(err)
	}
	b.now = func() time.Time { return date }
	if a := b.call("GET", "/phone-numbers", ""); a.status != 200 {
		t.Errorf("signed by the server's Date: %d %s", a.status, a.text)
	}
	b.sim.SetSkew(0)
	b.now = func() time.Time { return start }
	if a := b.call("GET", "/phone-numbers", ""); a.status != 200 {
		t.Errorf("with the clock set right: %d %s", a.status, a.text)
	}
}
