package main

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/store/sqlite"
)

// smallDisk is a shell in a mount namespace of its own, in a folder in which data is a disk of
// some MiB. Nobody else sees the disk, and it goes with the shell.
type smallDisk struct {
	dir string
	in  io.Writer
	out *bufio.Scanner
}

func newSmallDisk(t *testing.T, size string) *smallDisk {
	t.Helper()
	d := &smallDisk{dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(d.dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh")
	shell.Dir = d.dir
	shell.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Skipf("this system does not let users make namespaces: %v", err)
	}
	d.in, d.out = in, bufio.NewScanner(out)
	t.Cleanup(func() {
		d.do("kill $daemon; wait $daemon")
		in.Close()
		shell.Wait()
	})
	if text, code := d.do("mount -t tmpfs -o size=" + size + " none data"); code != 0 {
		t.Skipf("this system does not let users mount: %s", text)
	}
	return d
}

// do runs a command and returns what it prints, and its exit code.
func (d *smallDisk) do(command string) (text string, code int) {
	fmt.Fprintf(d.in, "{ %s; } 2>&1; code=$?; echo; echo \"=== $code\"\n", command)
	var lines []string
	for d.out.Scan() {
		if status, ended := strings.CutPrefix(d.out.Text(), "=== "); ended {
			code, _ := strconv.Atoi(status)
			return strings.Join(lines, "\n"), code
		}
		lines = append(lines, d.out.Text())
	}
	return strings.Join(lines, "\n"), -1
}

const smallConfig = `
chert: {base_url: "http://127.0.0.1:1/api/v1", tenant: acme, signing_secret: "0123456789abcdef0123456789abcdef"}
sources: {webhook: {listen: "127.0.0.1:0", secrets: ["whsec"]}, catchup: {enabled: false}}
rules: {dir: ./rules}
control: {socket: ./s}
`

// start starts the daemon and returns where its webhook is.
func (d *smallDisk) start(t *testing.T) (hook string) {
	t.Helper()
	put(t, d.dir, "rules/all.lua", `chert.on("message.received", function(ev) end)`)
	put(t, d.dir, "chertd.yaml", smallConfig)
	d.do("chertd run >log 2>&1 & daemon=$!")
	return hookIn(t, filepath.Join(d.dir, "log"))
}

// hookIn waits until a daemon's log has the address of its webhook.
func hookIn(t *testing.T, log string) string {
	t.Helper()
	var text []byte
	for range 600 {
		text, _ = os.ReadFile(log) // it may not be there yet
		if m := webhookAddress.FindSubmatch(text); m != nil {
			return string(m[1])
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the daemon does not start:\n%s", text)
	return ""
}

// sender has what it posted to a webhook, and what became of it.
type sender struct {
	hook string

	mu       sync.Mutex
	accepted []string // ids answered 2xx
	refused  []string // answered 503
}

// post delivers an event with a text of some size, and returns the status.
func (d *sender) post(t *testing.T, id string, size int) int {
	body := fmt.Sprintf(`{"event": "message.received", "event_id": %q, "partner_id": "acme", "data": {"chat": {"id": "c-%s"}, "message": {"id": "m-%s", "direction": "inbound", "parts": [{"type": "text", "value": %q}]}}}`,
		id, id, id, strings.Repeat("x", size))
	r, err := http.NewRequest(http.MethodPost, d.hook, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0
	}
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set("X-Webhook-Signature", chert.NewKey("whsec").Signature(ts, []byte(body)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0
	}
	resp.Body.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch resp.StatusCode {
	case http.StatusOK:
		d.accepted = append(d.accepted, id)
	case http.StatusServiceUnavailable:
		d.refused = append(d.refused, id)
	default:
		t.Errorf("event %s is answered %d", id, resp.StatusCode)
	}
	return resp.StatusCode
}

// again delivers what was refused until it is accepted.
func (d *sender) again(t *testing.T) {
	t.Helper()
	left := d.refused
	for tries := 0; len(left) > 0; tries++ {
		if tries > 1000 {
			t.Fatalf("%d events are still refused", len(left))
		}
		if d.post(t, left[0], 10) == http.StatusOK {
			left = left[1:]
		} else {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// allIn fails the test if a backup lacks an accepted event.
func (d *sender) allIn(t *testing.T, backup string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), backup, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, id := range d.accepted {
		if _, ok, err := s.Event(t.Context(), id); !ok || err != nil {
			t.Errorf("event %s was acknowledged and is not there: %v", id, err)
		}
	}
}

// TestFullDisk: while the disk is full, deliveries are answered 503, and none that was
// answered 2xx is lost; the daemon is not ready, and says why. Once there is room it continues
// without a restart. A disk that is read-only then keeps it from starting.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := newSmallDisk(t, "4m")
	disk.do("head -c 1500000 /dev/zero >data/ballast")
	d := &sender{hook: disk.start(t)}
	for n := 0; len(d.refused) < 20; n += 4 {
		if n > 2000 {
			t.Fatal("the disk does not get full")
		}
		var senders sync.WaitGroup
		for i := range 4 {
			senders.Go(func() { d.post(t, fmt.Sprint("e", n+i), 20_000) })
		}
		senders.Wait()
	}
	t.Logf("%d events accepted before the disk was full", len(d.accepted))
	text, _ := disk.do("chertd status --json")
	var status struct {
		Ready    bool     `json:"ready"`
		NotReady []string `json:"not_ready"`
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil || status.Ready || !strings.Contains(strings.Join(status.NotReady, "\n"), "disk is full") {
		t.Errorf("status of a full disk: %s, %v", text, err)
	}
	if text, code := disk.do("chertd store check"); code != 0 {
		t.Errorf("check on a full disk: %s", text)
	}
	if text, code := disk.do("chertd store backup data/b.db"); code != 1 || !strings.Contains(text, "make room on the disk of") {
		t.Errorf("backup to a full disk: %s", text)
	}
	if text, code := disk.do("rm data/ballast && ! ls data | grep b.db"); code != 0 {
		t.Errorf("a backup without room leaves: %s", text)
	}
	d.again(t)
	if text, code := disk.do("chertd store check && chertd store backup b.db"); code != 0 {
		t.Errorf("with room again: %s", text)
	}
	d.allIn(t, filepath.Join(disk.dir, "b.db"))

	disk.do("kill $daemon; wait $daemon")
	if text, code := disk.do("mount -o remount,ro,size=4m none data"); code != 0 {
		t.Skipf("this system does not let users mount read-only: %s", text)
	}
	if text, code := disk.do("chertd run"); code != exitConfig || !strings.Contains(text, "or mount the disk for writing") {
		t.Errorf("on a read-only disk run exits with %d: %s", code, text)
	}
}

// TestLockedStore: while another program has the store locked, deliveries are answered 503, and
// afterwards all is as if it had not been.
func TestLockedStore(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for the time that the store gives other programs")
	}
	dir := t.TempDir()
	put(t, dir, "rules/all.lua", `chert.on("message.received", function(ev) end)`)
	put(t, dir, "chertd.yaml", smallConfig)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	run := exec.Command("chertd", "run")
	run.Dir, run.Stderr = dir, log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		run.Process.Signal(syscall.SIGTERM)
		run.Wait()
	})
	d := &sender{hook: hookIn(t, log.Name())}
	store := filepath.Join(dir, "data", "chertd.db")
	if d.post(t, "before", 10) != http.StatusOK {
		t.Fatal("it is refused")
	}
	db, err := sql.Open("sqlite", "file:"+store)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	locked, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	if _, err := locked.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	var senders sync.WaitGroup
	for i := range 4 {
		senders.Go(func() { d.post(t, fmt.Sprint("e", i), 10) })
	}
	senders.Wait()
	if len(d.refused) != 4 {
		t.Errorf("%d of 4 are refused while the store is locked", len(d.refused))
	}
	if _, err := locked.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	d.again(t)
	backup := filepath.Join(dir, "b.db")
	if _, err := sqlite.Backup(t.Context(), store, backup, sqlite.BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	d.allIn(t, backup)
}
