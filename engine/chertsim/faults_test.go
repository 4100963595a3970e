package chertsim_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chertsim"
)

// TestEveryDocumentedError holds the answers against the table of the
// documentation, copied here.
func TestEveryDocumentedError(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]struct {
		status    int
		retryable bool
		after     int
	}{
		1001: {400, false, 0}, 1002: {422, false, 0}, 1004: {400, false, 0}, 1007: {429, true, 1},
		2001: {404, false, 0}, 2002: {404, false, 0}, 2003: {404, false, 0}, 2011: {404, false, 0},
		2004: {401, false, 0}, 2012: {401, false, 0}, 2013: {401, false, 0},
		2005: {403, false, 0}, 2007: {403, false, 0}, 2010: {403, false, 0}, 2008: {402, false, 0},
		3001: {500, true, 0}, 3002: {503, true, 0}, 3004: {502, true, 0}, 3003: {500, false, 0},
		4001: {502, true, 0}, 4002: {503, true, 1}, 4098: {400, false, 0}, 4099: {501, false, 0},
	} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, chertsim.Config{})
			b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
			b.fail(chertsim.FailRule{Route: "mark-read", Code: code, Times: 1})
			a := b.call("POST", "/chats/c1/mark-read", "")
			if a.code() != code || a.status != want.status || a.body.Error.Status != want.status ||
				a.body.Error.Retryable == nil || *a.body.Error.Retryable != want.retryable || a.body.Error.RetryAfter != want.after {
				t.Errorf("answered %d %s, want %+v", a.status, a.text, want)
			}
			if header := a.header.Get("Retry-After"); (want.after > 0) != (header == strconv.Itoa(want.after)) {
				t.Errorf("Retry-After is %q, want it to mirror %d", header, want.after)
			}
			if c, _ := b.sim.Chat("c1"); c.Unread != 1 {
				t.Errorf("a call that failed left %d unread, want 1", c.Unread)
			}
			if a := b.call("POST", "/chats/c1/mark-read", ""); a.status != 200 {
				t.Errorf("after the one failure: %d %s", a.status, a.text)
			}
		})
	}
}

func (b *bench) fail(rule chertsim.FailRule) {
	b.t.Helper()
	if err := b.sim.Fail(rule); err != nil {
		b.t.Fatal(err)
	}
}

func TestFailRuleNarrows(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{})
	b.sim.AddChat(chertsim.Chat{ID: "c1", Line: "+14155550100"})
	b.sim.AddChat(chertsim.Chat{ID: "c2", Line: "+14155550101"})
	yes := true
	b.fail(chertsim.FailRule{Route: "typing", Line: "+14155550101", Code: 4099})
	b.fail(chertsim.FailRule{Route: "mark-read", Chat: "c1", Code: 2005, Retryable: &yes, Status: 418, RetryAfter: 7})
	for _, test := range []struct {
		path, body   string
		status, code int
	}{
		{"/chats/c1/typing", `{"state":"typing"}`, 200, 0},
		{"/chats/c2/typing", `{"state":"typing"}`, 422, 4099},
		{"/chats/c2/mark-read", "", 200, 0},
		{"/chats/c1/mark-read", "", 418, 2005},
	} {
		if a := b.call("POST", test.path, test.body); a.status != test.status || a.code() != test.code {
			t.Errorf("%s answered %d %s, want %d with %d", test.path, a.status, a.text, test.status, test.code)
		}
	}
	if a := b.call("POST", "/chats/c1/mark-read", ""); !*a.body.Error.Retryable || a.header.Get("Retry-After") != "7" {
		t.Errorf("overridden: %s, Retry-After %q", a.text, a.header.Get("Retry-After"))
	}
	b.sim.ClearFaults()
	b.fail(chertsim.FailRule{Code: 3001, Probability: 0.25})
	failed := 0
	for range 400 {
		if b.call("GET", "/phone-numbers", "").code() == 3001 {
			failed++
		}
	}
	if failed < 60 || failed > 140 {
		t.Errorf("%d of 400 calls failed, want about 100", failed)
	}
	if n := b.sim.Calls("phone-numbers"); n != 400 {
		t.Errorf("%d calls were counted, want 400", n)
	}
}

// TestFaultsOnARealConnection is what inProcess can't show: resets and answers
// that break off, as net/http's client sees them.
func TestFaultsOnARealConnection(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{})
	server := httptest.NewServer(b.sim)
	defer server.Close()
	client := server.Client()
	defer client.CloseIdleConnections()
	markRead := func(ctx context.Context) (answer, error) {
		req := b.request("POST", "/chats/c1/mark-read", "").WithContext(ctx)
		req.URL.Host = strings.TrimPrefix(server.URL, "http://")
		res, err := client.Do(req)
		if err != nil {
			return answer{}, err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return answer{status: res.StatusCode, header: res.Header, text: string(text)}, err
	}
	last := func() chertsim.Receipt {
		r := b.sim.Receipts()
		return r[len(r)-1]
	}
	for _, test := range []struct {
		rule   chertsim.FailRule
		check  func(a answer, err error) bool
		effect bool
	}{
		{chertsim.FailRule{Mode: chertsim.FailReset}, func(_ answer, err error) bool {
			return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
		}, false},
		{chertsim.FailRule{Mode: chertsim.FailReset, Applied: true}, func(_ answer, err error) bool { return err != nil }, true},
		{chertsim.FailRule{Mode: chertsim.FailTruncated}, func(a answer, err error) bool {
			return a.status == 200 && errors.Is(err, io.ErrUnexpectedEOF) && strings.HasPrefix(a.text, `{"chat_id"`)
		}, true},
		{chertsim.FailRule{Mode: chertsim.FailRaw, Body: `{"detail":"Not Found"}`}, func(a answer, err error) bool {
			return err == nil && a.status == 200 && a.text == `{"detail":"Not Found"}`
		}, false},
		{chertsim.FailRule{Mode: chertsim.FailRaw, Status: 429, RetryAfter: 7, Body: "slow down"}, func(a answer, err error) bool {
			return err == nil && a.status == 429 && a.text == "slow down" && a.header.Get("Retry-After") == "7"
		}, false},
		{chertsim.FailRule{Mode: chertsim.FailHTML}, func(a answer, err error) bool {
			return err == nil && a.status == 502 && a.header.Get("Content-Type") == "text/html" && strings.Contains(a.text, "502 Bad Gateway")
		}, false},
		{chertsim.FailRule{Mode: chertsim.FailHTML, Status: 504, Applied: true}, func(a answer, err error) bool {
			return err == nil && a.status == 504
		}, true},
		{chertsim.FailRule{Code: 3002, Applied: true}, func(a answer, err error) bool { return err == nil && a.status == 503 }, true},
		{chertsim.FailRule{Mode: chertsim.FailHang, Delay: time.Millisecond}, func(_ answer, err error) bool { return errors.Is(err, io.EOF) },
			false},
		{chertsim.FailRule{Mode: chertsim.FailSlow, Delay: time.Millisecond}, func(a answer, err error) bool { return a.status == 200 }, true},
	} {
		b.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
		before, _ := b.sim.Chat("c1")
		test.rule.Times = 1
		b.fail(test.rule)
		a, err := markRead(t.Context())
		if !test.check(a, err) {
			t.Errorf("%+v was answered %d %q, %v", test.rule, a.status, a.text, err)
		}
		r := last()
		if r.Effect != test.effect || test.effect && r.Marked != before.Unread {
			t.Errorf("%+v left the receipt %+v, want effect %v on %d messages", test.rule, r, test.effect, before.Unread)
		}
	}
}

func TestHangEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, chertsim.Config{Now: time.Now})
		b.fail(chertsim.FailRule{Mode: chertsim.FailHang})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		_, err := b.send(b.request("GET", "/phone-numbers", "").WithContext(ctx))
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 10*time.Second {
			t.Errorf("a hanging call ended after %v with %v, want after the caller's 10s", took, err)
		}
	})
}

func TestHiddenLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, chertsim.Config{Now: time.Now, Rate: 2, Burst: 5})
		accepted := func(n int) (ok int, after string) {
			for range n {
				a := b.call("GET", "/phone-numbers", "")
				switch {
				case a.status == 200:
					ok++
				case a.code() != 1007 || a.header.Get("Retry-After") != fmt.Sprint(a.body.Error.RetryAfter) || a.body.Error.RetryAfter < 1:
					t.Fatalf("refused with %d %s, Retry-After %q", a.status, a.text, a.header.Get("Retry-After"))
				default:
					after = a.header.Get("Retry-After")
				}
			}
			return ok, after
		}
		if ok, _ := accepted(10); ok != 5 {
			t.Errorf("%d of a burst of 10 were accepted, want 5", ok)
		}
		time.Sleep(2 * time.Second)
		if ok, _ := accepted(10); ok != 4 {
			t.Errorf("%d were accepted 2s later at 2/s, want 4", ok)
		}
		b.sim.SetLimit(0.1, 1)
		if ok, after := accepted(2); ok != 1 || after != "10" {
			t.Errorf("%d of 2 were accepted and Retry-After was %s, want 1 and 10", ok, after)
		}
		time.Sleep(10 * time.Second)
		if ok, _ := accepted(2); ok != 1 {
			t.Errorf("%d of 2 were accepted after Retry-After, want 1", ok)
		}
		req := b.request("GET", "/phone-numbers", "")
		req.Header.Del("x-chert-signature")
		if a, err := b.send(req); err != nil || a.code() != 2012 {
			t.Errorf("without credentials: %s, %v: these cost no tokens and come first", a.text, err)
		}
		b.sim.SetLimit(0, 0)
		if ok, _ := accepted(50); ok != 50 {
			t.Errorf("%d of 50 were accepted without a limit", ok)
		}
	})
}

func TestAnswersCarryDateAndTrace(t *testing.T) {
	t.Parallel()
	b := newBench(t, chertsim.Config{})
	traces := map[string]bool{}
	for range 20 {
		a := b.call("GET", "/phone-numbers", "")
		traces[a.header.Get("X-Trace-ID")] = true
		if _, err := http.ParseTime(a.header.Get("Date")); err != nil {
			t.Fatal(err)
		}
	}
	if len(traces) != 20 {
		t.Errorf("20 answers have %d trace ids", len(traces))
	}
}
