package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"chertd/engine/chertsim"
)

// subscriptionRig is a simulated Chert with a folder that has a configuration for it.
type subscriptionRig struct {
	t    *testing.T
	sim  *chertsim.Sim
	file string // of the configuration
	hook string // the webhook's URL; "": no daemon runs
}

func newSubscriptionRig(t *testing.T) *subscriptionRig {
	t.Helper()
	sim := chertsim.New(chertsim.Config{AllowLoopback: true, Backoff: time.Millisecond})
	api := httptest.NewServer(sim)
	t.Cleanup(func() { api.Close(); sim.Close() })
	dir, err := os.MkdirTemp("", "sub") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	put(t, dir, "rules/codes.lua", `chert.on("message.received", function(ev) end)`)
	put(t, dir, "secrets", "whsec_first\n")
	put(t, dir, "chertd.yaml", fmt.Sprintf(`
chert: {base_url: %q, tenant: %s, signing_secret: %s}
sources: {webhook: {listen: "127.0.0.1:0", secrets_file: ./secrets}, catchup: {enabled: false}}
rules: {dir: ./rules}
`, api.URL+chertsim.BasePath, chertsim.DefaultTenant, chertsim.DefaultSigningSecret))
	return &subscriptionRig{t: t, sim: sim, file: filepath.Join(dir, "chertd.yaml")}
}

// run runs a command with the configuration.
func (s *subscriptionRig) run(want int, args ...string) (out, errs string) {
	s.t.Helper()
	var o, e bytes.Buffer
	if code := execute(append(args, "-c", s.file), strings.NewReader(""), &o, &e); code != want {
		s.t.Fatalf("chertd %s exits with %d, want %d\n%s%s", strings.Join(args, " "), code, want, &o, &e)
	}
	return o.String(), e.String()
}

var (
	createdID    = regexp.MustCompile(`(?m)^(?:created )?subscription (sub_\w+)`)
	shownSecret  = regexp.MustCompile(`(?m)^  secret +(\S+)$`)
	shownWebhook = regexp.MustCompile(`webhook=(\S+)`)
)

// create creates a subscription, and returns its id and its secret.
func (s *subscriptionRig) create(url string) (id, secret string) {
	s.t.Helper()
	out, _ := s.run(0, "subscribe", "--url", url)
	i, x := createdID.FindStringSubmatch(out), shownSecret.FindStringSubmatch(out)
	if i == nil || x == nil {
		s.t.Fatalf("no id or no secret is printed:\n%s", out)
	}
	return i[1], x[1]
}

// list returns the ids of the subscriptions.
func (s *subscriptionRig) list() (ids []string) {
	s.t.Helper()
	out, _ := s.run(0, "subscribe", "--list", "--json")
	var list struct {
		Subscriptions []struct {
			ID string `json:"id"`
		} `json:"subscriptions"`
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || strings.Contains(out, "whsec") {
		s.t.Fatalf("%v\n%s", err, out)
	}
	for _, x := range list.Subscriptions {
		ids = append(ids, x.ID)
	}
	return ids
}

// start starts the daemon.
func (s *subscriptionRig) start() {
	s.t.Helper()
	cmd := exec.Command("chertd", "run", "-c", s.file)
	out, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	started, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := shownWebhook.FindStringSubmatch(lines.Text()); m != nil {
				started <- m[1]
			}
		}
	}()
	s.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		cmd.Wait()
	})
	select {
	case s.hook = <-started:
	case <-ended:
		s.t.Fatal("the daemon does not start")
	}
}

// delivered lets a message arrive at Chert, and returns how many events the daemon has once
// all deliveries have ended.
func (s *subscriptionRig) delivered() int {
	s.t.Helper()
	s.sim.Receive(chertsim.Incoming{Chat: "c1", Text: "hello"})
	if err := s.sim.Drain(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	out, _ := s.run(0, "status", "--json")
	var st struct {
		Events  int `json:"events"`
		Webhook struct {
			Refused map[string]int `json:"refused"`
		} `json:"webhook"`
	}
	if err := json.Unmarshal([]byte(out), &st); err != nil || len(st.Webhook.Refused) > 0 {
		s.t.Fatalf("%v, refused %v", err, st.Webhook.Refused)
	}
	return st.Events
}

func (s *subscriptionRig) secrets() string {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(s.file), "secrets"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func TestSubscriptionsAreCreatedListedAndDeleted(t *testing.T) {
	t.Parallel()
	s := newSubscriptionRig(t)
	const url = "https://hooks.example.com/webhooks/chert"
	first, _ := s.create(url)
	_, errs := s.run(1, "subscribe", "--url", url)
	if !strings.Contains(errs, "each of these events twice") || !strings.Contains(errs, " --rotate "+first) {
		t.Errorf("the same URL again:\n%s", errs)
	}
	out, errs := s.run(0, "subscribe", "--url", "https://hooks.example.com/other", "--events", "all")
	if !strings.Contains(errs, "warning: the path /other is not sources.webhook.path") {
		t.Errorf("another path:\n%s%s", out, errs)
	}
	second := createdID.FindStringSubmatch(out)[1]
	if ids := s.list(); len(ids) != 2 {
		t.Errorf("listed %q", ids)
	}
	_, errs = s.run(1, "subscribe", "--delete", "nosuch")
	if !strings.Contains(errs, "there is no subscription nosuch") || !strings.Contains(errs, first) {
		t.Errorf("an unknown one is deleted:\n%s", errs)
	}
	s.run(0, "subscribe", "--delete", first)
	if ids := s.list(); len(ids) != 1 || ids[0] != second {
		t.Errorf("listed %q, want %s", ids, second)
	}
	for _, args := range [][]string{{}, {"--list", "--delete", second}, {"--url", "http://hooks.example.com/x"}} {
		s.run(2, append([]string{"subscribe"}, args...)...)
	}
}

// While a subscription is rotated, no delivery is refused: the daemon accepts the new secret
// before Chert drops the old one.
func TestRotationRefusesNoDelivery(t *testing.T) {
	t.Parallel()
	s := newSubscriptionRig(t)
	s.start()
	old, secret := s.create(s.hook)
	put(t, filepath.Dir(s.file), "secrets", secret+"\n")
	s.run(0, "reload", "--settings")
	if n := s.delivered(); n != 1 {
		t.Fatalf("%d events before the rotation, want 1", n)
	}
	// It fails at its last step: both are accepted, and the message says how to finish.
	if err := s.sim.Fail(chertsim.FailRule{Route: "subscription-delete", Code: 3001, Times: 1}); err != nil {
		t.Fatal(err)
	}
	_, errs := s.run(1, "subscribe", "--rotate", old, "--wait", "0s")
	if !strings.Contains(errs, "chertd subscribe") || !strings.Contains(errs, "--delete "+old) {
		t.Errorf("the old one can't be deleted:\n%s", errs)
	}
	if n := s.delivered(); n != 2 || len(s.list()) != 2 {
		t.Errorf("%d events and %d subscriptions, want 2 of each", n, len(s.list()))
	}
	s.run(0, "subscribe", "--delete", old)
	between := s.list()[0]
	out, _ := s.run(0, "subscribe", "--rotate", between, "--wait", "0s")
	if n := s.delivered(); n != 3 {
		t.Errorf("%d events after the rotation, want 3:\n%s", n, out)
	}
	for _, want := range []string{"chertd still accepts it: whoever knows it can forge deliveries", "the old secret is still in lines 1, 2 of ", "(sed -i LINEd ", "and run: chertd reload --settings"} {
		if !strings.Contains(out, want) {
			t.Errorf("with two secrets in the file, the rotation prints\n%s\nwithout %q", out, want)
		}
	}
	ids := s.list()
	if len(ids) != 1 || ids[0] == between || ids[0] == old {
		t.Errorf("subscriptions: %q", ids)
	}
	if text := s.secrets(); strings.Contains(out, "whsec") || strings.Count(text, "\n") < 1 {
		t.Errorf("secrets:\n%s\nprinted:\n%s", text, out)
	}
}

// Without a file of secrets, people put the new one in place: nothing is deleted before.
func TestRotationByHandDeletesNothing(t *testing.T) {
	t.Parallel()
	s := newSubscriptionRig(t)
	text, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Dir(s.file), "chertd.yaml", strings.Replace(string(text), "secrets_file: ./secrets", "secrets: [whsec_first]", 1))
	old, _ := s.create("https://hooks.example.com/webhooks/chert")
	out, _ := s.run(0, "subscribe", "--rotate", old)
	if shownSecret.FindString(out) == "" || !strings.Contains(out, "chertd subscribe") || !strings.Contains(out, "--delete "+old) {
		t.Errorf("printed:\n%s", out)
	}
	if ids := s.list(); len(ids) != 2 {
		t.Errorf("subscriptions: %q, want the old one and the new one", ids)
	}
}
