package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Archives of two folders that have the same files are the same, whatever the folders' paths,
// owners and times, and have nothing of the machine in them. .ci/release --verify shows the same
// for whole releases.
func TestReleaseArchivesDependOnTheirFilesAlone(t *testing.T) {
	t.Parallel()
	tool := filepath.Join(t.TempDir(), "archive")
	if out, err := exec.Command("go", "build", "-o", tool, "../../.ci/archive").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	packed := func(kind string, mode os.FileMode, names ...string) []byte {
		t.Helper()
		dir := filepath.Join(t.TempDir(), strings.Repeat("x", int(mode)%7+1))
		folder := filepath.Join(dir, "chertd-v1.2.0-linux-amd64")
		for _, name := range names {
			put(t, folder, name, "content of "+name)
			if err := os.Chmod(filepath.Join(folder, name), mode); err != nil {
				t.Fatal(err)
			}
		}
		out := filepath.Join(dir, "out"+kind)
		if text, err := exec.Command(tool, "-time", "1767614400", out, folder).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	want := "chertd-v1.2.0-linux-amd64/ drwxr-xr-x\nchertd-v1.2.0-linux-amd64/a -rwxr-xr-x\nchertd-v1.2.0-linux-amd64/docs/ drwxr-xr-x\nchertd-v1.2.0-linux-amd64/docs/b -rwxr-xr-x\n"
	for kind, listed := range map[string]func(*testing.T, []byte) string{".tar.gz": listedTar, ".zip": listedZip} {
		one, other := packed(kind, 0o755, "a", "docs/b"), packed(kind, 0o700, "docs/b", "a")
		if !bytes.Equal(one, other) {
			t.Errorf("two %s of the same files differ", kind)
		}
		if got := listed(t, one); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", kind, got, want)
		}
		if changed := packed(kind, 0o644, "a", "docs/b"); bytes.Equal(one, changed) {
			t.Errorf("%s: files that can't be executed make no difference", kind)
		}
	}
	if out, err := exec.Command(tool, "-time", "1767614400", filepath.Join(t.TempDir(), "out.rar"), t.TempDir()).CombinedOutput(); err == nil || !strings.Contains(string(out), "expected a name that ends in .tar.gz or .zip") {
		t.Errorf("out.rar: %v, %s", err, out)
	}
	linked := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(linked, "link")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "-time", "1767614400", filepath.Join(t.TempDir(), "out.zip"), linked).CombinedOutput(); err == nil || !strings.Contains(string(out), "is neither a file nor a folder") {
		t.Errorf("a link: %v, %s", err, out)
	}
}

// listedTar lists an archive: names and modes. It fails for a file with an owner or another time.
func listedTar(t *testing.T, text []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if z.Name != "" || !z.ModTime.IsZero() {
		t.Errorf("the header of gzip has %q, %s", z.Name, z.ModTime)
	}
	var b strings.Builder
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.Unix() != 1767614400 {
			t.Errorf("%s has an owner or a time of its own: %+v", h.Name, h)
		}
		if content, err := io.ReadAll(r); err != nil || h.Typeflag == tar.TypeReg && !strings.HasPrefix(string(content), "content of ") {
			t.Errorf("%s has %q: %v", h.Name, content, err)
		}
		fmt.Fprintf(&b, "%s %s\n", h.Name, h.FileInfo().Mode())
	}
}

func listedZip(t *testing.T, text []byte) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range z.File {
		if !f.Modified.Equal(time.Unix(1767614400, 0)) {
			t.Errorf("%s has the time %s", f.Name, f.Modified)
		}
		fmt.Fprintf(&b, "%s %s\n", f.Name, f.Mode())
	}
	return b.String()
}
