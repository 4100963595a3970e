package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	privateText = "private-5d1c is what Ann wrote: call +1 (415) 555-0177 or ann.private@example.com"
	privateBody = `{"event_type":"message.received","event_id":"ID","partner_id":"TENANT","data":{
		"chat":{"id":"c-ID","is_group":false,"handles":[{"handle":"FROM","is_me":false},{"handle":"+14155550100","is_me":true}],"owner_handle":{"handle":"+14155550100"}},
		"message":{"id":"m-ID","direction":"inbound","sender_handle":{"handle":"FROM"},"parts":[{"type":"text","value":"` + privateText + `"}]}}}`
)

// traces are what must not be in the log of privateText, of its senders and of their chats.
var traces = regexp.MustCompile(`(?i)private-5d1c|is what Ann wrote|555-?01[27]|ann\.private|ann\.sender`)

// nosyRules do with a message whatever a rule may do wrong.
const nosyRules = `
local function nosy(name, fn)
  chert.rule({ name = name, on = { "message.received", "signal:nosy", "action.failed" }, run = fn })
end
nosy("logs", function(ev)
  log.info(ev.text)
  log.warn("from " .. tostring(ev.from), { from = ev.from, text = ev.text, t = { { ev.text, ev.from } }, n = tonumber(ev.from) })
  log.error("lower " .. ev.text:lower(), { quoted = string.format("%q", ev.text), normal = chert.normalize(ev.text), raw = ev.raw })
  print(ev.text)
end)
nosy("raises", function(ev) error(ev.text) end)
nosy("raises a table", function(ev) error({ text = ev.text, from = ev.from }) end)
nosy("calculates", function(ev) return ev.text + 1 end)
nosy("indexes", function(ev) return ({})[ev.text].x end)
nosy("decodes", function(ev) json.decode(ev.text) end)
nosy("matches", function(ev) re.match("(" .. ev.text, "x") end)
nosy("names a timer", function(ev) chert.set_timer(ev.text, ev.text) end)
nosy("reads another chat", function(ev) chert.mark_read("+14155550166") end)
nosy("keeps a function", function(ev) ev.state[ev.text] = print end)
nosy("notifies nobody", function(ev) chert.notify(ev.text, ev.text) end)
nosy("reads", function(ev) if ev.chat and ev.type == "message.received" then chert.mark_read(ev.chat.id, { reason = ev.text }) end end)
nosy("sends", function(ev) if ev.chat and ev.type == "message.received" then chert.send(ev.chat.id, ev.text) end end)
nosy("keeps", function(ev)
  ev.state.last, ev.state.from = ev.text, ev.from
  kv.set("last:" .. tostring(ev.from), { text = ev.text, from = ev.from })
  chert.set_timer("later", "1h", { text = ev.text })
  if ev.chat then chert.mark_read(ev.chat.id, { after = "2h", reason = ev.text }) end
end)
nosy("notifies", function(ev) if ev.type == "message.received" then chert.notify("oncall", ev.text, { from = ev.from, text = ev.text }) end end)
`

// TestLogAndMetricsHaveNoMessages: whatever rules, Chert and targets do with a message, the log at its
// most talkative and the metrics have no text, no number and no address of a person. With
// log.message_text the log has texts, and people are masked still.
func TestLogAndMetricsHaveNoMessages(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		for _, allowed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, %t", format, allowed), func(t *testing.T) {
				t.Parallel()
				logged, metrics := privateRun(t, startFolder(t), format, allowed, nil)
				for _, line := range strings.Split(logged, "\n") {
					found := traces.FindString(line)
					if allowed && (strings.EqualFold(found, "private-5d1c") || strings.EqualFold(found, "is what Ann wrote")) {
						found = traces.FindString(strings.NewReplacer("private-5d1c", "", "is what Ann wrote", "", "is what ann wrote", "").Replace(line))
					}
					if found != "" {
						t.Errorf("the log has %q: %s", found, line)
					}
				}
				if allowed != strings.Contains(logged, "private-5d1c is what") {
					t.Errorf("log.message_text is %t:\n%s", allowed, logged)
				}
				if !strings.Contains(logged, "•••0123") || !strings.Contains(logged, "•••@example.com") || !strings.Contains(logged, "control request") {
					t.Errorf("the log has no masked people: the test proves nothing\n%s", logged)
				}
				if found := traces.FindString(metrics); found != "" || !strings.Contains(metrics, `chertd_control_requests_total{route="POST /api/v1/read",status="200"} 1`) {
					t.Errorf("the metrics have %q:\n%s", found, metrics)
				}
			})
		}
	}
}

// privateRun runs a daemon on messages from all sources until all that they cause has ended, and
// returns its log and its metrics. then, if not nil, is called before the daemon stops.
func privateRun(t *testing.T, dir, format string, allowed bool, then func(ask func(path, text string) (int, string))) (logged, metrics string) {
	t.Helper()
	body := func(id, from, tenant string) string {
		return strings.NewReplacer("ID", id, "FROM", from, "TENANT", tenant, "\n", "", "\t", "").Replace(privateBody)
	}
	chert := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		switch {
		case strings.HasSuffix(r.URL.Path, "/events/stream"):
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: %s\n\ndata: {\"event_id\": \"x\", \"private-5d1c\": \"+14155550123\"}\n\n", body("stream", "+14155550123", "acme"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case strings.HasSuffix(r.URL.Path, "/events"):
			fmt.Fprintf(w, `{"events": [{"id": "evt_1", "type": "message.received", "event_id": "log", "created_at": %q, "payload": %s}], "next_cursor": null}`, time.Now().UTC().Format(time.RFC3339), body("log", "4155550123", "acme"))
		default: // a call: the answer quotes what it was about
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"success": false, "error": {"code": 1002, "status": 400, "message": %q, "retryable": false}}`, strings.Replace(r.URL.Path, "/c-", "/+14155550123-", 1)+" has "+string(sent))
		}
	}))
	defer chert.Close()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(sent)
	}))
	defer target.Close()
	put(t, dir, "rules/nosy/rules.lua", nosyRules)
	put(t, dir, "rules/nosy/pack.yaml", "permissions: [send, notify]\nfailure_policy: fail_open\n")
	put(t, dir, "events", body("file", "ann.sender@example.com", "acme")+"\n"+body("file2", "+14155550123", "another")+"\nprivate-5d1c +14155550123\n")
	put(t, dir, "chertd.yaml", fmt.Sprintf(`
chert: {base_url: %q, tenant: acme, signing_secret: "0123456789abcdef0123456789abcdef"}
sources:
  webhook: {listen: "127.0.0.1:0", secrets: [whsec_of_the_test]}
  catchup: {lookback: 1d}
  stream: {enabled: true}
rules: {gate: {checks: off}, country: US, packs: {nosy: {grant: [send, notify]}}}
notify: {oncall: {url: %q, secret: 0123456789abcdef0123456789abcdef}}
control: {listen: "127.0.0.1:0", token: token-of-the-test-0123456789}
log: {level: debug, format: %s, message_text: %t}
`, chert.URL+"/api/v1", target.URL, format, allowed))

	cmd := exec.Command("chertd", "run", "--events", "events")
	cmd.Dir = dir
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(out)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			lines <- s.Text()
		}
	}()
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		for line := range lines {
			logged += line + "\n"
		}
		_ = cmd.Wait()
	}()
	patience := time.After(time.Minute)
	until := func(what string, wake <-chan bool, done func() bool) {
		t.Helper()
		for !done() {
			select {
			case line, ok := <-lines:
				if logged += line + "\n"; !ok {
					t.Fatalf("the daemon has ended before %s:\n%s", what, logged)
				}
			case <-wake:
				wake = nil
			case <-patience:
				t.Fatalf("%s did not happen:\n%s", what, logged)
			}
		}
	}
	count := func(pattern string) int { return len(regexp.MustCompile(pattern).FindAllString(logged, -1)) }
	until("the start", nil, func() bool { return strings.Contains(logged, runs) })
	started := regexp.MustCompile(`"?(webhook|control)"?[=:]"?(http://)?([0-9.:]+)(/webhooks/chert)?`).FindAllStringSubmatch(logged, -1)
	addresses := map[string]string{}
	for _, m := range started {
		addresses[m[1]] = m[3]
	}
	send := func(method, url, auth, text string) (int, string) {
		r, err := http.NewRequest(method, url, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", auth)
		if strings.Contains(url, "/webhooks/") && auth == "" {
			at := fmt.Sprint(time.Now().Unix())
			mac := hmac.New(sha256.New, []byte("whsec_of_the_test"))
			io.WriteString(mac, at+"."+text)
			r.Header.Set("X-Webhook-Signature", "t="+at+",v1="+hex.EncodeToString(mac.Sum(nil)))
		}
		answered := make(chan bool)
		var status int
		var answer bytes.Buffer
		go func() {
			defer close(answered)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			status = resp.StatusCode
			_, _ = answer.ReadFrom(resp.Body)
		}()
		ended := false
		until(method+" "+url, answered, func() bool { // the log must be read meanwhile
			select {
			case <-answered:
				ended = true
			default:
			}
			return ended
		})
		return status, answer.String()
	}
	hook := "http://" + addresses["webhook"] + "/webhooks/chert"
	api := "http://" + addresses["control"]
	for _, text := range []string{body("hook", "+14155550123", "acme"), body("hook2", "+14155550123", "another"), `{"private-5d1c": "+14155550123"`, `"x-5d1c"`, `{"event_type": "odd", "event_id": "odd", "data": "x-5d1c"}`} {
		if status, answer := send("POST", hook, "", text); status != http.StatusOK {
			t.Errorf("%s: %d %s", text, status, answer)
		}
	}
	send("POST", hook+"/+14155550123?private-5d1c", "none", "x")
	send("POST", api+"/api/v1/forget?private-5d1c", "Bearer private-5d1c", `{"who": "+14155550123"}`)
	const token = "Bearer token-of-the-test-0123456789"
	send("GET", api+"/api/v1/explain?what=%2B14155550123", token, "")
	until("the event of c-hook", nil, func() bool { return count(`event handled.*chat"?[=:]"?c-hook\b[^2]`) > 0 })
	send("POST", api+"/api/v1/read", token, `{"chat": "c-hook", "by": "ana", "reason": "asked by +14155550123"}`)
	send("POST", api+"/api/v1/signals", token, `{"name": "nosy", "chat": "c-hook", "id": "sig", "data": {"text": "`+privateText+`", "from": "+14155550123"}}`)
	send("POST", api+"/api/v1/hold", token, `{"chat": "c-hook", "reason": "asked by +14155550123"}`)
	// Each of four messages ends a read, a send and a notification.
	until("the end of all actions", nil, func() bool {
		return count(`action finished.*kind"?[=:]"?send`) >= 4 && count(`action finished.*kind"?[=:]"?notify`) >= 4 && count(`action finished.*kind"?[=:]"?read`) >= 4
	})
	_, metrics = send("GET", api+"/metrics", "none", "")
	_, probe := send("GET", api+"/-/ready?calls", "none", "")
	metrics += probe // what needs no token
	if then != nil {
		then(func(path, text string) (int, string) { return send("POST", api+path, token, text) })
	}
	return logged, metrics
}

// TestBlockedReadsShowNoMessages: a pack that blocks reads because its rule raised what a person wrote is
// logged and shown to probes, which need no token, without that.
func TestBlockedReadsShowNoMessages(t *testing.T) {
	t.Parallel()
	dir := startFolder(t)
	put(t, dir, "rules/guard.lua", `
chert.on("message.received", function(ev)
  if ev.text == "never" then chert.keep_unread(ev.chat.id) end
  if ev.chat.id == "c-file" then error(ev.text .. " by " .. tostring(ev.from)) end
end)
`)
	logged, open := privateRun(t, dir, "text", false, nil)
	if !strings.Contains(logged, "a pack blocks reads") || !strings.Contains(open, "pack guard blocks reads") {
		t.Errorf("the pack does not block reads: the test proves nothing\n%s\n%s", logged, open)
	}
	if found := traces.FindString(logged); found != "" {
		t.Errorf("the log has %q:\n%s", found, logged)
	}
	if found := traces.FindString(open); found != "" {
		t.Errorf("a probe shows %q:\n%s", found, open)
	}
}

// TestForgottenPeopleAreInNoFile: once the people of all these messages are forgotten, no file of the
// store's folder has a trace of what they wrote or of who they are.
func TestForgottenPeopleAreInNoFile(t *testing.T) {
	t.Parallel()
	dir := startFolder(t)
	before := 0
	logged, _ := privateRun(t, dir, "text", false, func(ask func(path, text string) (int, string)) {
		before = tracesIn(t, dir, nil)
		for _, who := range []string{"+14155550123", "ann.sender@example.com", "c-hook"} {
			if status, answer := ask("/api/v1/forget", fmt.Sprintf(`{"who": %q, "kv": true, "holds": true}`, who)); status != http.StatusOK || strings.Contains(answer, "remains") {
				t.Errorf("%s: %d %s", who, status, answer)
			}
		}
		tracesIn(t, dir, t.Errorf)
	})
	if before < 20 {
		t.Errorf("the files never had more than %d traces: the test proves nothing\n%s", before, logged)
	}
	tracesIn(t, dir, t.Errorf) // of a daemon that has stopped
}

// tracesIn counts what the files of a store's folder have of people; report is called for each file that has any.
func tracesIn(t *testing.T, dir string, report func(format string, args ...any)) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if found := traces.FindAllIndex(content, -1); len(found) > 0 {
			if n += len(found); report != nil {
				for _, at := range found[:min(len(found), 10)] {
					report("%s has %d traces: %q", filepath.Base(path), len(found), bytes.TrimLeft(content[max(0, at[0]-150):min(len(content), at[1]+30)], "\x00"))
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
