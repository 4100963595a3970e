package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/store/sqlite"
)

// hookURL is a public address that leads, as far as doctor can know, to the webhook.
const hookURL = "https://hooks.example.com/webhooks/chert"

// newDoctorRig returns a rig whose daemon also reads the events log.
func newDoctorRig(t *testing.T) *subscriptionRig {
	t.Helper()
	s := newSubscriptionRig(t)
	s.configure(", catchup: {enabled: false}", "")
	return s
}

// doctor runs chertd doctor on the configuration. args may begin with another -c.
func (s *subscriptionRig) doctor(want int, args ...string) diagnosis {
	s.t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"doctor", "--json", "-c", s.file}, args...)
	code := execute(args, strings.NewReader(""), &out, &errs)
	var d diagnosis
	if err := json.Unmarshal(out.Bytes(), &d); err != nil || code != want {
		s.t.Fatalf("chertd %s exits with %d, want %d: %v\n%s%s", strings.Join(args, " "), code, want, err, &out, &errs)
	}
	for _, secret := range []string{chertsim.DefaultSigningSecret, "whsec_first"} {
		if strings.Contains(out.String()+errs.String(), secret) {
			s.t.Errorf("a secret is printed:\n%s", &out)
		}
	}
	return d
}

// configure changes the configuration.
func (s *subscriptionRig) configure(old, new string) {
	s.t.Helper()
	text, err := os.ReadFile(s.file)
	if err != nil || !strings.Contains(string(text), old) {
		s.t.Fatalf("the configuration has no %q: %v", old, err)
	}
	put(s.t, filepath.Dir(s.file), "chertd.yaml", strings.Replace(string(text), old, new, 1))
}

// configureURL changes chert.base_url.
func (s *subscriptionRig) configureURL(url string) {
	s.t.Helper()
	text, err := os.ReadFile(s.file)
	if err != nil {
		s.t.Fatal(err)
	}
	put(s.t, filepath.Dir(s.file), "chertd.yaml", regexp.MustCompile(`base_url: "[^"]*"`).ReplaceAllLiteralString(string(text), fmt.Sprintf("base_url: %q", url)))
}

// of returns the result of a check.
func (d diagnosis) of(name string) result {
	i := slices.IndexFunc(d.Checks, func(r result) bool { return r.Name == name })
	if i < 0 {
		return result{}
	}
	return d.Checks[i]
}

// expect compares the status of a check, and looks for a text in what it found and in its
// fixes.
func (d diagnosis) expect(t *testing.T, name, status, found, fix string) {
	t.Helper()
	r := d.of(name)
	var messages, fixes []string
	for _, f := range r.Findings {
		messages, fixes = append(messages, f.Message), append(fixes, f.Fix)
		if f.Fix == "" {
			t.Errorf("%s: %q has no fix", name, f.Message)
		}
	}
	if text := r.Summary + "\n" + strings.Join(messages, "\n"); r.Status != status || !strings.Contains(text, found) {
		t.Errorf("%s is %s, want %s with %q:\n%s", name, r.Status, status, found, text)
	}
	if all := strings.Join(fixes, "\n"); !strings.Contains(all, fix) {
		t.Errorf("%s: no fix has %q:\n%s", name, fix, all)
	}
	if status == statusProblem && (d.Problems == 0 || len(d.Fixes) == 0 || d.Fixes[0].Status != statusProblem) {
		t.Errorf("%d problems, fixes: %+v", d.Problems, d.Fixes)
	}
}

// untroubled reports the checks, besides those named, that found a problem.
func (d diagnosis) untroubled(t *testing.T, besides ...string) {
	t.Helper()
	for _, r := range d.Checks {
		if r.Status == statusProblem && !slices.Contains(besides, r.Name) {
			t.Errorf("%s: %+v", r.Name, r)
		}
	}
}

func TestDoctorFindsNothingWrongBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	s := newDoctorRig(t)
	s.create(hookURL)
	s.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
	d := s.doctor(0)
	for name, found := range map[string]string{
		"configuration": "no errors", "secrets": "signing secret, 1 webhook secret", "network": "connected to 127.0.0.1", "credentials": "accepts the credentials of tenant " + chertsim.DefaultTenant,
		"clock": "within 2s", "lines": "1 active phone line", "store": "does not exist yet", "rules": "1 pack, 1 rule", "control": "no daemon listens", "webhook": "free for the daemon",
		"subscription": "delivers message.received to " + hookURL, "events log": "readable; the newest event",
	} {
		d.expect(t, name, statusOK, found, "")
	}
	for _, name := range []string{"stream", "delivery"} {
		d.expect(t, name, statusSkipped, "", "")
	}
	d.expect(t, "daemon", statusWarning, "nothing receives events", "start the daemon: chertd run")
	if len(d.Checks) != len(checks) {
		t.Errorf("%d results of %d checks", len(d.Checks), len(checks))
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(s.file), "data")); err == nil {
		t.Error("doctor has created the folder of the store")
	}
}

// That Chert is busy says nothing about the configuration: doctor waits for a short time that Chert
// names, and asks once more; if that does not help it warns.
func TestDoctorOnlyWarnsWhileChertIsBusy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fail   chertsim.FailRule
		status string
	}{
		"once":            {chertsim.FailRule{Code: 1007, RetryAfter: 1, Times: 1}, statusOK},
		"for a long time": {chertsim.FailRule{Code: 1007, RetryAfter: 600}, statusWarning},
		"saturated":       {chertsim.FailRule{Code: 4002, RetryAfter: 600}, statusWarning},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSubscriptionRig(t)
			s.create(hookURL)
			test.fail.Route = "phone-numbers"
			if err := s.sim.Fail(test.fail); err != nil {
				t.Fatal(err)
			}
			d := s.doctor(0)
			if test.status == statusOK {
				d.expect(t, "credentials", statusOK, "accepts the credentials", "")
			} else {
				d.expect(t, "credentials", test.status, "code ", "wait 10m")
			}
		})
	}
}

func TestDoctorExplainsWhyCallsFail(t *testing.T) {
	t.Parallel()
	code := func(n int) func(*testing.T, *subscriptionRig) {
		return func(t *testing.T, s *subscriptionRig) {
			if err := s.sim.Fail(chertsim.FailRule{Route: "phone-numbers", Code: n}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		change     func(*testing.T, *subscriptionRig)
		check      string
		found, fix string
	}{
		"another tenant": {func(_ *testing.T, s *subscriptionRig) {
			s.configure("tenant: "+chertsim.DefaultTenant, "tenant: other-0000")
		},
			"credentials", "code 2001", "chertd.yaml:2: check chert.tenant"},
		"another secret": {func(_ *testing.T, s *subscriptionRig) {
			s.configure(chertsim.DefaultSigningSecret, "ffffffffffffffffffffffffffffffff")
		}, "credentials", "code 2004", "check chert.signing_secret"},
		"suspended":      {code(2005), "credentials", "code 2005", "support with the trace_id"},
		"not verified":   {code(2007), "credentials", "email address is not verified", "Chert's console"},
		"account limit":  {code(2008), "credentials", "limit is reached", "Chert's console"},
		"no credentials": {code(2012), "credentials", "code 2012", "check chert.auth"},
		"Chert fails":    {code(3001), "credentials", "code 3001", "try again"},
		"a web page": {func(t *testing.T, s *subscriptionRig) {
			page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", "Mon, 05 Jan 2004 12:00:00 GMT")
				fmt.Fprint(w, "<html>welcome</html>")
			}))
			t.Cleanup(page.Close)
			s.configureURL(page.URL)
		}, "credentials", "is not Chert", "check chert.base_url"},
		"a closed port": {func(t *testing.T, s *subscriptionRig) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			s.configureURL("http://" + l.Addr().String())
		}, "network", "connection refused", "check chert.base_url"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDoctorRig(t)
			test.change(t, s)
			d := s.doctor(1)
			d.expect(t, test.check, statusProblem, test.found, test.fix)
			d.untroubled(t, test.check)
			for _, name := range []string{"lines", "subscription", "events log", "delivery"} {
				d.expect(t, name, statusSkipped, "fix ", "")
			}
			if name == "a web page" {
				d.expect(t, "clock", statusSkipped, "no answer has shown", "") // the clock of a stranger
			}
		})
	}
}

// A wrong clock is found, and hides nothing else.
func TestDoctorComparesClocks(t *testing.T) {
	t.Parallel()
	for skew, want := range map[time.Duration]struct{ status, found string }{
		10 * time.Minute:  {statusProblem, "10m behind Chert's"},
		-10 * time.Minute: {statusProblem, "10m ahead of Chert's"},
		2 * time.Minute:   {statusWarning, "2m behind Chert's"},
		-2 * time.Minute:  {statusWarning, "2m ahead of Chert's"},
	} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			s := newDoctorRig(t)
			s.create(hookURL)
			s.sim.SetSkew(skew)
			code := 0
			if want.status == statusProblem {
				code = 1
			}
			d := s.doctor(code)
			d.expect(t, "clock", want.status, want.found, "timedatectl")
			d.expect(t, "credentials", statusOK, "accepts", "")
			d.expect(t, "events log", statusOK, "readable", "")
			d.untroubled(t, "clock")
		})
	}
}

func TestDoctorLooksForPhoneLines(t *testing.T) {
	t.Parallel()
	const line = `{"id": "pn_1", "phone_number": "+1415", "is_active": %t}`
	for lines, want := range map[string]struct {
		code               int
		status, found, fix string
	}{
		"":                                       {1, statusProblem, "no phone line", "add a phone line"},
		fmt.Sprintf(line, false):                 {1, statusProblem, "inactive: +1415", "activate"},
		fmt.Sprintf(line+", "+line, false, true): {0, statusWarning, "1 active phone line", "activate"},
		fmt.Sprintf(line+", "+line, true, true):  {0, statusOK, "2 active phone lines", ""},
	} {
		t.Run(lines, func(t *testing.T) {
			t.Parallel()
			s := newDoctorRig(t)
			s.create(hookURL)
			if err := s.sim.Fail(chertsim.FailRule{Route: "phone-numbers", Mode: chertsim.FailRaw, Body: `{"phone_numbers": [` + lines + `]}`}); err != nil {
				t.Fatal(err)
			}
			s.doctor(want.code).expect(t, "lines", want.status, want.found, want.fix)
		})
	}
}

func TestDoctorExaminesTheStore(t *testing.T) {
	t.Parallel()
	pid := strconv.Itoa(os.Getpid()) // of a process that runs
	for name, test := range map[string]struct {
		change     func(t *testing.T, path string)
		code       int
		status     string
		found, fix string
	}{
		"an intact one": {func(*testing.T, string) {}, 0, statusOK, "intact", ""},
		"a newer one":   {func(t *testing.T, path string) { header(t, path, 60, 0, 0, 3, 232) }, 1, statusProblem, "its schema is version 1000", "a newer chertd"},
		"one that every user can read": {func(t *testing.T, path string) {
			if err := os.Chmod(path, 0o644); err != nil {
				t.Fatal(err)
			}
		}, 0, statusWarning, "mode 0644", "chmod 600 "},
		"not a database": {func(t *testing.T, path string) {
			put(t, filepath.Dir(path), "chertd.db", "Not a database at all, but long enough to be taken for one.")
		},
			1, statusProblem, "not a database", "restore a backup"},
		"one of another process": {func(t *testing.T, path string) {
			put(t, filepath.Dir(path), filepath.Base(path)+".lock", pid+"\n")
		}, 1, statusProblem, "process " + pid + " has it open, and no daemon answers on control.socket", "kill " + pid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDoctorRig(t)
			s.create(hookURL)
			path := filepath.Join(filepath.Dir(s.file), "data", "chertd.db")
			st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
			test.change(t, path)
			s.doctor(test.code).expect(t, "store", test.status, test.found, test.fix)
		})
	}
}

// header overwrites bytes of a database's header.
func header(t *testing.T, path string, at int64, bytes ...byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(bytes, at)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The configuration's errors are found together, and what they leave in order is checked.
func TestDoctorReportsTheConfiguration(t *testing.T) {
	t.Parallel()
	s := newDoctorRig(t)
	s.configure("rules: {dir: ./rules}", "rules: {dir: ./rules, wach: false}\nlog: {level: loud}")
	s.configure(`secrets_file: ./secrets`, `secrets: ["${CHERTD_TEST_NOT_SET}"]`)
	d := s.doctor(1)
	d.expect(t, "configuration", statusProblem, "log.level", "chertd.yaml:4: did you mean watch?")
	d.expect(t, "secrets", statusProblem, "CHERTD_TEST_NOT_SET is not set", "export CHERTD_TEST_NOT_SET")
	d.expect(t, "credentials", statusOK, "accepts", "")
	d.untroubled(t, "configuration", "secrets", "subscription")
	if d.Fixes[0].Check != "configuration" || d.Problems < 3 {
		t.Errorf("%d problems: %+v", d.Problems, d.Fixes)
	}

	put(t, filepath.Dir(s.file), "chertd.yaml", "chert: {")
	d = s.doctor(1)
	d.expect(t, "configuration", statusProblem, "[CF001]", "")
	for _, r := range d.Checks[1:] {
		d.expect(t, r.Name, statusSkipped, "", "")
	}
}

// Secrets that every user of the machine can read are found.
func TestDoctorFindsReadableSecrets(t *testing.T) {
	t.Parallel()
	s := newDoctorRig(t)
	s.create(hookURL)
	for _, name := range []string{"secrets", "chertd.yaml"} {
		if err := os.Chmod(filepath.Join(filepath.Dir(s.file), name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d := s.doctor(0)
	d.expect(t, "secrets", statusWarning, "chertd.yaml, which has secrets", "chmod o-r "+s.file)
	d.expect(t, "secrets", statusWarning, "which has sources.webhook.secrets", "chmod o-r "+filepath.Join(filepath.Dir(s.file), "secrets"))
}

// What would not go live is a problem, with the first error of each pack.
func TestDoctorRunsTheGateOnTheRules(t *testing.T) {
	t.Parallel()
	const rule = `chert.rule({ name = "r", on = "message.received", run = function(ev) end })`
	for name, test := range map[string]struct {
		files      map[string]string
		gate       string
		code       int
		status     string
		found, fix string
	}{
		"one that does not load": {map[string]string{"bad.lua": "chert.on("}, "", 1, statusProblem, "pack bad would not go live: ", "bad.lua:1"},
		"one that checks refuse": {map[string]string{"bad.lua": `chert.rule({ name = "r", on = "message.received", run = function(ev) chert.mark_raed(ev.chat.id) end })`}, "", 1, statusProblem, "pack bad would not go live: ", "chertd check"},
		"failing specs": {map[string]string{"bad.lua": rule, "bad_spec.lua": `describe("x", function() it("y", function() assert.is_true(false) end) end)`},
			"", 1, statusProblem, "pack bad would not go live: ", "chertd test"},
		"failing specs and no gate": {map[string]string{"bad.lua": rule, "bad_spec.lua": `describe("x", function() it("y", function() assert.is_true(false) end) end)`},
			"specs: off", 0, statusOK, "2 packs, 2 rules", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDoctorRig(t)
			s.create(hookURL)
			s.configure("rules: {dir: ./rules}", "rules: {dir: ./rules, gate: {"+test.gate+"}}")
			for file, text := range test.files {
				put(t, filepath.Dir(s.file), "rules/"+file, text)
			}
			d := s.doctor(test.code)
			d.expect(t, "rules", test.status, test.found, test.fix)
			d.untroubled(t, "rules")
		})
	}
	s := newDoctorRig(t)
	s.create(hookURL)
	if err := os.RemoveAll(filepath.Join(filepath.Dir(s.file), "rules")); err != nil {
		t.Fatal(err)
	}
	s.doctor(1).expect(t, "rules", statusProblem, "rules", "")
}

func TestDoctorLooksForASubscription(t *testing.T) {
	t.Parallel()
	inactive := func(s *subscriptionRig) {
		id, _ := s.create(hookURL)
		s.patch(id, `{"is_active": false}`)
	}
	for name, test := range map[string]struct {
		change     func(s *subscriptionRig)
		code       int
		status     string
		found, fix string
	}{
		"none":             {func(*subscriptionRig) {}, 1, statusProblem, "no webhook subscription", "chertd subscribe -c FILE --url https://HOST/webhooks/chert"},
		"an inactive one":  {inactive, 1, statusProblem, "is inactive", "chertd subscribe -c FILE --url '" + hookURL + "' --again"},
		"another path":     {func(s *subscriptionRig) { s.create("https://hooks.example.com/other") }, 1, statusProblem, "no subscription delivers to sources.webhook.path", "--url https://HOST/webhooks/chert"},
		"the dev inbox":    {func(s *subscriptionRig) { s.create(devInbox) }, 1, statusProblem, "no webhook subscription", ""},
		"other events":     {func(s *subscriptionRig) { s.run(0, "subscribe", "--url", hookURL, "--events", "reaction.added") }, 1, statusProblem, "without message.received", "--again"},
		"two of one URL":   {func(s *subscriptionRig) { s.create(hookURL); s.run(0, "subscribe", "--url", hookURL, "--again") }, 0, statusWarning, "each event is delivered twice", "--delete sub_"},
		"an old version":   {func(s *subscriptionRig) { id, _ := s.create(hookURL); s.patch(id, `{"version": "2020-01-01"}`) }, 0, statusWarning, "its version is 2020-01-01", "--again"},
		"the stream alone": {func(s *subscriptionRig) { s.configure("sources: {", "sources: {stream: {enabled: true}, ") }, 0, statusWarning, "events come by the stream", `listen: ""`},
		"a webhook that is off": {func(s *subscriptionRig) {
			s.configure(`listen: "127.0.0.1:0", secrets_file: ./secrets`, `listen: ""`)
		}, 0, statusSkipped, "the webhook is off", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDoctorRig(t)
			test.change(s)
			d := s.doctor(test.code)
			d.expect(t, "subscription", test.status, test.found, strings.ReplaceAll(test.fix, "FILE", s.file))
			d.untroubled(t, "subscription")
		})
	}
}

// patch changes a subscription as people do in Chert's console.
func (s *subscriptionRig) patch(id, body string) {
	s.t.Helper()
	c, err := loadAccount(s.file)
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := c.client()
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	var change chert.SubscriptionChange
	if err := json.Unmarshal([]byte(body), &change); err != nil {
		s.t.Fatal(err)
	}
	if _, _, err := client.UpdateSubscription(s.t.Context(), id, change); err != nil {
		s.t.Fatal(err)
	}
}

// newDeliveredRig starts a daemon with a subscription to its webhook, and lets it have an event.
func newDeliveredRig(t *testing.T) (s *subscriptionRig, id string) {
	t.Helper()
	s = newDoctorRig(t)
	s.start()
	id, secret := s.create(s.hook)
	put(t, filepath.Dir(s.file), "secrets", secret+"\n")
	s.run(0, "reload", "--settings")
	s.deliver()
	return s, id
}

// deliver lets an event arrive, and waits until the daemon has it and makes calls: while it
// reads the events log, both wait.
func (s *subscriptionRig) deliver() {
	s.t.Helper()
	n := s.delivered()
	for deadline, held := time.Now().Add(30*time.Second), true; n == 0 || held; {
		out, _ := s.run(0, "status", "--json")
		var st struct {
			Events  int      `json:"events"`
			NoCalls []string `json:"no_calls"`
		}
		if err := json.Unmarshal([]byte(out), &st); err != nil || time.Now().After(deadline) {
			s.t.Fatalf("the daemon does not get an event: %v\n%s", err, out)
		}
		n, held = st.Events, len(st.NoCalls) > 0
	}
}

// An event goes all the way, from Chert to the webhook, and is not handled again.
func TestDoctorLetsChertReplayAnEvent(t *testing.T) {
	t.Parallel()
	s, _ := newDeliveredRig(t)
	d := s.doctor(0)
	d.expect(t, "delivery", statusOK, "its signature is accepted", "")
	d.expect(t, "control", statusOK, "the daemon answers", "")
	d.expect(t, "daemon", statusOK, "1 event,", "")
	d.expect(t, "limits", statusOK, "of the daemon (pid ", "")
	if n := s.sim.Calls("replay"); n != 1 {
		t.Errorf("%d replays, want 1", n)
	}

	// One that the daemon does not have is never replayed: rules would run on it.
	d = s.doctor(0, "--offline")
	d.expect(t, "delivery", statusSkipped, "--offline", "")
	if n := s.sim.Calls("replay"); n != 1 {
		t.Errorf("%d replays, want 1", n)
	}
}

func TestDoctorReplaysOnlyWhatTheDaemonHas(t *testing.T) {
	t.Parallel()
	s := newSubscriptionRig(t) // it does not read the events log
	s.start()
	s.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "nobody delivers this"})
	s.create(s.hook)
	d := s.doctor(0)
	d.expect(t, "delivery", statusSkipped, "send a message", "")
	d.expect(t, "events log", statusWarning, "sources.catchup.enabled is false", "catchup: {enabled: true}")
	if n := s.sim.Calls("replay"); n != 0 {
		t.Errorf("%d replays, want 0", n)
	}
}

func TestDoctorFindsWhyAReplayedEventIsMissing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change     func(t *testing.T, s *subscriptionRig, id string)
		status     string
		found, fix string
	}{
		"another secret": {func(t *testing.T, s *subscriptionRig, _ string) {
			put(t, filepath.Dir(s.file), "secrets", "whsec_of_another\n")
			s.run(0, "reload", "--settings")
		}, statusProblem, "wrong signature", "--rotate sub_"},
		"another address": {func(_ *testing.T, s *subscriptionRig, id string) {
			elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			s.t.Cleanup(elsewhere.Close)
			s.patch(id, fmt.Sprintf(`{"url": "%s/webhooks/chert"}`, elsewhere.URL))
		}, statusProblem, "did not arrive within", "this must answer 401: curl -i -X POST 'http://127.0.0.1:"},
		"Chert refuses": {func(_ *testing.T, s *subscriptionRig, _ string) {
			if err := s.sim.Fail(chertsim.FailRule{Route: "replay", Code: 3001}); err != nil {
				s.t.Fatal(err)
			}
		}, statusWarning, "code 3001", "try again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id := newDeliveredRig(t)
			test.change(t, s, id)
			code, patience := 1, "10s"
			if test.status == statusWarning {
				code = 0
			}
			if name == "another address" {
				patience = "10ms"
			}
			d := s.doctor(code, "--wait", patience)
			d.expect(t, "delivery", test.status, test.found, test.fix)
			d.untroubled(t, "delivery")
		})
	}
}

// A proxy may change the path: a delivery that arrives shows it.
func TestDoctorAcceptsAProxyThatChangesThePath(t *testing.T) {
	t.Parallel()
	s, id := newDeliveredRig(t)
	to, err := url.Parse(s.hook)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL = to }})
	t.Cleanup(proxy.Close)
	s.patch(id, fmt.Sprintf(`{"url": "%s/public"}`, proxy.URL))
	d := s.doctor(0)
	d.expect(t, "subscription", statusOK, "a proxy changes the path to /webhooks/chert", "")
	d.expect(t, "delivery", statusOK, "its signature is accepted", "")
	s.patch(id, `{"url": "http://127.0.0.1:1/public"}`)
	d = s.doctor(1, "--wait", "10ms")
	d.expect(t, "subscription", statusProblem, "no subscription delivers to sources.webhook.path", "")
	d.expect(t, "delivery", statusProblem, "did not arrive", "")
}

// Of several subscriptions, others may be those of other daemons.
func TestDoctorTriesEachSubscription(t *testing.T) {
	t.Parallel()
	s := newDoctorRig(t)
	s.start()
	s.create("http://127.0.0.1:1/webhooks/chert")
	_, secret := s.create(s.hook)
	put(t, filepath.Dir(s.file), "secrets", secret+"\n")
	s.run(0, "reload", "--settings")
	s.deliver()
	d := s.doctor(0, "--wait", "1s") // which the first takes
	d.expect(t, "delivery", statusOK, "its signature is accepted", "")
	d.expect(t, "subscription", statusOK, "(and 1 subscription to other addresses)", "")
}

// What the daemon itself finds wrong is reported, with the command that ends it.
func TestDoctorReportsWhatTheDaemonFinds(t *testing.T) {
	t.Parallel()
	s, _ := newDeliveredRig(t)
	s.run(0, "pause")
	s.doctor(1).expect(t, "daemon", statusProblem, "calls are not made", "chertd resume -c "+s.file)
}
