package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const monitoring = "../../docs/monitoring/"

// names returns the metrics of chertd in a text, each once, those of histograms without their suffix.
func names(text string) (all []string) {
	for _, name := range regexp.MustCompile(`chertd_[a-z_]+`).FindAllString(text, -1) {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// there returns the metrics of a daemon that has everything.
func there(t *testing.T) (all []string) {
	t.Helper()
	for _, name := range regexp.MustCompile(`(?m)^# TYPE (chertd_[a-z_]+) `).FindAllStringSubmatch(scrape(t, busy(full())), -1) {
		all = append(all, name[1])
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Alerts and the dashboard ask for metrics that there are, and each alert has its paragraph in the
// manual.
func TestAlertsAndDashboardFit(t *testing.T) {
	t.Parallel()
	known := there(t)
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	alerts := read(t, monitoring+"alerts.yml")
	if err := yaml.Unmarshal([]byte(alerts), &rules); err != nil {
		t.Fatal(err)
	}
	tests := read(t, monitoring+"alerts_test.yml")
	manual := read(t, "../../docs/operations.md")
	_, section, _ := strings.Cut(manual, "\n## Alerts\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var there []string
	for _, r := range rules.Groups[0].Rules {
		there = append(there, r.Alert)
		if !strings.Contains(section, "\n### "+r.Alert+"\n\n") {
			t.Errorf("docs/operations.md does not explain %s", r.Alert)
		}
		if !regexp.MustCompile(`alertname: ` + r.Alert + `\n +exp_alerts:`).MatchString(tests) {
			t.Errorf("alerts_test.yml never expects %s", r.Alert)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s has no summary or description", r.Alert)
		}
	}
	for _, title := range regexp.MustCompile(`(?m)^### (Chertd\w+)$`).FindAllStringSubmatch(section, -1) {
		if !slices.Contains(there, title[1]) {
			t.Errorf("docs/operations.md explains %s, which is not there", title[1])
		}
	}
	for _, file := range []string{"alerts.yml", "alerts_test.yml", "dashboard.json"} {
		used := names(read(t, monitoring+file))
		if len(used) < 5 {
			t.Errorf("%s has %d metrics: the test proves nothing", file, len(used))
		}
		for _, name := range used {
			if !slices.Contains(known, name) {
				t.Errorf("%s asks for %s, which is not there", file, name)
			}
		}
	}
	if !json.Valid([]byte(read(t, monitoring+"dashboard.json"))) {
		t.Error("dashboard.json is not JSON")
	}
}

// Panels of the dashboard do not overlap, ask for the chosen instances, and a number that is
// bad does not look good.
func TestDashboardIsWhole(t *testing.T) {
	t.Parallel()
	var board struct {
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     struct{ X, Y, W, H int }
			FieldConfig struct {
				Defaults struct {
					Unit       string
					Thresholds struct{ Steps []struct{ Color string } }
				}
			}
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, monitoring+"dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("the id of %q is not its own", p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" || at[0] >= 24 {
					t.Fatalf("%q is where %q is, or beyond the edge: %v", p.Title, other, at)
				}
				taken[at] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if steps := p.FieldConfig.Defaults.Thresholds.Steps; p.Type == "stat" && (len(steps) < 2 || steps[0].Color == steps[len(steps)-1].Color) {
			t.Errorf("%q looks the same, whatever it shows", p.Title)
		}
		if p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("%q has no unit or asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("%q ignores the chosen instances: %s", p.Title, target.Expr)
			}
		}
	}
	if len(board.Panels) < 20 {
		t.Errorf("it has %d panels: the test proves nothing", len(board.Panels))
	}
}

// promtool, where it is installed, checks the alerts and runs their tests.
func TestAlertsWithPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CHERTD_TEST_PROMTOOL") == "required" {
			t.Fatal(err)
		}
		t.Skip("promtool is not installed: Debian has it in the package prometheus")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = monitoring
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(scrape(t, busy(full())))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// In Kubernetes, the operator calls the job NAMESPACE/NAME unless a label of the pod names it: alerts
// and the dashboard ask for the job chertd.
func TestPodMonitorNamesTheJobOfTheAlerts(t *testing.T) {
	t.Parallel()
	var monitor struct {
		Spec struct {
			JobLabel string `yaml:"jobLabel"`
			Selector struct {
				MatchLabels map[string]string `yaml:"matchLabels"`
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../docs/install/podmonitor.yaml")), &monitor); err != nil {
		t.Fatal(err)
	}
	job := monitor.Spec.Selector.MatchLabels[monitor.Spec.JobLabel]
	for _, file := range []string{"alerts.yml", "dashboard.json"} {
		jobs := regexp.MustCompile(`job=\\?"([^"\\]*)`).FindAllStringSubmatch(read(t, monitoring+file), -1)
		if len(jobs) == 0 {
			t.Errorf("%s asks for no job: the test proves nothing", file)
		}
		for _, asked := range jobs {
			if asked[1] != job {
				t.Errorf("%s asks for the job %q, and the pods have the job %q", file, asked[1], job)
			}
		}
	}
}
