package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chertd/engine/store/sqlite"
)

const compatibility = "../../docs/compatibility.md"

// TestCompatibilityNamesTheSystems compares the systems of docs/compatibility.md with those that
// .ci/cross builds for and that a release has, the Go version with go.mod, and the exit codes with those that there are.
func TestCompatibilityNamesTheSystems(t *testing.T) {
	t.Parallel()
	page := readText(t, compatibility)
	built := regexp.MustCompile(`(?m)^  systems='(.*)'$`).FindStringSubmatch(readText(t, "../../.ci/cross"))
	if built == nil {
		t.Fatal(".ci/cross has no list of systems")
	}
	want := strings.Fields(built[1])
	var got []string
	for _, m := range regexp.MustCompile("`((?:linux|darwin|windows|[a-z]+bsd)/[a-z0-9]+)`").FindAllStringSubmatch(page, -1) {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || len(want) < 4 {
		t.Errorf("docs/compatibility.md has the systems %q, and %q are built", got, want)
	}
	if released := regexp.MustCompile(`(?m)^targets=\$\{targets:-(.*)\}$`).FindStringSubmatch(readText(t, "../../.ci/release")); released == nil {
		t.Error(".ci/release has no list of systems")
	} else if has := strings.Fields(released[1]); !slices.Equal(slices.Sorted(slices.Values(has)), want) {
		t.Errorf("docs/compatibility.md has the systems %q, and a release has %q", got, has)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readText(t, "../../go.mod"))
	if version == nil || !strings.Contains(page, "built with Go "+version[1]+",") {
		t.Errorf("docs/compatibility.md does not have the Go version of go.mod, %q", version)
	}
	var codes []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(page, -1) {
		codes = append(codes, m[1])
	}
	if want := []string{fmt.Sprint(exitOK), fmt.Sprint(exitFailure), fmt.Sprint(exitUsage), fmt.Sprint(exitConfig)}; !slices.Equal(codes, want) {
		t.Errorf("docs/compatibility.md has the exit codes %q, want %q", codes, want)
	}
}

// TestCompatibilityShowsARefusedStore compares the error that docs/compatibility.md shows with that of
// a store that a newer chertd has used.
func TestCompatibilityShowsARefusedStore(t *testing.T) {
	t.Parallel()
	known := len(globs(t, "../../engine/store/sqlite/schema*.sql"))
	if _, err := os.Stat(fmt.Sprintf("../../engine/store/sqlite/schema%d.sql", known)); err != nil {
		t.Fatal(err)
	}
	err := &sqlite.NewerError{Path: "data/chertd.db", Version: known + 1, Known: known}
	want := fmt.Sprintf("%s\n  hint: %s\n", err, err.Hint())
	for _, s := range snippets(t, compatibility) {
		if s.lang == "text" && s.text == want {
			return
		}
	}
	t.Errorf("docs/compatibility.md does not show\n%s", want)
}
