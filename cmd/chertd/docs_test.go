package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"chertd/engine"
	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/rules"
)

// snippet is a fenced block of a document, or an indented command.
type snippet struct {
	place string // file:line
	lang  string
	text  string
}

// documents returns what users read, relative to this package.
func documents(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../examples/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(append(list, more...), "../../README.md")
}

// Every snippet of the documents does what it is shown to do: Lua loads as a
// pack, a chertd.yaml is a configuration, a pack.yaml belongs to a pack, and
// commands exist with the flags that are given to them.
func TestSnippetsOfDocumentsWork(t *testing.T) {
	t.Parallel()
	for _, doc := range documents(t) {
		for _, s := range snippets(t, doc) {
			if s.lang == "lua" && slices.Contains(runDocuments, doc) {
				continue // TestExamplesOfDocumentsDoWhatTheySay does more
			}
			t.Run(s.place, func(t *testing.T) {
				t.Parallel()
				checkSnippet(t, s)
			})
		}
	}
}

func checkSnippet(t *testing.T, s snippet) {
	lang, file, _ := strings.Cut(s.lang, " ") // a file's name may follow
	if strings.HasSuffix(file, "_spec.lua") {
		return // TestSpecsGuideShowsRealOutput or TestTutorialWorksAsWritten runs it
	}
	switch lang {
	case "lua":
		if bad := strings.Contains(s.text, "-- wrong:"); loads(t, s.text, "") == bad {
			t.Errorf("loads: %v, and the snippet says otherwise", !bad)
		}
	case "yaml":
		if file == "wrong" {
			return // TestConfigurationCodesAreDocumented looks at it
		}
		switch first, _, _ := strings.Cut(s.text, "\n"); strings.TrimSpace(first) {
		case "# chertd.yaml":
			env := func(name string) (string, bool) { return strings.Repeat("0123456789abcdef", 2), true }
			if _, diags := parseConfig("chertd.yaml", []byte(s.text), env, use{}); diags.Errors() {
				t.Error(diags)
			}
		case "# prometheus.yml", "# otel-collector.yaml":
			if err := yaml.Unmarshal([]byte(s.text), new(map[string]any)); err != nil {
				t.Error(err)
			}
		case "# pack.yaml":
			loads(t, "chert.on('message.received', function() end)", s.text)
		default:
			if !strings.HasPrefix(first, "# data/") {
				t.Error("the first line must say which file this is: # chertd.yaml, # pack.yaml, # prometheus.yml, # otel-collector.yaml or # data/…")
			}
		}
	case "console":
		for line := range strings.Lines(s.text) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				checkCommand(t, strings.TrimSpace(command))
			}
		}
	case "python":
		if python, err := exec.LookPath("python3"); err == nil {
			cmd := exec.CommandContext(t.Context(), python, "-c", "import ast, sys; ast.parse(sys.stdin.read())")
			cmd.Stdin = strings.NewReader(s.text)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		}
	case "nginx":
		checkNginx(t, s.text)
	case "caddy":
		checkCaddy(t, s.text)
	case "text", "csv", "sh", "json", "ini":
	default:
		t.Errorf("no check for snippets of %q: see checkSnippet", s.lang)
	}
}

// loads reports whether Lua, and a pack.yaml if one is given, loads as a pack.
func loads(t *testing.T, lua, manifest string) bool {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rules", "snippet")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"snippet.lua": lua, "pack.yaml": cmp.Or(manifest, "permissions: [typing, react, send, notify]\n")}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, diags := rules.Load([]string{dir}, rules.Options{}).Set()
	if diags.Errors() && !strings.Contains(lua, "-- wrong:") {
		t.Error(diags)
	}
	return !diags.Errors()
}

// checkCommand checks a command line of chertd or go against what there is.
func checkCommand(t *testing.T, line string) {
	t.Helper()
	words := quotedWord.FindAllString(line, -1)
	for i, w := range words {
		if q := w[0]; q == '"' || q == '\'' {
			words[i] = strings.Trim(w, string(q))
		}
	}
	switch {
	case words[0] == "chertd" || words[0] == "./chertd":
		words = words[1:]
	case len(words) > 2 && words[0] == "go" && words[1] == "run" && words[2] == "./cmd/chertd":
		words = words[3:]
	default:
		return
	}
	if end := slices.IndexFunc(words, func(w string) bool { return w == "|" || w == ">" || w == "&" || strings.HasPrefix(w, "#") }); end >= 0 {
		words = words[:end]
	}
	root := newRootCommand()
	cmd, rest, err := root.Find(words)
	if err != nil || cmd == root {
		t.Errorf("%s: there is no such command", line)
		return
	}
	cmd.SetOut(io.Discard)
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

// quotedWord matches an argument of a command, in quotes or not.
var quotedWord = regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`)

// indentedCommand is how a document shows a command outside of a fence.
var indentedCommand = regexp.MustCompile(`^ {4}((?:chertd|go run \./cmd/chertd|go test)\b.*)$`)

func snippets(t *testing.T, doc string) []snippet {
	t.Helper()
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	var list []snippet
	var open *snippet
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		fence, ok := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case ok && open == nil:
			open = &snippet{place: fmt.Sprintf("%s:%d", filepath.Base(doc), number), lang: fence}
		case ok:
			list = append(list, *open)
			open = nil
		case open != nil:
			open.text += line
		default:
			if m := indentedCommand.FindStringSubmatch(line); m != nil {
				list = append(list, snippet{place: fmt.Sprintf("%s:%d", filepath.Base(doc), number), lang: "console", text: "$ " + m[1] + "\n"})
			}
		}
	}
	if open != nil {
		t.Errorf("%s: a fence is not closed", open.place)
	}
	return list
}

// The README's two commands are what they are promised to be.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n    go run ./cmd/chertd demo\n", "\n    go test ./...\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the README does not show %q", strings.TrimSpace(want))
		}
	}
}

// The tutorial's way to sign a webhook by hand is accepted by the daemon.
func TestTutorialSignsWebhook(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "openssl", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here", tool)
		}
	}
	script := ""
	for _, s := range snippets(t, tutorialDoc) {
		if s.lang == "sh" {
			script = s.text
		}
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	started, ended := make(chan engine.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- engine.Daemon{
			StorePath: filepath.Join(dir, "chertd.db"), RulesDir: filepath.Join(dir, "rules"),
			API:     chert.Config{BaseURL: "http://127.0.0.1:1/api/v1", Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret},
			Webhook: engine.Webhook{Listen: "127.0.0.1:0", Path: "/webhooks/chert", Secrets: []string{chertsim.DefaultWebhookSecret}},
			Log:     slog.New(slog.DiscardHandler),
			Started: func(a engine.Addresses) { started <- a },
		}.Run(ctx)
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	const shown = "http://127.0.0.1:8787/webhooks/chert"
	if !strings.Contains(script, shown) {
		t.Fatalf("the tutorial has no script that posts to %s", shown)
	}
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(script, shown, (<-started).Webhook))
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), `"accepted"`) {
		t.Errorf("the script printed %q (%v), want it accepted", out, err)
	}
}

// The cookbook begins with a list of its recipes: all of them, in their order.
func TestCookbookListsItsRecipes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed, there []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if m := regexp.MustCompile(`^\d+\. \[(.*)\]\(#(.*)\)$`).FindStringSubmatch(line); m != nil {
			listed = append(listed, m[1]+" #"+m[2])
		}
		if title, ok := strings.CutPrefix(line, "## "); ok {
			anchor := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(title), "")
			there = append(there, title+" #"+strings.ReplaceAll(anchor, " ", "-"))
		}
	}
	if !slices.Equal(listed, there) {
		t.Errorf("the list is\n%s\nthe recipes are\n%s", strings.Join(listed, "\n"), strings.Join(there, "\n"))
	}
}
