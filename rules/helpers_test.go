package rules

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write makes a file and the folders it is in. A content is ended with a line
// break unless it ends in a backslash, which is left out.
func write(t testing.TB, path, content string) {
	t.Helper()
	if cut, ok := strings.CutSuffix(content, `\`); ok {
		content = cut
	} else if !strings.HasSuffix(content, "\n") {
		content += "\n"
	}
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// version is a good rule file that calls itself so.
func version(title string) string {
	return "-- " + title + "\nchert.on(\"message.received\", function(ev) end)"
}

var errDiskFull = errors.New("the disk is full")

const ms = time.Millisecond
