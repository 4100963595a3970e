package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"chertd/engine/chertsim"
	"chertd/engine/live"
)

const installed = "../../docs/install/"

// readInstalled returns a file of docs/install.
func readInstalled(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(installed + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unitSettings returns the settings of a unit, each with its values in their order.
func unitSettings(text string) map[string][]string {
	all := map[string][]string{}
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			all[name] = append(all[name], value)
		}
	}
	return all
}

// The unit starts commands that there are, gives a drain its time, does not restart what a
// restart can't help, and allows little. What its values mean, only systemd knows.
func TestUnitFitsTheDaemon(t *testing.T) {
	t.Parallel()
	text := readInstalled(t, "chertd.service")
	unit := unitSettings(text)
	for _, name := range []string{"ExecStart", "ExecReload"} {
		if len(unit[name]) != 1 || !strings.HasPrefix(unit[name][0], "/usr/local/bin/chertd ") {
			t.Fatalf("%s is %q", name, unit[name])
		}
		checkCommand(t, strings.TrimPrefix(unit[name][0], "/usr/local/bin/"))
	}
	if got := unit["RestartPreventExitStatus"]; !slices.Equal(got, []string{strconv.Itoa(exitConfig)}) {
		t.Errorf("RestartPreventExitStatus is %q", got)
	}
	stop, err := time.ParseDuration(strings.Join(unit["TimeoutStopSec"], ""))
	c := defaultConfig()
	if limit := c.Chert.Timeout + stopSlack; err != nil || stop <= limit {
		t.Errorf("TimeoutStopSec is %s (%v), and a drain takes up to %s", stop, err, limit)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	// It looks for the program, which is not installed here.
	program, err := exec.LookPath("chertd")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "chertd.service")
	writeFile(t, file, strings.ReplaceAll(text, "/usr/local/bin/chertd", program))
	out, err := exec.Command(analyze, "verify", file).CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze verify: %v: %s", err, out)
	}
	// An exposure of 1.5 of 10 at most: it is 1.1 with systemd 252 and 257.
	out, err = exec.Command(analyze, "security", "--no-pager", "--offline=true", "--threshold=15", file).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v: %s", err, out)
	}
}

// kubernetesExample returns the documents of the example by kind and name.
func kubernetesExample(t *testing.T) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for d := yaml.NewDecoder(strings.NewReader(readInstalled(t, "kubernetes.yaml"))); ; {
		var doc map[string]any
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		meta, _ := doc["metadata"].(map[string]any)
		all[doc["kind"].(string)+" "+meta["name"].(string)] = doc
	}
}

// mapData returns the files of a ConfigMap of the example.
func mapData(t *testing.T, name string) map[string]string {
	t.Helper()
	files := map[string]string{}
	data, _ := kubernetesExample(t)["ConfigMap "+name]["data"].(map[string]any)
	for file, text := range data {
		files[file], _ = text.(string)
	}
	if len(files) == 0 {
		t.Fatalf("the example has no ConfigMap %s with data", name)
	}
	return files
}

// The configurations of docs/install have no errors, and no setting that is unknown.
func TestInstalledConfigurationsAreValid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "signing_secret"), chertsim.DefaultSigningSecret)
	writeFile(t, filepath.Join(dir, "webhook_secret"), chertsim.DefaultWebhookSecret)
	env := func(name string) (string, bool) { return dir, name == "CREDENTIALS_DIRECTORY" }
	for name, text := range map[string]string{
		"chertd.yaml":     readInstalled(t, "chertd.yaml"),
		"container.yaml":  readInstalled(t, "container.yaml"),
		"kubernetes.yaml": mapData(t, "chertd-config")["chertd.yaml"],
	} {
		text = strings.NewReplacer("/run/secrets/chertd", dir, "/run/secrets", dir).Replace(text)
		if _, diags := parseConfig(name, []byte(text), env, use{}); len(diags) > 0 {
			t.Errorf("%s: %v", name, diags)
		}
	}
}

// The grace period of the example is longer than a drain.
func TestKubernetesGivesADrainItsTime(t *testing.T) {
	t.Parallel()
	m := regexp.MustCompile(`terminationGracePeriodSeconds: (\d+)`).FindStringSubmatch(readInstalled(t, "kubernetes.yaml"))
	if m == nil {
		t.Fatal("there is no grace period")
	}
	seconds, err := strconv.Atoi(m[1])
	c := defaultConfig()
	if limit := c.Chert.Timeout + stopSlack; err != nil || time.Duration(seconds)*time.Second <= limit {
		t.Errorf("it is %s s, and a drain takes up to %s", m[1], limit)
	}
}

// The rules of the example load without a warning, and pass their specs.
func TestKubernetesRulesPassTheirSpecs(t *testing.T) {
	t.Parallel()
	rules := filepath.Join(t.TempDir(), "rules")
	for name, text := range mapData(t, "chertd-rules") {
		writeFile(t, filepath.Join(rules, name), text)
	}
	for _, args := range [][]string{{"check", "--strict", rules}, {"test", rules}} {
		var out bytes.Buffer
		if code := execute(args, nil, &out, &out); code != exitOK {
			t.Errorf("chertd %v exits with %d:\n%s", args, code, &out)
		}
	}
}

// projected is a folder that the kubelet keeps up to date: files are links into ..data, which
// is a link to a folder of one moment and is replaced by a rename.
type projected struct {
	t   *testing.T
	dir string
	n   int
}

func (p *projected) update(files map[string]string) {
	p.t.Helper()
	p.n++
	name := "..2026_01_05_12_00_0" + strconv.Itoa(p.n)
	for file, text := range files {
		writeFile(p.t, filepath.Join(p.dir, name, file), text)
		err := os.Symlink(filepath.Join("..data", file), filepath.Join(p.dir, file))
		if err != nil && !os.IsExist(err) {
			p.t.Fatal(err)
		}
	}
	old, _ := os.Readlink(filepath.Join(p.dir, "..data")) // none at first
	next := filepath.Join(p.dir, "..data_tmp")
	if err := errors.Join(os.Symlink(name, next), os.Rename(next, filepath.Join(p.dir, "..data"))); err != nil {
		p.t.Fatal(err)
	}
	if old != "" {
		if err := os.RemoveAll(filepath.Join(p.dir, old)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// With the configuration of the Kubernetes example, an edit of the config map goes live
// without a command, a bad edit does not, and the kubelet's probes are answered.
func TestConfigMapEditGoesLive(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "k8s") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	writeFile(t, filepath.Join(dir, "secrets", "signing_secret"), chertsim.DefaultSigningSecret)
	writeFile(t, filepath.Join(dir, "secrets", "webhook_secret"), chertsim.DefaultWebhookSecret)
	config := strings.NewReplacer(
		"/run/secrets/chertd", filepath.Join(dir, "secrets"), "/rules", filepath.Join(dir, "rules"), "/data/", dir+"/data/",
		`":8787"`, `"127.0.0.1:0"`, `":9900"`, `"127.0.0.1:0"`, "tenant:", "base_url: http://127.0.0.1:1/api/v1\n  tenant:",
	).Replace(mapData(t, "chertd-config")["chertd.yaml"])
	folder := func(name string) *projected {
		p := &projected{t: t, dir: filepath.Join(dir, name)}
		if err := os.MkdirAll(p.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return p
	}
	settings, rules := folder("etc"), folder("rules")
	settings.update(map[string]string{"chertd.yaml": config})
	files := mapData(t, "chertd-rules")
	rules.update(files)

	cmd := exec.Command("chertd", "run", "-c", filepath.Join(settings.dir, "chertd.yaml"))
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := make(chan string, 1000) // more than it logs
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	logs := func(text string) string {
		t.Helper()
		patience := time.After(30 * time.Second)
		for {
			select {
			case line, ok := <-lines:
				if !ok {
					t.Fatalf("it has ended and has not logged %q", text)
				}
				if strings.Contains(line, text) {
					return line
				}
			case <-patience:
				t.Fatalf("it does not log %q", text)
			}
		}
	}
	_, address, _ := strings.Cut(logs("chertd started"), " control=")
	address, _, _ = strings.Cut(address, " ")
	probe := func(path string) (code int, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "10.42.0.17:9900" // the kubelet names the pod by its address
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	for _, path := range []string{"/-/healthy", "/-/ready", "/metrics"} {
		if code, body := probe(path); code != http.StatusOK {
			t.Errorf("%s is answered %d: %s", path, code, body)
		}
	}
	if code, _ := probe("/api/v1/status"); code != http.StatusForbidden {
		t.Errorf("without a token, the status is answered %d", code)
	}

	files["codes.lua"] = strings.ReplaceAll(files["codes.lua"], `"verification code"`, `"ification cod"`)
	rules.update(files)
	logs(live.LiveMessage)
	good := files["codes.lua"]
	files["codes.lua"] = "chert.on(\n-- " + strings.Repeat("as long as before ", 30)
	rules.update(files)
	logs("an edit is not live")
	if code, body := probe("/-/ready"); code != http.StatusOK || !strings.Contains(body, "pack codes: an edit is not live") {
		t.Errorf("with a bad edit, it is %d: %s", code, body)
	}
	files["codes.lua"] = good
	rules.update(files)
	for patience := time.Now().Add(30 * time.Second); ; {
		if _, body := probe("/-/ready"); !strings.Contains(body, "not live") {
			break
		}
		if time.Now().After(patience) {
			t.Fatal("the good file does not replace the bad one")
		}
	}
}

// instructions returns the instructions of a Dockerfile, with their continued lines.
func instructions(text string) (all []string) {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			lines = append(lines, line)
		}
	}
	joined := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(strings.Join(lines, "\n"), "")
	for line := range strings.SplitSeq(joined, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// The image is built by the Go of go.mod without C, has no other program and no root user,
// and starts and checks chertd by commands that there are.
func TestDockerfileFitsTheDaemon(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	all := instructions(readInstalled(t, "Dockerfile"))
	start := slices.IndexFunc(all, func(line string) bool { return strings.HasPrefix(line, "FROM scratch") })
	if version == nil || start < 0 {
		t.Fatalf("go.mod has the version %q, and the last stage begins at %d", version, start)
	}
	build, last := all[:start], all[start+1:]
	if want := "FROM --platform=$BUILDPLATFORM golang:" + string(version[1]) + " AS build"; build[0] != want {
		t.Errorf("it begins with %q, want %q", build[0], want)
	}
	if !strings.Contains(strings.Join(build, "\n"), "CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath ") {
		t.Error("the build is not static, or not for the platform")
	}
	argument := func(name string) string {
		for _, line := range last {
			if rest, ok := strings.CutPrefix(line, name+" "); ok {
				return rest
			}
		}
		t.Errorf("there is no %s", name)
		return ""
	}
	if user := argument("USER"); !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		t.Errorf("the user is %q, and must be numbers: runAsNonRoot checks that", user)
	}
	if signal := argument("STOPSIGNAL"); signal != "SIGTERM" {
		t.Errorf("it is stopped by %s", signal)
	}
	words := func(list string) (words []string) {
		if err := yaml.Unmarshal([]byte(list), &words); err != nil {
			t.Errorf("%s: %v", list, err)
		}
		return words
	}
	entry := words(argument("ENTRYPOINT"))
	_, health, _ := strings.Cut(argument("HEALTHCHECK"), " CMD ")
	for _, command := range [][]string{append(entry, words(argument("CMD"))...), words(health)} {
		if len(command) < 2 || command[0] != "/usr/local/bin/chertd" {
			t.Errorf("a command is %q", command)
			continue
		}
		checkCommand(t, "chertd "+strings.Join(command[1:], " "))
	}
}
