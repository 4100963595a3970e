package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chertd/engine/control"
	"chertd/rules"
)

// newNotifyRig returns a rig with a pack that notifies a target, and these targets.
func newNotifyRig(t *testing.T, target, targets string) *subscriptionRig {
	t.Helper()
	s := newDoctorRig(t)
	s.create(hookURL)
	dir := filepath.Dir(s.file)
	put(t, dir, "rules/page/page.lua", `chert.on("message.received", function(ev) chert.notify("`+target+`", "look") end)`)
	put(t, dir, "rules/page/pack.yaml", "permissions: [notify]\n")
	s.configure("rules: {dir: ./rules}", "rules: {dir: ./rules, packs: {page: {grant: [notify]}}}\n"+targets)
	return s
}

// Each target is connected to, and nothing is sent to any.
func TestDoctorConnectsToTargets(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	answer := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Method })
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, test := range map[string]struct {
		targets    string
		status     string
		found, fix string
	}{
		"none":                   {"", statusOK, "no targets", ""},
		"one that listens":       {`notify: {oncall: {url: "` + plain.URL + `/keykeykey", secret: sesame}}`, statusOK, "1 target: oncall connected to 127.0.0.1:", ""},
		"nothing was posted":     {`notify: {oncall: {url: "` + plain.URL + `/keykeykey", secret: sesame}}`, statusOK, "; nothing was posted", ""},
		"one without a secret":   {`notify: {oncall: {url: "` + plain.URL + `/keykeykey"}}`, statusOK, "without a secret, so not signed: oncall", ""},
		"nobody":                 {`notify: {oncall: {url: "http://` + closed.Addr().String() + `/keykeykey"}}`, statusProblem, "target oncall: can't connect to 127.0.0.1:", "check notify.oncall.url; if it is right"},
		"an unknown certificate": {`notify: {oncall: {url: "` + secure.URL + `/keykeykey"}}`, statusProblem, "target oncall: connected to 127.0.0.1:", "certificate was issued by"},
		"one of two":             {`notify: {desk: {url: "` + plain.URL + `"}, oncall: {url: "http://` + closed.Addr().String() + `"}}`, statusProblem, "2 targets: desk connected to 127.0.0.1:", "notify.oncall.url"},
	} {
		t.Run(name, func(t *testing.T) {
			target := "oncall"
			if test.targets == "" {
				target = ""
			}
			s := newNotifyRig(t, target, test.targets)
			if target == "" {
				put(t, filepath.Dir(s.file), "rules/page/page.lua", `chert.on("message.received", function(ev) end)`)
			}
			code := 0
			if test.status == statusProblem {
				code = 1
			}
			d := s.doctor(code)
			d.expect(t, "notify", test.status, test.found, test.fix)
			d.untroubled(t, "notify")
			out, _ := s.run(code, "doctor")
			if has(out, "keykeykey", "sesame") {
				t.Errorf("it prints the URL or the secret:\n%s", out)
			}
		})
	}
	plain.Close()
	secure.Close()
	select {
	case method := <-asked:
		t.Errorf("a target got a %s", method)
	default:
	}
}

// A name that does not exist is looked for where the target is configured.
func TestDoctorNamesTheSettingOfAHost(t *testing.T) {
	t.Parallel()
	const key = "notify.oncall.url"
	k := &checkup{c: &Config{File: "chertd.yaml", places: map[string]rules.Position{key: {File: "chertd.yaml", Line: 5}}}}
	to := &url.URL{Scheme: "https", Host: "nosuch.invalid"}
	for err, want := range map[error]string{
		&net.DNSError{IsNotFound: true}: "chertd.yaml:5: check the host of notify.oncall.url; if it is right, check the name server",
		errors.New("refused"):           "chertd.yaml:5: check notify.oncall.url; if it is right, check the firewall and routes: curl -sv 'https://nosuch.invalid'",
	} {
		if fix := k.connectFix(to, key, false, err); !strings.HasPrefix(fix, want) {
			t.Errorf("%v: the fix is %q", err, fix)
		}
	}
	if fix := certificateFix("nosuch.invalid", key, &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}}}); !strings.HasPrefix(fix, "check notify.oncall.url, and what") {
		t.Errorf("another host's certificate: the fix is %q", fix)
	}
}

// has reports whether a text has one of some parts.
func has(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// Without the network the rules are compared with the targets nevertheless.
func TestDoctorFindsRulesWithoutTheirTarget(t *testing.T) {
	t.Parallel()
	s := newNotifyRig(t, "oncal", `notify: {oncall: {url: "https://nosuch.invalid/x"}}`)
	d := s.doctor(1, "--offline")
	d.expect(t, "notify", statusProblem, "1 target; not connected to (--offline)", "")
	d.expect(t, "notify", statusProblem, `pack page notifies "oncal", and `+s.file+" has no such target under notify", `did you mean "oncall"? Change chert.notify of pack page; or add it to `+s.file)
	d.untroubled(t, "notify", "rules")

	s = newNotifyRig(t, "oncall", "")
	s.doctor(1, "--offline").expect(t, "notify", statusProblem, `pack page notifies "oncall"`, `notify: {"oncall": {url: "https://…", secret: …}}`)
}

// URLs and secrets of targets are secrets as all others are.
func TestDoctorGuardsSecretsOfTargets(t *testing.T) {
	t.Parallel()
	s := newNotifyRig(t, "oncall", `notify: {oncall: {url_file: ./url, secret_file: ./sesame}}`)
	dir := filepath.Dir(s.file)
	put(t, dir, "url", "https://nosuch.invalid/x\n")
	put(t, dir, "sesame", "sesame\n")
	for _, file := range []string{"url", "sesame"} {
		if err := os.Chmod(filepath.Join(dir, file), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d := s.doctor(0, "--offline")
	d.expect(t, "secrets", statusWarning, "/url, which has notify.oncall.url", "chmod o-r ")
	d.expect(t, "secrets", statusWarning, "/sesame, which has notify.oncall.secret", "chmod o-r ")
	d.expect(t, "secrets", statusWarning, "1 secret of targets", "")

	// An environment variable of the daemon's is not known here.
	s = withDaemon(t, control.Status{Version: version(), Ready: true, Webhook: &control.Webhook{}})
	s.configure("rules: {dir: ./rules}", `rules: {dir: ./rules}`+"\n"+`notify: {oncall: {url: "${CHERTD_NO_SUCH_TARGET}"}}`)
	d = s.doctor(0, "--offline")
	d.expect(t, "secrets", statusWarning, "CHERTD_NO_SUCH_TARGET", "in the environment of the daemon")
	d.expect(t, "notify", statusOK, "their settings can't be used here: oncall", "")
}
