package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const (
	pipeChert = "chert: {base_url: 'http://127.0.0.1:9/api/v1', tenant: acme-7a3f, signing_secret: 0123456789abcdef0123456789abcdef}\n"
	pipeHook  = "sources: {webhook: {listen: '127.0.0.1:0', secrets: [whsec_one]}}\n"
)

// A named pipe that nobody writes into would hold up whoever opens it, without a
// word. Whatever may be one is refused with its place and the fix.
func TestNothingWaitsForANamedPipe(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text, pipe string
		want       []string
	}{
		"the configuration": {"", "c.yaml", []string{"c.yaml: error: the configuration can't be read: it is a named pipe, and no program writes to it [CF010]", "hint: start the program"}},
		"a signing secret": {strings.Replace(pipeChert, "signing_secret: 0123456789abcdef0123456789abcdef", "signing_secret_file: pipe", 1) + pipeHook, "pipe",
			[]string{"c.yaml:1:", "signing_secret_file: pipe: it is a named pipe, and no program writes to it [CF005]"}},
		"webhook secrets":  {pipeChert + strings.Replace(pipeHook, "secrets: [whsec_one]", "secrets_file: pipe", 1), "pipe", []string{"c.yaml:2:", "it is a named pipe"}},
		"a token":          {pipeChert + pipeHook + "control: {listen: '127.0.0.1:0', token_file: pipe}\n", "pipe", []string{"c.yaml:3:", "it is a named pipe"}},
		"a certificate":    {pipeChert + pipeHook + "control: {listen: '127.0.0.1:0', tls: {cert: pipe, key: key.pem}}\n", "pipe", []string{"c.yaml:3:", "control.tls.cert: DIR/pipe: it is not a regular file [CF014]"}},
		"a key":            {pipeChert + pipeHook + "control: {listen: '127.0.0.1:0', tls: {cert: cert.pem, key: pipe}}\n", "pipe", []string{"c.yaml:3:", "control.tls.key: DIR/pipe: it is not a regular file [CF014]"}},
		"a control socket": {pipeChert + pipeHook + "control: {socket: pipe}\n", "pipe", []string{"c.yaml:3:", "the path exists but is not a socket [CF012]"}},
		"a store":          {pipeChert + pipeHook + "store: {url: 'sqlite:pipe'}\n", "pipe", []string{"c.yaml:3:", "it is not a regular file [CF013]", "hint: set store.url to the path of a file"}},
		"a store's WAL":    {pipeChert + pipeHook + "store: {url: 'sqlite:x.db'}\n", "x.db-wal", []string{"c.yaml:3:", "x.db-wal is not a regular file [CF013]", "hint: move it away"}},
		"a store's memory": {pipeChert + pipeHook + "store: {url: 'sqlite:x.db'}\n", "x.db-shm", []string{"c.yaml:3:", "x.db-shm is not a regular file [CF013]"}},
		"a store's lock":   {pipeChert + pipeHook + "store: {url: 'sqlite:x.db'}\n", "x.db.lock", []string{"c.yaml:3:", "x.db.lock is not a regular file [CF013]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := startFolder(t)
			file := filepath.Join(dir, "c.yaml")
			if test.text != "" {
				if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := syscall.Mkfifo(filepath.Join(dir, test.pipe), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out := runOnce(t, file)
			out = strings.ReplaceAll(strings.ReplaceAll(out, dir+"/c.yaml", "c.yaml"), dir, "DIR")
			if code != exitConfig || !strings.Contains(out, "\n  hint: ") {
				t.Errorf("exit code %d\n%s", code, out)
			}
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("it does not say %q\n%s", want, out)
				}
			}
		})
	}
}

// What a program writes into a pipe is read, also if it begins late: -c <(…).
func TestSmallFileMayBeAPipe(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(name, []byte("one\n"), 0o600) }()
	text, err := readSmall(name, maxConfig)
	if err != nil || string(text) != "one\n" {
		t.Errorf("read %q, %v", text, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// A named pipe of events does not hold up the start of the daemon.
func TestEventsMayComeFromAPipe(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := openEvents(nil, name) // which must not wait
	if err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(name, []byte("one\n"), 0o600)
	b := make([]byte, 9)
	if n, err := in.Read(b); err != nil || string(b[:n]) != "one\n" {
		t.Errorf("read %q, %v", b[:n], err)
	}
}
