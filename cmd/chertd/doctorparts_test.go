package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/control"
	"chertd/engine/source"
	"chertd/engine/store"
	"chertd/rules/turn"
)

// listenFor serves a handler at a port of its own, and returns its address.
func listenFor(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// withDaemon returns a rig with a daemon that answers on its socket with a status.
func withDaemon(t *testing.T, s control.Status) *subscriptionRig {
	t.Helper()
	rig := newDoctorRig(t)
	rig.create(hookURL)
	l, err := control.Listen(filepath.Join(filepath.Dir(rig.file), "data", "chertd.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := control.NewServer(control.Handler(control.Config{Daemon: statusDaemon{status: s}, Health: func() control.Health { return control.Health{} }}), slog.New(slog.DiscardHandler))
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-served })
	return rig
}

// statusDaemon is a daemon with one status.
type statusDaemon struct {
	control.Daemon
	status control.Status
	inUse  control.SettingsInUse
}

func (d statusDaemon) Status(context.Context) (control.Status, error) { return d.status, nil }

func (d statusDaemon) SettingsInUse(context.Context) (control.SettingsInUse, error) {
	return d.inUse, nil
}

func TestDoctorProbesTheWebhook(t *testing.T) {
	t.Parallel()
	hook, err := source.NewWebhook(source.WebhookConfig{
		Secrets: []string{"whsec_first"}, Log: slog.New(slog.DiscardHandler),
		Ingest: func(context.Context, []turn.Arrival) ([]store.Receipt, error) {
			return nil, errors.New("nothing is taken in")
		},
		Quarantine: func(context.Context, store.Quarantined) error { return errors.New("nothing is taken in") },
	})
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, test := range map[string]struct {
		address    string
		webhook    *control.Webhook
		status     string
		found, fix string
	}{
		"chertd's":                {listenFor(t, hook), &control.Webhook{}, statusOK, "refuses a request without a valid signature", ""},
		"with other paths":        {listenFor(t, http.NotFoundHandler()), &control.Webhook{}, statusProblem, "answers 404 to /webhooks/chert", "restart the daemon"},
		"another program":         {listenFor(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), &control.Webhook{}, statusProblem, "does not answer like chertd", "ss -ltnp"},
		"a full one":              {listenFor(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })), &control.Webhook{}, statusProblem, "accepts no events now", "chertd status -c "},
		"nobody":                  {closed.Addr().String(), &control.Webhook{}, statusProblem, "connection refused", "restart the daemon"},
		"of a daemon without one": {closed.Addr().String(), nil, statusProblem, "started without a webhook", "restart the daemon"},
		"at an unknown port":      {"127.0.0.1:0", &control.Webhook{}, statusSkipped, "has port 0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := withDaemon(t, control.Status{Version: version(), Ready: true, Webhook: test.webhook})
			s.configure("127.0.0.1:0", test.address)
			code := 0
			if test.status == statusProblem {
				code = 1
			}
			d := s.doctor(code)
			d.expect(t, "webhook", test.status, test.found, test.fix)
			d.untroubled(t, "webhook")
			if test.status == statusProblem {
				d.expect(t, "delivery", statusSkipped, "fix webhook first", "")
			}
			if refused := hook.Stats().Refused; test.status == statusOK && (refused[probeRefusal] != 1 || len(refused) != 1) {
				t.Errorf("the probe is counted as %v", refused)
			}
		})
	}
}

// Without a daemon, the addresses must be free.
func TestDoctorLooksForFreeAddresses(t *testing.T) {
	t.Parallel()
	s := newDoctorRig(t)
	s.create(hookURL)
	taken := listenFor(t, http.NotFoundHandler())
	s.configure("127.0.0.1:0", taken)
	d := s.doctor(1)
	d.expect(t, "webhook", statusProblem, "another program listens on "+taken, "ss -ltnp")
	d.untroubled(t, "webhook")
}

func TestDoctorPrintsWhatTheDaemonReports(t *testing.T) {
	t.Parallel()
	s := withDaemon(t, control.Status{
		Version: "v0.0.1", NotReady: []string{"no rules"}, NoCalls: []string{"calls have stopped"}, Calls: control.Calls{Fix: "check it"}, Quarantined: 2,
		Blocked: []control.Blocked{{Pack: "vip", Why: "it does not load", Fix: []string{"chertd mode vip off"}}}, Notes: []string{"an edit is not live"}, Webhook: &control.Webhook{},
	})
	d := s.doctor(1)
	d.expect(t, "control", statusWarning, "the daemon is chertd v0.0.1", "restart the daemon")
	for found, fix := range map[string]string{
		"pack vip blocks reads": "chertd mode vip off", "no rules": "chertd status", "calls have stopped": "check it", "2 deliveries are in quarantine": "chertd quarantine", "an edit is not live": "chertd packs",
	} {
		d.expect(t, "daemon", statusProblem, found, fix)
	}
}

// A wait that ends without anybody's help is not a problem.
func TestDoctorTakesWaitsForWhatTheyAre(t *testing.T) {
	t.Parallel()
	for _, state := range passing {
		s := withDaemon(t, control.Status{Version: version(), Ready: true, NoCalls: []string{"calls wait for this"}, Calls: control.Calls{State: state}, Webhook: &control.Webhook{}})
		s.doctor(0).expect(t, "daemon", statusWarning, "calls wait for this", "wait until then")
	}
}

// certificate writes a certificate with a time of validity, and its key.
func certificate(t *testing.T, dir string, from, to time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "chertd"}, NotBefore: from, NotAfter: to, DNSNames: []string{"localhost"}}
	cert, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "tls.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	put(t, dir, "tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

func TestDoctorWatchesTheCertificate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, test := range map[string]struct {
		from, to time.Duration
		status   string
		found    string
	}{
		"a good one":        {-day, 90 * day, statusOK, ""},
		"one that ends":     {-day, 5 * day, statusWarning, "expires on"},
		"an expired one":    {-9 * day, -day, statusProblem, "has expired on"},
		"one of the future": {day, 90 * day, statusProblem, "is not valid before"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDoctorRig(t)
			s.create(hookURL)
			certificate(t, filepath.Dir(s.file), now.Add(test.from), now.Add(test.to))
			s.configure("rules: {dir: ./rules}", `control: {listen: "127.0.0.1:0", tls: {cert: tls.crt, key: tls.key}}`)
			code, fix := 0, ""
			if test.status == statusProblem {
				code = 1
			}
			if test.status != statusOK {
				fix = "renew "
			}
			s.doctor(code).expect(t, "control", test.status, test.found, fix)
		})
	}
	s := newDoctorRig(t)
	s.create(hookURL)
	s.configure("rules: {dir: ./rules}", `control: {listen: "127.0.0.1:0", tls: {cert: nosuch.crt, key: nosuch.key}}`)
	s.doctor(1).expect(t, "control", statusProblem, "nosuch.crt", "chertd.yaml:4")
}

// A certificate that is not trusted is usually that of a proxy that reads along.
func TestDoctorDistrustsCertificates(t *testing.T) {
	t.Parallel()
	other := httptest.NewUnstartedServer(http.NotFoundHandler())
	other.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	other.StartTLS()
	t.Cleanup(other.Close)
	s := newDoctorRig(t)
	s.configureURL(other.URL)
	d := s.doctor(1)
	d.expect(t, "network", statusProblem, "TLS: ", "update-ca-certificates")
	d.untroubled(t, "network")
}

func TestLimitsOfAProcessAreRead(t *testing.T) {
	t.Parallel()
	text := "Limit                     Soft Limit           Hard Limit           Units\nMax processes             100                  200                  processes\nMax open files            1024                 4096                 files\n"
	if n := openFilesIn(text); n != 1024 {
		t.Errorf("%d open files, want 1024", n)
	}
	if n := openFilesIn("Max open files            unlimited            unlimited            files\n"); n < 1<<40 {
		t.Errorf("%d open files, want no limit", n)
	}
	if n := openFiles(os.Getpid()); n == 0 {
		t.Error("this process may open no files")
	}

	root := t.TempDir()
	put(t, root, "a/b/memory.max", "max\n")
	put(t, root, "a/memory.max", "209715200\n")
	put(t, root, "memory/c/memory.limit_in_bytes", "9223372036854771712\n")
	put(t, root, "memory/memory.limit_in_bytes", "104857600\n")
	for text, want := range map[string]int64{
		"0::/a/b\n": 200 << 20, "0::/\n": 0, "5:memory:/c\n1:cpu:/\n": 100 << 20, "7:cpuset:/a/b\n": 0, "0::/a/b\n5:memory:/c\n": 100 << 20, "nonsense": 0,
		"0::/a/gone\n": 200 << 20,
	} {
		if n, where := memoryLimitIn(text, root); n != want || (n > 0) != strings.HasPrefix(where, root) {
			t.Errorf("%q: %d in %s, want %d", text, n, where, want)
		}
	}
	for text, want := range map[string]int64{"": 0, "off": 0, "64MiB": 64 << 20, "1GiB": 1 << 30, "1000": 1000, "7B": 7, "1.5GiB": 0, "-1MiB": 0, "3MB": 0} {
		if n := goMemory(text); n != want {
			t.Errorf("GOMEMLIMIT=%s is %d, want %d", text, n, want)
		}
	}
}

// Fixes of problems come first, each once, in the order of the checks.
func TestFixesAreInTheOrderToMakeThem(t *testing.T) {
	t.Parallel()
	first, second, third := fine("one"), fine("two"), skipped("off")
	first.warn("low", "fix low")
	second.problem("bad", "fix bad")
	second.warn("odd", "fix odd")
	second.problem("bad, too", "fix bad")
	first.Name, second.Name, third.Name = "first", "second", "third"
	d := diagnosis{Checks: []result{first, second, third}}
	d.conclude()
	if want := []remedy{{"second", statusProblem, "fix bad"}, {"first", statusWarning, "fix low"}, {"second", statusWarning, "fix odd"}}; fmt.Sprint(d.Fixes) != fmt.Sprint(want) || d.Problems != 2 || d.Warnings != 2 {
		t.Errorf("%+v", d)
	}
	compare(t, printed(t, func(b *strings.Builder) error {
		p := doctorPrinter{w: b}
		for _, r := range d.Checks {
			p.result(r)
		}
		return p.end(d)
	}), `
  warning  first          one
                          low
  PROBLEM  second         two
                          bad
                          warning: odd
                          bad, too
  skipped  third          off

Fix these, in this order:
  1. second: fix bad

Then look at these:
  2. first: fix low
  3. second: fix odd

2 problems, 2 warnings, 1 of 3 checks skipped
`)
}

// A check that hangs ends the checkup in time.
func TestDoctorEndsWhateverHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, began, hangs := &checkup{doctorFlags: &doctorFlags{}, c: &Config{}}, time.Now(), make(chan struct{})
		r := k.perform(t.Context(), check{name: "disk", run: func(*checkup, context.Context) result { <-hangs; return fine("") }}, nil)
		if r.Status != statusProblem || time.Since(began) != doctorCheck {
			t.Errorf("after %s: %+v", time.Since(began), r)
		}
		r = k.perform(t.Context(), check{name: "limits", run: (*checkup).limits}, []result{r})
		if r.Status != statusSkipped || r.Summary != "fix disk first" {
			t.Errorf("the next check: %+v", r)
		}
		close(hangs)
	})
}

func TestDoctorSkipsWhatAnEarlierProblemHides(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	never := func(*checkup, context.Context) result { t.Error("it was run"); return fine("") }
	for _, test := range []struct {
		ctx    context.Context
		k      checkup
		check  check
		before []result
		want   string
	}{
		{ended, checkup{c: &Config{}}, check{}, nil, "interrupted"},
		{t.Context(), checkup{}, check{name: "rules"}, nil, "the configuration can't be read"},
		{t.Context(), checkup{c: &Config{}, doctorFlags: &doctorFlags{offline: true}}, check{network: true}, nil, "--offline"},
		{t.Context(), checkup{c: &Config{}}, check{needs: []string{"a", "b"}}, []result{{Name: "a", Status: statusOK}, {Name: "b", Status: statusProblem}}, "fix b first"},
		{t.Context(), checkup{c: &Config{}}, check{needs: []string{"a"}}, []result{{Name: "a", Status: statusSkipped, Summary: "fix b first"}}, "fix b first"},
	} {
		test.check.run = never
		if r := test.k.perform(test.ctx, test.check, test.before); r.Status != statusSkipped || r.Summary != test.want {
			t.Errorf("%+v, want %q", r, test.want)
		}
	}
	r := (&checkup{c: &Config{}}).perform(t.Context(), check{needs: []string{"a"}, run: func(*checkup, context.Context) result { return fine("run") }}, []result{{Name: "a", Status: statusWarning}})
	if r.Summary != "run" {
		t.Errorf("after a warning: %+v", r)
	}
}

// Whoever runs doctor as another user is not advised to take the store away from chertd.
func TestDoctorNamesTheOwnerOfAStore(t *testing.T) {
	t.Parallel()
	theirs, owner := "/", "root"
	if os.Geteuid() == 0 {
		theirs = t.TempDir()
		const nobody = 65534
		owner = userName(nobody)
		if err := os.Chown(theirs, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	k := &checkup{doctorFlags: &doctorFlags{daemonFlags: daemonFlags{config: "chertd.yaml"}}, c: &Config{}}
	var r result
	k.refused(&r, filepath.Join(theirs, "chertd.db"), theirs)
	if f := r.Findings[0]; !strings.Contains(f.Message, "which belongs to "+owner) || !strings.HasPrefix(f.Fix, "run it as the user of chertd: sudo -u "+owner+" chertd doctor -c chertd.yaml") {
		t.Errorf("%+v", f)
	}
	r = result{}
	k.refused(&r, t.TempDir())
	if f := r.Findings[0]; !strings.HasPrefix(f.Fix, "chmod ") {
		t.Errorf("its own: %+v", f)
	}
}
