package main

import (
	"bytes"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chertd/engine/chertsim"
	"chertd/engine/store/sqlite"
)

// checkNginx checks a server block of nginx: by nginx itself if it is here, and whether it
// passes the webhook on as chertd needs it.
func checkNginx(t *testing.T, text string) {
	t.Helper()
	hook := defaultConfig().Sources.Webhook
	for _, want := range []string{
		"location = " + hook.Path + " {", "proxy_pass http://" + hook.Listen + ";", "client_max_body_size 1m;", "large_client_header_buffers 4 64k;",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it has no %q", want)
		}
	}
	if open, closed := strings.Count(text, "{"), strings.Count(text, "}"); open != closed {
		t.Errorf("%d braces are opened and %d closed", open, closed)
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.ContainsAny(line[len(line)-1:], "{};") && line[0] != '#' {
			t.Errorf("%q has no end", line)
		}
	}
	nginx, err := exec.LookPath("nginx")
	openssl, missing := exec.LookPath("openssl")
	if err != nil || missing != nil {
		return
	}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")
	if out, err := exec.Command(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=chertd.example.com", "-keyout", key, "-out", cert).CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	file, temp := filepath.Join(dir, "nginx.conf"), ""
	for _, of := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += of + "_temp_path " + dir + "/" + of + ";\n"
	}
	text = strings.ReplaceAll(text, "/etc/letsencrypt/live/chertd.example.com", dir)
	writeFile(t, file, "pid "+dir+"/pid;\nerror_log "+dir+"/log;\nevents {}\nhttp {\naccess_log off;\n"+temp+text+"}\n")
	if out, err := exec.Command(nginx, "-t", "-q", "-p", dir, "-c", file).CombinedOutput(); err != nil {
		t.Errorf("nginx -t: %v: %s", err, out)
	}
}

// checkCaddy is checkNginx for a site of Caddy.
func checkCaddy(t *testing.T, text string) {
	t.Helper()
	hook := defaultConfig().Sources.Webhook
	for _, want := range []string{"handle " + hook.Path + " {", "reverse_proxy " + hook.Listen + " {", "max_size 1MiB"} {
		if !strings.Contains(text, want) {
			t.Errorf("it has no %q", want)
		}
	}
	if open, closed := strings.Count(text, "{"), strings.Count(text, "}"); open != closed {
		t.Errorf("%d braces are opened and %d closed", open, closed)
	}
	caddy, err := exec.LookPath("caddy")
	if err != nil {
		return
	}
	file := filepath.Join(t.TempDir(), "Caddyfile")
	writeFile(t, file, text)
	cmd := exec.Command(caddy, "adapt", "--config", file, "--adapter", "caddyfile", "--validate")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("WARN")) {
		t.Errorf("caddy adapt: %v: %s", err, out)
	}
}

// beforeChertd is what may stand before chertd in a command of the installation.
var beforeChertd = regexp.MustCompile(`^(sudo |CREDENTIALS_DIRECTORY=\S+ |docker exec chertd |kubectl -n chertd exec chertd-0 -- )*(chertd .*)$`)

// Each command of chertd in the installation guide exists with its flags, in snippets of the
// shell and in the text, and each file of the repository that is named is there.
func TestInstallationGuideNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, s := range snippets(t, "../../docs/install.md") {
		if s.lang == "sh" {
			commands = append(commands, strings.Split(s.text, "\n")...)
		}
	}
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(string(text), -1) {
		commands = append(commands, m[1])
	}
	found := 0
	for _, line := range commands {
		if m := beforeChertd.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			found++
			checkCommand(t, m[2])
		}
	}
	if found < 20 {
		t.Errorf("only %d commands of chertd are found", found)
	}
	var named []string
	for _, m := range regexp.MustCompile(`docs/install/[\w.-]*[\w]`).FindAllString(string(text), -1) {
		if _, err := os.Stat("../../" + m); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		named = append(named, filepath.Base(m))
	}
	all, err := os.ReadDir(installed)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if !slices.Contains(named, f.Name()) && f.Name() != "Dockerfile.dockerignore" {
			t.Errorf("docs/install.md does not name %s", f.Name())
		}
	}
}

// The installation guide names archives, and files in them, as .ci/release makes them.
func TestInstallationGuideNamesArchivesAsReleasesDo(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	release, err := os.ReadFile("../../.ci/release")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(release, []byte(`"$dir/chertd-$version-$os-$arch.tar.gz" "$stage"`)) || !bytes.Contains(release, []byte("stage=$src.stage/chertd-$version-$os-$arch\n")) {
		t.Fatal(".ci/release names archives or their folder in another way")
	}
	named := regexp.MustCompile(`chertd[-_]v\d[\w.-]*`).FindAllString(string(guide), -1)
	if len(named) < 5 {
		t.Errorf("the guide names only %q", named)
	}
	for _, name := range named {
		if !regexp.MustCompile(`^chertd-v\d+\.\d+\.\d+-(linux|darwin)-(amd64|arm64)(\.tar\.gz)?$`).MatchString(name) {
			t.Errorf("no archive or folder is named %s", name)
		}
	}
	files := regexp.MustCompile(`completions/[\w.]*chertd[\w.]*|man/man\d/\*`).FindAllString(string(guide), -1)
	for _, file := range files {
		if file = strings.TrimSuffix(file, "/*"); !bytes.Contains(release, []byte("/"+file)) {
			t.Errorf(".ci/release makes no %s", file)
		}
	}
	if len(files) < 4 {
		t.Errorf("the guide names only %q", files)
	}
	if !bytes.Contains(guide, []byte("sha256sum --check --ignore-missing SHA256SUMS")) {
		t.Error("the guide does not check the sums")
	}
}

// The units of the backup are valid, run a command that there is, and may write where they
// must.
func TestBackupUnitsAreValid(t *testing.T) {
	t.Parallel()
	service, timer := readInstalled(t, "chertd-backup.service"), readInstalled(t, "chertd-backup.timer")
	start := strings.Join(unitSettings(service)["ExecStart"], "")
	_, command, _ := strings.Cut(strings.TrimSuffix(start, "'"), "exec /usr/local/bin/")
	checkCommand(t, command)
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "chertd-backup.service"), service)
	writeFile(t, filepath.Join(dir, "chertd-backup.timer"), timer)
	out, err := exec.Command(analyze, "verify", filepath.Join(dir, "chertd-backup.service"), filepath.Join(dir, "chertd-backup.timer")).CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze verify: %v: %s", err, out)
	}
}

// The way back from an upgrade is as the installation guide describes it: the older program
// refuses the newer store with 78 and leaves it, restores its backup, and pauses calls.
func TestGoingBackAfterAnUpgrade(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeFile(t, filepath.Join(dir, "chertd.yaml"), `chert: {tenant: acme, signing_secret: `+chertsim.DefaultSigningSecret+`, base_url: "http://127.0.0.1:1/api/v1"}
sources: {webhook: {secrets: [`+chertsim.DefaultWebhookSecret+`], listen: "127.0.0.1:0"}}
control: {socket: ""}
`)
	st, err := sqlite.Open(t.Context(), filepath.Join("data", "chertd.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	chertd := func(want int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if code := execute(args, nil, &out, &out); code != want {
			t.Fatalf("chertd %v exits with %d, want %d:\n%s", args, code, want, &out)
		}
		return out.String()
	}
	chertd(exitOK, "store", "backup", "before-upgrade.db")
	db, err := sql.Open("sqlite", "data/chertd.db")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 999"); err != nil { // as a newer chertd leaves it
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if out := chertd(exitConfig, "run"); !strings.Contains(out, "its schema is version 999, this chertd knows up to ") ||
		!strings.Contains(out, "hint: a newer chertd has used this store: run that one, or restore a backup made before the upgrade (chertd store restore BACKUP)") {
		t.Errorf("chertd run: %s", out)
	}
	out := chertd(exitOK, "store", "restore", "before-upgrade.db")
	if !strings.Contains(out, "it is unknown whether calls were paused: they are now") {
		t.Errorf("chertd store restore: %s", out)
	}
	if out = chertd(exitOK, "store", "check"); !strings.Contains(out, "no fault found") {
		t.Errorf("chertd store check: %s", out)
	}
}
