package engine

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
	"chertd/engine/event"
)

// BenchmarkWholeWay runs the whole way, from webhook to call, beside a hand-written bot
// that checks the same signature and makes the same call, without a store and without
// Lua. Both have load in turns, so that the ratios hold on a machine that is not quiet:
// of-bot is chertd's events a second over the bot's, of-bot-by-cpu the bot's processor
// time an event over chertd's. All run in one process: the processor time includes
// that of the sender and of the API, which brings of-bot-by-cpu closer to 1.
//
// With a chat an event no read coalesces; with 200 recurring chats some do. Calls have
// as many places as by default.
//
//	go test ./engine -run '^$' -bench WholeWay -benchtime 20000x
func BenchmarkWholeWay(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(GCPercent)) // as `chertd run` sets it
	for _, conns := range []int{32, 128} {
		for _, chats := range []int{0, 200} {
			name := fmt.Sprintf("%d connections/a chat an event", conns)
			if chats > 0 {
				name = fmt.Sprintf("%d connections/%d recurring chats", conns, chats)
			}
			b.Run(name, func(b *testing.B) { inTurns(b, conns, chats) })
		}
	}
}

// BenchmarkLatency sends 200 events a second and measures how long it is from the
// webhook's first byte to the call's arrival at the API.
//
//	go test ./engine -run '^$' -bench Latency -benchtime 2000x
func BenchmarkLatency(b *testing.B) {
	const rate, conns = 200, 32
	r := newRoad(b, 0)
	r.webhook = startDaemon(b, b.TempDir(), r.url)
	b.ResetTimer()
	r.post(b, b.N, conns, rate)
	r.await(b)
	b.StopTimer()
	slices.Sort(r.took)
	at := func(q float64) float64 { return float64(r.took[int(q*float64(len(r.took)-1))]) / 1e6 }
	b.ReportMetric(at(0.50), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// inTurns sends b.N events to the bot and to chertd each, a part at a time.
func inTurns(b *testing.B, conns, chats int) {
	const parts = 10
	bot, daemon := newRoad(b, chats), newRoad(b, chats)
	bot.webhook, daemon.webhook = startBot(b, bot.url), startDaemon(b, b.TempDir(), daemon.url)
	roads := []*road{bot, daemon}
	b.ResetTimer()
	for part := range parts {
		n := b.N*(part+1)/parts - b.N*part/parts
		for _, r := range roads {
			began, used := time.Now(), cpuTime()
			r.post(b, n, conns, 0)
			r.await(b)
			r.seconds += time.Since(began).Seconds()
			r.cpu += (cpuTime() - used).Seconds()
		}
		slices.Reverse(roads)
	}
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(n/daemon.seconds, "events/s")
	b.ReportMetric(daemon.cpu/n*1e6, "cpu-us/event")
	b.ReportMetric(bot.seconds/daemon.seconds, "of-bot")
	b.ReportMetric(bot.cpu/daemon.cpu, "of-bot-by-cpu")
	b.ReportMetric(0, "ns/op") // of both
}

// cpuTime returns the processor time of this process so far.
func cpuTime() time.Duration {
	var use syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &use) != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// startDaemon runs chertd in a folder until the test ends, with one pack that reads
// chats by a code. It returns the URL of its webhook.
func startDaemon(b testing.TB, dir, api string, with ...func(*Daemon)) string {
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules", "codes.lua"), []byte(`
chert.on("message.received", function(ev)
  if ev.text:find("verification code", 1, true) then
    chert.mark_read(ev.chat.id)
  end
end)`), 0o600); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	d := Daemon{
		StorePath: filepath.Join(dir, "chertd.db"),
		API:       chert.Config{BaseURL: api + "/api/v1", Tenant: benchTenant, SigningSecret: benchSecret},
		Rate:      10000, Burst: 10000, Concurrency: dispatch.DefaultConcurrency,
		Webhook:  Webhook{Listen: "127.0.0.1:0", Path: "/hook", Secrets: []string{benchHook}, Tolerance: 5 * time.Minute, MaxBody: 1 << 20},
		RulesDir: filepath.Join(dir, "rules"),
		Log:      slog.New(slog.DiscardHandler),
		Started:  func(a Addresses) { started <- a },
	}
	for _, f := range with {
		f(&d)
	}
	go func() { ended <- d.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	select {
	case a := <-started:
		return a.Webhook
	case err := <-ended:
		ended <- nil
		b.Fatal(err)
		return ""
	}
}

// startBot serves what one would write by hand, with as many calls in flight as chertd
// has by default. It returns the URL of its webhook.
func startBot(b *testing.B, api string) string {
	chats := make(chan string, 1024)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: dispatch.DefaultConcurrency}}
	var workers sync.WaitGroup
	for range dispatch.DefaultConcurrency {
		workers.Go(func() {
			for id := range chats {
				if err := botMarkRead(client, api, id); err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.Cleanup(func() {
		close(chats)
		workers.Wait()
	})
	return serve(b, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
		if err != nil {
			http.Error(w, "body", http.StatusRequestEntityTooLarge)
			return
		}
		ts, sig, _ := strings.Cut(strings.TrimPrefix(req.Header.Get("X-Webhook-Signature"), "t="), ",v1=")
		if !hmac.Equal([]byte(sig), []byte(sign(benchHook, ts, body))) {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		var ev struct {
			Type string `json:"event_type"`
			Data struct {
				Chat    struct{ ID string }
				Message struct {
					Parts []struct{ Type, Value string }
				}
			}
		}
		if err := json.Unmarshal(body, &ev); err != nil {
			http.Error(w, "json", http.StatusBadRequest)
			return
		}
		if parts := ev.Data.Message.Parts; ev.Type == event.MessageReceived && len(parts) > 0 && strings.Contains(parts[0].Value, "verification code") {
			chats <- ev.Data.Chat.ID
		}
	})) + "/hook"
}

// botMarkRead is the bot's call.
func botMarkRead(client *http.Client, api, id string) error {
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	req, err := http.NewRequest(http.MethodPost, api+"/api/v1/chats/"+id+"/mark-read", nil)
	if err != nil {
		return err
	}
	req.Header.Set("x-chert-tenant", benchTenant)
	req.Header.Set("x-chert-signature", "v1,"+ts+","+sign(benchSecret, ts, nil))
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("mark-read answered %s, %v", resp.Status, err)
	}
	return nil
}
