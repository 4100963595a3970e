package engine

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
)

// A renewed certificate that can't be used is reported in the log, once, and in the
// status as long as it is so.
func TestBrokenRenewalIsLogged(t *testing.T) {
	t.Parallel()
	cert, key := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	good := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	write(cert, good)
	c, err := control.LoadCertificate(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	r := &renewal{certificate: c, log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, step := range []struct {
		cert []byte
		logs string // "": nothing
		note bool
	}{{good, "", false}, {[]byte("garbage"), "the last certificate stays in use", true}, {nil, "", true}, {good, "can be used again", false}, {good, "", false}} {
		write(cert, step.cert)
		log.Reset()
		r.report(false)
		if said := log.String(); (said == "") != (step.logs == "") || !strings.Contains(said, step.logs) {
			t.Errorf("with %q the log says %q, want %q", step.cert, said, step.logs)
		}
		if note := r.note(); (note != "") != step.note || step.note && !strings.Contains(note, cert) {
			t.Errorf("with %q the note is %q", step.cert, note)
		}
	}
}
