package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// runOnce runs `chertd run` on a configuration that it is to refuse, and returns
// the exit code with what it printed.
func runOnce(t *testing.T, file string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var stderr bytes.Buffer
	root := newRootCommand()
	root.SetArgs([]string{"run", "-c", file})
	root.SetErr(&stderr)
	root.SetOut(&stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		code = report(&stderr, err)
	}
	return code, stderr.String()
}

// What can't be run with is refused with 78 at its line in chertd.yaml, also where
// only the system knows it: addresses, files, the store, certificates.
func TestStartNamesTheSetting(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	const first = "chert: {tenant: acme-7a3f, signing_secret: 0123456789abcdef0123456789abcdef}\n"
	const hook = "sources: {webhook: {listen: '127.0.0.1:0', secrets: [whsec_one]}}\n"
	long := strings.Repeat("long-name/", 12)
	for name, test := range map[string]struct {
		text string // from the second line on; DIR is the folder
		want string // also of hints
	}{
		"a port in use": {"sources: {webhook: {listen: '" + taken.Addr().String() + "', secrets: [whsec_one]}}\n",
			"c.yaml:2:21: error: sources.webhook.listen: another program listens on " + taken.Addr().String() + " [CF011]\n  hint: stop it (ss -ltnp"},
		"a control port in use": {hook + "control:\n  listen: " + taken.Addr().String() + "\n",
			"c.yaml:4:3: error: control.listen: another program listens on " + taken.Addr().String() + " [CF011]\n  hint: stop it"},
		"an address of another machine": {"sources: {webhook: {listen: '192.0.2.1:8787', secrets: [whsec_one]}}\n",
			"c.yaml:2:21: error: sources.webhook.listen: 192.0.2.1:8787 is not an address of this machine [CF011]\n  hint: write one that is"},

		"a socket's path that is too long": {hook + "control: {socket: ./" + long + "x.sock}\n", "c.yaml:3:11: error: control.socket: open the control socket DIR/" + long + "x.sock: the path has"},
		"a socket that is a folder":        {hook + "control: {socket: ./folder}\n", "the path exists but is not a socket [CF012]\n  hint: move the file away"},
		"a socket below a file":            {hook + "control: {socket: ./text.txt/x.sock}\n", "not a directory [CF012]\n  hint: set control.socket to a path in a folder that chertd can write to"},

		"a store that is a folder":                 {hook + "store: {url: 'sqlite:./folder'}\n", "c.yaml:3:9: error: store.url: open store DIR/folder: it is not a regular file [CF013]\n  hint: set store.url to the path of a file"},
		"a store below a file":                     {hook + "store: {url: 'sqlite:./text.txt/x.db'}\n", "not a directory [CF013]\n  hint: set store.url to the path of a file"},
		"a store that is text":                     {hook + "store: {url: 'sqlite:./text.txt'}\n", "it is not a database [CF013]\n  hint: it is damaged, or not a database"},
		"a store of another program":               {hook + "store: {url: 'sqlite:./foreign.db'}\n", "it is a SQLite database of another program [CF013]\n  hint: set store.url to a file of its own, such as sqlite:DIR/chertd.db"},
		"a store with a name that is too long":     {hook + "store: {url: 'sqlite:./" + strings.Repeat("x", 300) + ".db'}\n", "file name too long [CF013]\n  hint: set store.url to the path of a file"},
		"a store behind a link that leads nowhere": {hook + "store: {url: 'sqlite:./link.db'}\n", "which does not exist [CF013]\n  hint: mount the disk"},

		"a certificate that is missing":  {hook + "control:\n  listen: 127.0.0.1:0\n  tls: {cert: none.pem, key: key.pem}\n", "c.yaml:5:9: error: control.tls.cert: DIR/none.pem: there is no such file [CF014]\n  hint: create it"},
		"a key that is missing":          {hook + "control:\n  listen: 127.0.0.1:0\n  tls: {cert: cert.pem, key: none.pem}\n", "c.yaml:5:25: error: control.tls.key: DIR/none.pem: there is no such file [CF014]"},
		"a certificate that is a folder": {hook + "control:\n  listen: 127.0.0.1:0\n  tls: {cert: folder, key: key.pem}\n", "control.tls.cert: DIR/folder: it is a directory [CF014]\n  hint: name a file in it"},
		"an empty certificate":           {hook + "control:\n  listen: 127.0.0.1:0\n  tls: {cert: empty.txt, key: key.pem}\n", "control.tls.cert: DIR/empty.txt: it is empty [CF014]"},
		"a certificate that is text":     {hook + "control:\n  listen: 127.0.0.1:0\n  tls: {cert: text.txt, key: key.pem}\n", "c.yaml:5:3: error: control.tls: read the certificate"},
		"a key of another certificate":   {hook + "control:\n  listen: 127.0.0.1:0\n  tls: {cert: cert.pem, key: other.pem}\n", "private key does not match public key [CF014]\n  hint: both are PEM files"},
		"a key for a certificate":        {hook + "control:\n  listen: 127.0.0.1:0\n  tls: {cert: key.pem, key: cert.pem}\n", "control.tls: read the certificate"},

		"a secret with a space": {"sources: {webhook: {listen: '127.0.0.1:0', secrets: ['a b']}}\n", "c.yaml:2:54: error: sources.webhook.secrets: the secret contains a space [CF005]"},
		"a token in the clear":  {hook + "control: {listen: '0.0.0.0:0', token: abcdefgh}\n", "c.yaml:3:39: error: control.token: the token would be sent unencrypted, because control.listen is 0.0.0.0:0 [CF015]\n  hint: set control.tls, or listen on 127.0.0.1; where the network is trusted, allow it: control: {insecure_token: true}"},
		"an empty token":        {hook + "control: {listen: '127.0.0.1:0', token: ''}\n", "c.yaml:3:41: error: control.token: the token is empty [CF005]"},
		"memory below a MiB":    {hook + "rules: {packs: {codes: {limits: {memory: 1KiB}}}}\n", "c.yaml:3:42: error: rules.packs.codes.limits.memory: expected 1MiB to"},
		"one address for both":  {"sources: {webhook: {listen: '127.0.0.1:8787', secrets: [whsec_one]}}\ncontrol: {listen: '127.0.0.1:8787'}\n", "c.yaml:3:19: error: control.listen: sources.webhook.listen has the same address [CF011]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := startFolder(t)
			file := filepath.Join(dir, "c.yaml")
			if err := os.WriteFile(file, []byte(first+test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(filepath.Join(dir, "foreign.db"))
			if err != nil {
				t.Fatal(err)
			}
			code, out := runOnce(t, file)
			out = strings.ReplaceAll(strings.ReplaceAll(out, dir+"/c.yaml", "c.yaml"), dir, "DIR")
			if code != exitConfig || !strings.Contains(out, test.want) || !strings.Contains(out, "\n  hint: ") {
				t.Errorf("exit code %d\n%s\nwant %s", code, out, test.want)
			}
			if after, err := os.ReadFile(filepath.Join(dir, "foreign.db")); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the database of another program was changed (%v)", err)
			}
		})
	}
}

// All errors are listed together, including those that only the system can find.
func TestStartReportsAllErrorsTogether(t *testing.T) {
	t.Parallel()
	dir := startFolder(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	const chert = "chert: {tenant: acme-7a3f, signing_secret: 0123456789abcdef0123456789abcdef}\n"
	hook := "sources: {webhook: {listen: '" + taken.Addr().String() + "', secrets: [whsec_one]}}\n"
	store := "store: {url: 'sqlite:./foreign.db'}\n"
	control := "control:\n  socket: ./folder\n  listen: " + other.Addr().String() + "\n"
	tls := "  tls: {cert: none.pem, key: none.pem}\n"
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"all":              {chert + hook + store + control + tls, []string{"c.yaml:2:21:", "c.yaml:3:9:", "c.yaml:5:3:", "c.yaml:6:3:", "c.yaml:7:9:", "c.yaml:7:25:", "chertd: 6 errors"}},
		"but certificates": {chert + hook + store + control, []string{"c.yaml:2:21:", "c.yaml:3:9:", "c.yaml:5:3:", "c.yaml:6:3:", "chertd: 4 errors"}},
		"addresses":        {chert + hook + control, []string{"c.yaml:2:21:", "c.yaml:4:3:", "c.yaml:5:3:", "chertd: 3 errors"}},
	} {
		file := filepath.Join(dir, "c.yaml")
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out := runOnce(t, file)
		out = strings.ReplaceAll(out, dir+"/c.yaml", "c.yaml")
		at := 0
		for _, want := range test.want {
			i := strings.Index(out[at:], want)
			if i < 0 {
				t.Errorf("%s: %q is not said, or not in its order\n%s", name, want, out)
				break
			}
			at += i
		}
		if code != exitConfig {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}

// A missing file that chertd can create is not an error; a path that a user other than
// root may not write to is one.
func TestStartReportsReadOnlyPaths(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write everything")
	}
	for name, text := range map[string]string{
		"a store in a folder that is read-only": "store: {url: 'sqlite:./locked/x.db'}\n", "a store that is read-only": "store: {url: 'sqlite:./locked.db'}\n",
		"a socket in a folder that is read-only": "control: {socket: ./locked/x.sock}\n",
	} {
		dir := startFolder(t)
		if err := os.Mkdir(filepath.Join(dir, "locked"), 0o500); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "locked.db"), nil, 0o400); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "c.yaml")
		text = "chert: {tenant: acme-7a3f, signing_secret: 0123456789abcdef0123456789abcdef}\nsources: {webhook: {listen: '127.0.0.1:0', secrets: [whsec_one]}}\n" + text
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out := runOnce(t, file)
		if code != exitConfig || !strings.Contains(out, "c.yaml:3:") || !strings.Contains(out, "permission denied") && !strings.Contains(out, "readonly") || !strings.Contains(out, "\n  hint: ") {
			t.Errorf("%s: exit code %d\n%s", name, code, out)
		}
	}
}

// startFolder has files that a configuration may name.
func startFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cert, key := selfSigned(t)
	_, other := selfSigned(t)
	for name, text := range map[string]string{
		"text.txt": strings.Repeat("these are words\n", 500), "empty.txt": "", "cert.pem": cert, "key.pem": key, "other.pem": other, "rules/codes.lua": "chert.on('message.received', function(ev) chert.mark_read(ev.chat.id) end)",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("unmounted/x.db", filepath.Join(dir, "link.db")); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "foreign.db"))
	if err == nil {
		_, err = db.Exec("CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('one')")
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// selfSigned returns a certificate and its key, in PEM.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8)
}
