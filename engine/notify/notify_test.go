package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/chert"
	"chertd/rules/chat"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// notice returns the call of a notification.
func notice(target string) chat.Call {
	return chat.Call{Chat: chat.NotifyChat(target), Kind: chat.Notify, Actions: []chat.Action{{
		Kind: chat.Notify, Pack: "page", Rule: "wake up", Version: "v1", Target: "chertd-0123", Requested: noon,
		Body: json.RawMessage(`{"text":"look","fields":{"n":1},"event":{"id":"e1","type":"message.received","chat":"c1"}}`),
	}}}
}

func newSender(targets ...Target) *Sender {
	s := New(func() time.Time { return noon })
	s.SetTargets(targets)
	return s
}

// A receiver gets the notification with a signature that it can verify, and the same id in every
// attempt.
func TestReceiverCanVerify(t *testing.T) {
	t.Parallel()
	type received struct {
		header http.Header
		body   []byte
	}
	got := make(chan received, 2)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- received{r.Header, body}
	}))
	defer srv.Close()
	s := newSender(Target{"oncall", srv.URL + "/in", "open sesame"}, Target{"plain", srv.URL, ""})
	defer s.Close()
	if _, err := s.Call(t.Context(), notice("oncall")); err != nil {
		t.Fatal(err)
	}
	r := <-got
	var p Payload
	if err := json.Unmarshal(r.body, &p); err != nil {
		t.Fatal(err)
	}
	if p.ID != "chertd-0123" || r.header.Get("X-Chertd-Id") != p.ID || p.Target != "oncall" || p.Text != "look" || string(p.Fields) != `{"n":1}` ||
		p.Pack != "page" || p.Rule != "wake up" || p.Version != "v1" || p.Event.ID != "e1" || p.Event.Chat != "c1" || !p.At.Equal(noon) {
		t.Errorf("got %s under %v", r.body, r.header)
	}
	mac := hmac.New(sha256.New, []byte("open sesame"))
	fmt.Fprintf(mac, "%d.%s", noon.Unix(), r.body)
	if want := fmt.Sprintf("t=%d,v1=%s", noon.Unix(), hex.EncodeToString(mac.Sum(nil))); r.header.Get("X-Chertd-Signature") != want {
		t.Errorf("the signature is %s, not %s", r.header.Get("X-Chertd-Signature"), want)
	}
	if _, err := s.Call(t.Context(), notice("plain")); err != nil {
		t.Fatal(err)
	}
	if r := <-got; r.header.Get("X-Chertd-Signature") != "" {
		t.Errorf("a target without a secret gets the signature %q", r.header.Get("X-Chertd-Signature"))
	}
}

// Each answer is judged by its status alone. What an error says names neither the URL, which may
// be secret, nor more than the beginning of the answer.
func TestAnswersAreJudged(t *testing.T) {
	t.Parallel()
	answers := map[string]func(w http.ResponseWriter){
		"204": nil,
		"302": func(w http.ResponseWriter) { w.Header().Set("Location", "https://elsewhere.example/secretpart") },
		"400": func(w http.ResponseWriter) { fmt.Fprint(w, "invalid_payload\n\x1b[2J"+strings.Repeat("x", 1<<20)) },
		"408": nil, "410": nil, "425": nil,
		"429": func(w http.ResponseWriter) { w.Header().Set("Retry-After", "30") },
		"500": nil,
		"503": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", noon.Add(time.Minute).Format(http.TimeFormat))
		},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, name, _ := strings.Cut(r.URL.Path, "/secretpart/")
		fmt.Sscan(name, &status)
		if answers[name] == nil || status < 400 || status > 400 {
			if answers[name] != nil {
				answers[name](w)
			}
			w.WriteHeader(status)
			return
		}
		w.WriteHeader(status)
		answers[name](w)
	}))
	defer srv.Close()
	for name := range answers {
		s := newSender(Target{"oncall", srv.URL + "/secretpart/" + name, "x"})
		_, err := s.Call(t.Context(), notice("oncall"))
		var e *chert.Error
		errors.As(err, &e)
		if e == nil {
			e = &chert.Error{}
		}
		got := fmt.Sprintf("%v %v %v", err == nil, e.Retryable, e.RetryAfter)
		want := map[string]string{
			"204": "true false 0s", "302": "false false 0s", "400": "false false 0s", "408": "false true 0s", "410": "false false 0s",
			"425": "false true 0s", "429": "false true 30s", "500": "false true 0s", "503": "false true 1m0s",
		}[name]
		if got != want || e.Unknown || e.Foreign || e.Code != 0 {
			t.Errorf("%s: got %s, %+v; want %s", name, got, e, want)
		}
		if err != nil && (strings.Contains(err.Error(), "secretpart") || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 400) {
			t.Errorf("%s: the error says %q", name, err)
		}
		s.Close()
	}
}

// A target that answers with its own address, as many servers do, does not get it into the log.
func TestAnswersShowNoSecrets(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, "Cannot POST %s, key %s, sig %s, http://%s%s", r.URL.Path, r.URL.Query().Get("key"), r.Header.Get("X-Chertd-Signature"), r.Host, r.URL.RequestURI())
	}))
	defer srv.Close()
	s := newSender(Target{"oncall", srv.URL + "/services/T1/pathsecret?key=query%20secret", "signsecret"})
	defer s.Close()
	_, err := s.Call(t.Context(), notice("oncall"))
	if err == nil || !strings.Contains(err.Error(), "Cannot POST") {
		t.Fatal(err)
	}
	for _, secret := range []string{"pathsecret", "query secret", "query%20secret", "query+secret", "signsecret", "v1="} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q shows %s", err, secret)
		}
	}
}

// What can't be delivered at all fails without a call, or as one whose result is unknown.
func TestNotificationsThatCannotGoOut(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	s := newSender(Target{"down", gone.URL + "/secretpart", ""}, Target{"oncall", "https://hooks.example/secretpart", ""})
	read := notice("oncall")
	read.Kind = chat.Read
	damaged := notice("oncall")
	damaged.Actions[0].Body = nil
	for name, test := range map[string]struct {
		call                      chat.Call
		local, retryable, unknown bool
		says                      string
	}{
		"target gone":  {notice("other"), true, false, false, "no such target"},
		"not a notice": {read, true, false, false, "not a chat"},
		"text removed": {damaged, true, false, false, "its content is gone"},
		"no answer":    {notice("down"), false, true, true, "connection refused"},
	} {
		_, err := s.Call(t.Context(), test.call)
		var e *chert.Error
		if !errors.As(err, &e) || e.Local != test.local || e.Retryable != test.retryable || e.Unknown != test.unknown || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %+v, %v", name, e, err)
		}
		if err != nil && strings.Contains(err.Error(), "secretpart") {
			t.Errorf("%s: the error names the URL: %v", name, err)
		}
	}
}

// Beyond a burst, a target is called once a second; the end of the wait ends the attempt.
func TestTargetsArePaced(t *testing.T) {
	t.Parallel()
	calls := 0
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ }))
	defer srv.Close()
	s := newSender(Target{"oncall", srv.URL, ""})
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	burst := chat.NewNotifyLimit().Burst()
	for range burst {
		if _, err := s.Call(ctx, notice("oncall")); err != nil {
			t.Fatal(err)
		}
	}
	s.SetTargets([]Target{{"oncall", srv.URL, ""}}) // a reload does not begin another burst
	ended, end := context.WithCancel(ctx)
	end()
	if _, err := s.Call(ended, notice("oncall")); err == nil || calls != burst {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://hooks.example.com/a?b=c": true, "http://127.0.0.1:80/x": true, "http://localhost/x": true, "http://[::1]/": true,
		"http://hooks.example.com/": false, "hooks.example.com": false, "ftp://hooks.example.com/": false, "https:///x": false, "https://h/#x": false, "": false, "https://h:99999/": false, "https://u:p@h/": false,
	} {
		if err := CheckURL(url); (err == nil) != ok {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

// roundTrip answers requests without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What an earlier process sent counts toward the burst, and a target that was removed for a moment
// has no new one.
func TestBurstIsNotRenewed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ago  []time.Duration // of attempts before the start
		want []time.Duration // when 12 notifications are sent
	}{
		"nothing before": {nil, []time.Duration{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2}},
		"a full burst":   {[]time.Duration{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		"half of one":    {[]time.Duration{0, 0, 0, 0, 0}, []time.Duration{0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7}},
		"some time ago":  {[]time.Duration{4, 4, 4, 4, 4, 4, 4, 4, 4, 4}, []time.Duration{0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}},
		"long ago":       {[]time.Duration{60, 60, 60, 60, 60, 60, 60, 60, 60, 60}, []time.Duration{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2}},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			s := New(time.Now)
			var got []time.Duration
			s.client.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				got = append(got, time.Since(began)/time.Second)
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
			})
			var before []time.Time
			for _, ago := range test.ago {
				before = append(before, began.Add(-ago*time.Second))
			}
			s.Resume("oncall", before)
			for i := range 12 {
				s.SetTargets([]Target{{"oncall", "https://hooks.example.com", ""}})
				if _, err := s.Call(t.Context(), notice("oncall")); err != nil {
					t.Fatal(err)
				}
				if i%3 == 0 {
					s.SetTargets(nil)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: they are sent after %v seconds, want %v", name, got, test.want)
			}
		})
	}
}
