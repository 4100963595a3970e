package control

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		listen, token     string
		host, path, bears string
		status            int
		hint              string
	}{
		"a probe needs no token":             {"127.0.0.1:9900", "", "127.0.0.1:9900", "/-/ready", "", 200, ""},
		"nor with one configured":            {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/-/healthy", "", 200, ""},
		"a probe may ask for calls":          {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/-/ready?calls", "", 200, ""},
		"metrics pass the guard":             {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/metrics", "", 404, "docs/http-api.md"},
		"no token configured":                {"127.0.0.1:9900", "", "127.0.0.1:9900", "/api/v1/status", "", 403, "control.token, or use the socket data/chertd.sock"},
		"none configured, an empty one sent": {"127.0.0.1:9900", "", "127.0.0.1:9900", "/api/v1/status", "Bearer ", 403, "control.token"},
		"no token sent":                      {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/api/v1/status", "", 401, "Authorization: Bearer"},
		"the console needs it too":           {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/", "", 401, "Authorization"},
		"a wrong one":                        {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/api/v1/status", "Bearer sesam", 401, "Authorization"},
		"one that is longer":                 {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/api/v1/status", "Bearer sesame2", 401, "Authorization"},
		"of another kind":                    {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/api/v1/status", "Basic sesame", 401, "Authorization"},
		"the right one":                      {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/api/v1/status", "Bearer sesame", 200, ""},
		"its kind in lower case":             {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/api/v1/status", "bearer sesame", 200, ""},
		"a path that only begins like one":   {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/-/ready/x", "", 401, "Authorization"},
		"reload is not a probe":              {"127.0.0.1:9900", "sesame", "127.0.0.1:9900", "/-/reload", "", 401, "Authorization"},

		"localhost":                {"0.0.0.0:9900", "sesame", "localhost:9900", "/api/v1/status", "Bearer sesame", 200, ""},
		"LOCALHOST without a port": {"0.0.0.0:9900", "sesame", "LOCALHOST", "/api/v1/status", "Bearer sesame", 200, ""},
		"an address":               {"0.0.0.0:9900", "sesame", "192.0.2.7:9900", "/api/v1/status", "Bearer sesame", 200, ""},
		"an IPv6 address":          {"[::]:9900", "sesame", "[2001:db8::7]:9900", "/api/v1/status", "Bearer sesame", 200, ""},
		"and without a port":       {"[::]:9900", "sesame", "[2001:db8::7]", "/api/v1/status", "Bearer sesame", 200, ""},
		"the host listened on":     {"ops.example.com:9900", "sesame", "ops.example.com:9900", "/api/v1/status", "Bearer sesame", 200, ""},
		"a page's own name":        {"127.0.0.1:9900", "sesame", "evil.example.com:9900", "/api/v1/status", "Bearer sesame", 421, "control.listen"},
		"and for a probe":          {"127.0.0.1:9900", "sesame", "evil.example.com", "/-/ready", "", 421, "control.listen"},
		"one that looks local":     {"127.0.0.1:9900", "sesame", "localhost.example.com", "/-/ready", "", 421, "control.listen"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := Guard{Listen: test.listen, Token: test.token, Socket: "data/chertd.sock"}
			r := httptest.NewRequest("GET", "http://"+test.host+test.path, nil)
			if test.bears != "" {
				r.Header.Set("Authorization", test.bears)
			}
			w := httptest.NewRecorder()
			f := &fake{}
			g.Wrap(Handler(Config{Daemon: f, Health: fine})).ServeHTTP(w, r)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.hint) {
				t.Errorf("answered %d %s, want %d with %q", w.Code, w.Body, test.status, test.hint)
			}
			if reached := f.last() != ""; reached != (test.status == 200 && test.path == "/api/v1/status") {
				t.Errorf("the daemon was asked: %t", reached)
			}
			if strings.Contains(w.Body.String(), "sesame") {
				t.Errorf("the answer tells the token: %s", w.Body)
			}
		})
	}
}

// TestRenewedCertificateIsUsed: each connection is served with what the files
// hold by then, and with the last good ones while they hold nothing.
func TestRenewedCertificateIsUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := LoadCertificate(cert, key); err == nil || !strings.Contains(err.Error(), cert) {
		t.Errorf("without files: %v", err)
	}
	writePair(t, cert, key, 1)
	c, err := LoadCertificate(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, tls.NewListener(l, c.Config()), Handler(Config{Daemon: &fake{}, Health: fine}))
	serial := func() int64 {
		t.Helper()
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		resp, err := client.Get("https://" + l.Addr().String() + "/-/healthy")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("served with certificate %d, want 1", got)
	}
	writePair(t, cert, key, 2)
	if got := serial(); got != 2 {
		t.Errorf("served with certificate %d, want the renewed one", got)
	}
	if err := os.WriteFile(cert, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 2 {
		t.Errorf("served with certificate %d, want the last good one", got)
	}
	if err := c.Broken(); err == nil || !strings.Contains(err.Error(), cert) {
		t.Errorf("the files are said to be %v", err)
	}
	writePair(t, cert, key, 3)
	if err := c.Broken(); err != nil || serial() != 3 {
		t.Errorf("after another renewal: %v", err)
	}
}

// TestCertifiedHost: a name that the certificate is for is the daemon's.
func TestCertifiedHost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, cert, key, 1)
	c, err := LoadCertificate(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"ops.example.com:9900": true, "OPS.example.com": true, "evil.example.com": false, "x.ops.example.com": false, "localhost": true,
	} {
		if got := (Guard{Listen: "0.0.0.0:9900", Certificate: c}).allows(host); got != want {
			t.Errorf("with a certificate for ops.example.com %s is known: %t", host, got)
		}
		if want = host == "localhost"; (Guard{Listen: "0.0.0.0:9900"}).allows(host) != want {
			t.Errorf("without a certificate %s is known: %t", host, !want)
		}
	}
}

// writePair writes a certificate of its own with the serial number.
func writePair(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"ops.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever follows with a token sees nothing more once the token is replaced.
func TestTailEndsWithItsToken(t *testing.T) {
	t.Parallel()
	tail, revoked := newFakeTail(), make(chan struct{})
	server := httptest.NewServer(Guard{Token: "sesame", Revoked: revoked}.Wrap(Handler(Config{Daemon: &tailing{&fake{}, tail}, Health: fine})))
	defer server.Close()
	r, err := http.NewRequest("GET", server.URL+"/api/v1/tail", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sesame")
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	tail.lines <- []Tailed{{Kind: TailEvent, Seq: 7}}
	close(revoked)
	text, err := io.ReadAll(answer.Body)
	if err != nil || strings.Count(string(text), "\n") > 1 {
		t.Errorf("the tail has %q, %v", text, err)
	}
	<-tail.closed
}
