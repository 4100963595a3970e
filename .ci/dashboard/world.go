package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// happens are the alerts for what happen makes happen.
var happens = map[string]bool{
	"ChertdRateLimited": true, "ChertdWebhookRefuses": true, "ChertdEditNotLive": true, "ChertdRuleFails": true,
	"ChertdEventsMissed": true, "ChertdDeadActions": true, "ChertdNotificationsFail": true, "ChertdConfigInvalid": true,
	"ChertdPackBlocksReads": true,
}

const (
	limited = `sum(increase(chertd_calls_total{http="429"}[5m])) / sum(increase(chertd_calls_total[5m])) > 0.1`

	rule = `chert.rule { name = "read", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { even_if_newer = true }) end }
`
	fails = `chert.rule { name = "fails", on = "message.received", where = { text = "boom" }, run = function(ev) error("boom") end }
chert.rule { name = "veto", on = "message.received", where = { text = "keep" }, run = function(ev) chert.keep_unread(ev.chat.id) end }
chert.rule { name = "page", on = "message.received", where = { text = "page" }, run = function(ev) chert.notify("oncall", "page") end }
`
	settings = `chert: {base_url: "http://%[1]s/api/v1", tenant: dev-0000, signing_secret: 0123456789abcdef0123456789abcdef}
sources:
  webhook: {listen: "%[2]s", secrets: [whsec_for_development_only]}
  catchup: {every: 5s}
rules:
  dir: ./rules
  gate: {specs: warn, checks: warn}
  packs: {fails: {grant: [notify]}}
notify: {oncall: {url: "http://%[4]s/", secret: whsec_for_development_only}}
store: {url: "sqlite:./chertd.db"}
control: {socket: ./s, listen: "%[3]s"}
log: {level: error}
`
)

// world is a chertd, its simulator and a Prometheus.
type world struct {
	dir             string
	sim, hook, prom string // addresses
	processes       []*process
	sent            int
}

// process is one that was started, with the end of what it prints.
type process struct {
	cmd *exec.Cmd
	out *bytes.Buffer
}

// result is one of a query.
type result struct {
	labels map[string]string
	value  string
}

func newWorld(ctx context.Context) (w *world, err error) {
	dir, err := os.MkdirTemp("", "chertd-dashboard-")
	if err != nil {
		return nil, err
	}
	w = &world{dir: dir}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	var addresses [5]string
	for i := range addresses {
		if addresses[i], err = freeAddress(); err != nil {
			return w, err
		}
	}
	control, nobody := addresses[2], addresses[4]
	w.sim, w.hook, w.prom = addresses[0], addresses[1], addresses[3]
	alerts, err := filepath.Abs(monitoring + "alerts.yml")
	if err != nil {
		return w, err
	}
	for name, text := range map[string]string{
		"rules/reads.lua":       rule,
		"rules/fails/fails.lua": fails,
		"rules/fails/pack.yaml": "permissions: [notify]\n",
		"chertd.yaml":           fmt.Sprintf(settings, w.sim, w.hook, control, nobody),
		"prometheus.yml":        fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs: [{job_name: chertd, static_configs: [{targets: [%q]}]}]\n", alerts, control),
	} {
		if err := w.write(name, text); err != nil {
			return w, err
		}
	}
	program, err := build(ctx, dir)
	if err != nil {
		return w, err
	}
	if err := w.start(program, "sim", "--listen", w.sim, "--webhook", "http://"+w.hook+"/webhooks/chert", "--rate", "4", "--quiet"); err != nil {
		return w, err
	}
	if err := w.start(program, "run", "-c", "chertd.yaml"); err != nil {
		return w, err
	}
	if err := w.start("prometheus", "--config.file", "prometheus.yml", "--storage.tsdb.path", "tsdb", "--web.listen-address", w.prom, "--log.level", "warn"); err != nil {
		return w, err
	}
	return w, w.until(ctx, "the first scrape", func() bool {
		all, err := w.query(ctx, "chertd_ready == 1 and on () count(chertd_rule_runs_total) > 0")
		return err == nil && len(all) > 0
	})
}

// happen makes happen what panels and alerts are for.
func (w *world) happen(ctx context.Context) error {
	if err := w.post(ctx, "http://"+w.sim+"/sim/fail", `{"route": "mark-read", "chat": "refused", "status": 404, "code": 2002, "probability": 1}`); err != nil {
		return err
	}
	for i := range 8 { // between two scrapes, perhaps
		if err := w.message(ctx, fmt.Sprint("boom", i), "boom"); err != nil {
			return err
		}
	}
	if err := errors.Join(w.message(ctx, "refused", "hello"), w.message(ctx, "paged", "page")); err != nil {
		return err
	}
	// Its read must have been refused before other calls are, and before a broken pack blocks it.
	if err := w.until(ctx, "dead action", func() bool {
		dead, err := w.query(ctx, `chertd_actions{status="dead"} > 0`)
		return err == nil && len(dead) > 0
	}); err != nil {
		return err
	}
	// chertd would follow a limit, so these exceed one at random. What is broken blocks reads, so it comes later.
	if err := w.post(ctx, "http://"+w.sim+"/sim/fail", `{"route": "mark-read", "code": 1007, "retry_after": 1, "probability": 0.5, "times": 20}`); err != nil {
		return err
	}
	var err error
	if err2 := w.until(ctx, "calls that exceed a limit", func() bool {
		err = w.traffic(ctx)
		many, err2 := w.query(ctx, limited)
		err = errors.Join(err, err2)
		return len(many) > 0 || err != nil
	}); err2 != nil || err != nil {
		return errors.Join(err2, err)
	}
	return errors.Join(
		w.write("rules/reads.lua", rule+"-- an edit\n"),
		w.write("rules/broken.lua", "chert.on(\n"),
		w.write("chertd.yaml", "chert: {}\n"),
		w.traffic(ctx),
	)
}

// traffic sends what must keep coming.
func (w *world) traffic(ctx context.Context) error {
	w.sent++
	for i := range 10 {
		if err := w.message(ctx, fmt.Sprintf("c%d-%d", w.sent, i), "hello"); err != nil {
			return err
		}
	}
	if w.sent%4 == 0 {
		if err := w.write("rules/reads.lua", rule+fmt.Sprintf("-- edit %d\n", w.sent)); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.hook+"/webhooks/chert", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	r.Header.Set("X-Webhook-Signature", fmt.Sprintf("t=%d,v1=%064d", time.Now().Unix(), 0))
	return w.do(r, http.StatusUnauthorized)
}

func (w *world) message(ctx context.Context, chat, text string) error {
	return w.post(ctx, "http://"+w.sim+"/sim/messages", fmt.Sprintf(`{"chat": %q, "from": "+14155550123", "text": %q}`, chat, text))
}

func (w *world) post(ctx context.Context, url, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	return w.do(r, http.StatusOK)
}

// do sends a request, which must be answered with a status.
func (w *world) do(r *http.Request, want int) error {
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != want {
		return fmt.Errorf("%s is answered %s, want %d: %s", r.URL, answer.Status, want, body)
	}
	return nil
}

// query returns the results of an expression that are numbers.
func (w *world) query(ctx context.Context, expr string) (all []result, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.prom+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var body struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return nil, err
	}
	if body.Error != "" {
		return nil, errors.New(body.Error)
	}
	for _, r := range body.Data.Result {
		if v := fmt.Sprint(r.Value[1]); number.MatchString(v) {
			all = append(all, result{r.Metric, v})
		}
	}
	return all, nil
}

// start starts a process in the folder of the world.
func (w *world) start(program string, args ...string) error {
	p := &process{exec.Command(program, args...), &bytes.Buffer{}}
	p.cmd.Dir, p.cmd.Stderr = w.dir, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	w.processes = append(w.processes, p)
	return nil
}

// until waits for a condition.
func (w *world) until(ctx context.Context, what string, holds func() bool) error {
	for end := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(end) {
			return fmt.Errorf("no %s within a minute\n%s", what, w.logs())
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (w *world) write(name, text string) error {
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// logs returns the names of the processes, and where they print. It stops them: what a
// running one prints can't be read.
func (w *world) logs() string {
	w.stop()
	var all strings.Builder
	for _, p := range w.processes {
		text := p.out.String()
		fmt.Fprintf(&all, "%s printed:\n%s\n", p.cmd, text[max(0, len(text)-2000):])
	}
	return all.String()
}

// stop ends the processes.
func (w *world) stop() {
	for _, p := range w.processes {
		if p.cmd.ProcessState == nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
	}
}

func (w *world) close() {
	w.stop()
	os.RemoveAll(w.dir)
}

// freeAddress returns an address of loopback that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
