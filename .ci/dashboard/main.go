// Command dashboard asks a real Prometheus what the dashboard and the alerts of
// docs/monitoring ask, while it scrapes a real chertd.
//
//	go run ./.ci/dashboard
//	go run ./.ci/dashboard -v
//
// It builds chertd, and runs it beside its simulator and Prometheus on loopback. Rules fail,
// Chert refuses calls and limits their rate, a stranger sends deliveries, an edit is broken,
// a notification is not accepted and chertd.yaml gets an error. It fails if a panel stays
// empty or has an error, or if an alert for what has happened is not on. All that was started
// and written is gone at the end.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"gopkg.in/yaml.v3"
)

const monitoring = "docs/monitoring/"

// question is an expression, and who asks it.
type question struct {
	who, expr string
	must      bool // it must have a result: a panel, or an alert for what happens here
}

func main() {
	verbose := flag.Bool("v", false, "print each expression with the first of its results")
	patience := flag.Duration("within", 2*time.Minute, "fail when something is still empty after this time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *patience, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, patience time.Duration, verbose bool) error {
	if _, err := exec.LookPath("prometheus"); err != nil {
		return fmt.Errorf("%w: Debian has it in the package prometheus", err)
	}
	questions, err := panels()
	if err != nil {
		return err
	}
	alerts, err := alerts()
	if err != nil {
		return err
	}
	questions = append(questions, alerts...)
	w, err := newWorld(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.happen(ctx); err != nil {
		return err
	}
	open := slices.Clone(questions)
	results := map[string][]result{}
	for end := time.Now().Add(patience); ; {
		open = slices.DeleteFunc(open, func(q question) bool {
			all, err2 := w.query(ctx, q.expr)
			err = errors.Join(err, wrap(q.who, err2))
			if len(all) > 0 {
				results[q.expr] = all
			}
			return len(all) > 0 || err2 != nil
		})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(open, func(q question) bool { return q.must }) {
			break
		}
		if time.Now().After(end) {
			break
		}
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := w.traffic(ctx); err != nil {
			return err
		}
	}
	if verbose {
		for _, q := range questions {
			fmt.Println(q.who + "\n    " + q.expr)
			for _, r := range results[q.expr][:min(3, len(results[q.expr]))] {
				fmt.Printf("    %v %s\n", r.labels, r.value)
			}
		}
	}
	var empty []string
	for _, q := range open {
		if q.must {
			empty = append(empty, "no data: "+q.who+": "+q.expr)
		}
	}
	fmt.Printf("%d expressions, %d with data, %d alerts are not on\n", len(questions), len(questions)-len(open), len(open)-len(empty))
	if len(empty) > 0 {
		return fmt.Errorf("after %v\n%s\n%s", patience, strings.Join(empty, "\n"), w.logs())
	}
	return nil
}

func wrap(who string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", who, err)
}

// panels returns what the dashboard asks. Each must have data.
func panels() (all []question, err error) {
	text, err := os.ReadFile(monitoring + "dashboard.json")
	if err != nil {
		return nil, err
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Annotations struct {
			List []struct{ Name, Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		return nil, err
	}
	for _, p := range board.Panels {
		for _, t := range p.Targets {
			all = append(all, question{"panel " + p.Title, chosen(t.Expr), true})
		}
	}
	for _, a := range board.Annotations.List {
		all = append(all, question{"annotation " + a.Name, chosen(a.Expr), true})
	}
	if len(all) < 30 {
		return nil, fmt.Errorf("the dashboard has %d expressions: it is not read as it is written", len(all))
	}
	return all, nil
}

// chosen puts values in the place of variables, as Grafana does.
func chosen(expr string) string { return strings.ReplaceAll(expr, "$instance", ".+") }

// alerts returns the expressions of the alerts.
func alerts() (all []question, err error) {
	text, err := os.ReadFile(monitoring + "alerts.yml")
	if err != nil {
		return nil, err
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	on := maps.Clone(happens)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all = append(all, question{"alert " + r.Alert, r.Expr, on[r.Alert]})
			delete(on, r.Alert)
		}
	}
	if len(on) > 0 {
		return nil, fmt.Errorf("there are no alerts %v", slices.Sorted(maps.Keys(on)))
	}
	return all, nil
}

// build builds chertd and returns its path.
func build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "chertd")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/chertd").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build chertd (run this in the root of the repository): %w: %s", err, out)
	}
	return program, nil
}

// number is what a result must be like: NaN is what a quantile of nothing is.
var number = regexp.MustCompile(`^[-+0-9.e]+$`)
