package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/engine/wait"
	"chertd/rules"
	"chertd/rules/chat"
)

// matrixDaemon runs a daemon with all points until it is killed, or its standard input ends.
// It prints "ready ADDRESS" with the address of its webhook, then one line for each command
// that it reads: "settle N" waits until the events e0 … eN-1 and all that follows from them
// are done, "prune" removes old rows, "aside" writes what no event causes, "hits" prints the counts of the points. At its end it
// prints the counts, too.
func matrixDaemon(dir string) error {
	p, err := pointsOfEnv()
	if err != nil {
		return err
	}
	api, err := hostOf(os.Getenv("CHERTD_TEST_API"))
	if err != nil {
		return err
	}
	calls, err := startRelay(p, api, func(request []byte) string {
		if strings.HasPrefix(string(request), "GET ") {
			return "log"
		}
		return "call"
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := matrixProcess{points: p, opened: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { m.commands(ctx); cancel() }()
	go func() {
		ended <- Daemon{
			StorePath: filepath.Join(dir, "chertd.db"),
			API: chert.Config{BaseURL: "http://" + calls.at + chertsim.BasePath, Tenant: chertsim.DefaultTenant,
				SigningSecret: chertsim.DefaultSigningSecret},
			Webhook:  Webhook{Listen: "127.0.0.1:0", Path: "/hook", Secrets: []string{chertsim.DefaultWebhookSecret}},
			CatchUp:  CatchUp{Every: time.Second, Wait: time.Minute, Lookback: time.Hour},
			Control:  Control{Socket: filepath.Join(dir, "s")},
			RulesDir: filepath.Join(dir, "rules"),
			Rules:    rules.Options{Packs: map[string]rules.PackOptions{"send": {Grant: []string{"send"}}}},
			Watch:    true,
			Gate: func(context.Context, *rules.Pack) live.GateResult {
				p.around("gate")()
				return live.GateResult{Refused: live.FilesLive}
			},
			Log:  slog.New(&editLog{points: p}),
			open: func() (store.Store, error) { return m.open(ctx, dir) },
			Started: func(a Addresses) {
				host, err := hostOf(a.Webhook)
				if err == nil {
					var r *relay
					if r, err = startRelay(p, host, func([]byte) string { return "delivery" }); err == nil {
						fmt.Println("ready", r.at)
					}
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			},
		}.Run(ctx)
	}()
	return errors.Join(<-ended, p.report())
}

// matrixProcess is a process of the matrix.
type matrixProcess struct {
	*points
	st     store.Store
	opened chan struct{} // closed once st is set
}

func (m *matrixProcess) open(ctx context.Context, dir string) (store.Store, error) {
	st, err := sqlite.Open(ctx, filepath.Join(dir, "chertd.db"), sqlite.Options{Boundary: m.at})
	if err != nil {
		return nil, err
	}
	m.st = crashStore{st, m.points}
	close(m.opened)
	return m.st, nil
}

// commands carries out what standard input says, until it ends.
func (m *matrixProcess) commands(ctx context.Context) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		word, arg, _ := strings.Cut(in.Text(), " ")
		var err error
		select {
		case <-m.opened:
		case <-ctx.Done():
			return
		}
		switch word {
		case "settle":
			var n int
			if n, err = strconv.Atoi(arg); err == nil {
				err = m.settle(ctx, n)
			}
		case "prune":
			err = m.prune(ctx)
		case "aside":
			err = m.aside(ctx)
		case "hits":
			if err := m.report(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			continue
		}
		if err != nil {
			fmt.Println("failed", err)
		} else {
			fmt.Println("done", word)
		}
	}
}

// settleTime is how long a process may take to settle, on a busy machine.
const settleTime = 40 * time.Second

// settle waits until n events and what follows from them are done. The goroutines of the
// daemon have no signal for that.
func (m *matrixProcess) settle(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	have, why := 0, ""
	for {
		if have, why = m.unsettled(ctx, have, n); why == "" {
			return nil
		}
		if !wait.For(ctx, 5*time.Millisecond) {
			return errors.New(why)
		}
	}
}

// unsettled returns how many of the first n events are there, and what is not done; "":
// everything is.
func (m *matrixProcess) unsettled(ctx context.Context, have, n int) (int, string) {
	for ; have < n; have++ {
		if _, ok, err := m.st.Event(ctx, fmt.Sprint("e", have)); !ok || err != nil {
			return have, fmt.Sprintf("event e%d is not there: %v", have, err)
		}
	}
	stats, err := m.st.Stats(ctx)
	if err != nil {
		return have, err.Error()
	}
	early, err := m.st.Early(ctx, 0, 1)
	if err != nil {
		return have, err.Error()
	}
	timers, err := m.st.TimersDue(ctx, store.Due{}, 1)
	if err != nil {
		return have, err.Error()
	}
	if stats.Pending > 0 || len(early) > 0 || len(timers) > 0 || stats.Actions[chat.Waiting]+stats.Actions[chat.Sent]+stats.Actions[chat.Blocked] > 0 {
		return have, fmt.Sprintf("%d events are pending, actions are %v, early %v, timers %v", stats.Pending, stats.Actions, early, timers)
	}
	return have, ""
}

// aside writes what commands and failing calls write.
func (m *matrixProcess) aside(ctx context.Context) error {
	const other = "another credential" // than that of the daemon, which has its own rows
	line := store.UnsupportedLine{Line: "+19995550100", Since: time.Now(), Until: time.Now()}
	hold := chat.SelectionHold{ID: 1 << 40, Of: chat.Selection{Line: line.Line}, By: "alice", Began: line.Since, Until: line.Since, Through: 1, Swept: true, Settled: true}
	_, err := m.st.EraseTexts(ctx, []int64{1})
	_, pruned := m.st.PruneListHistory(ctx, line.Since, 1)
	list := store.ListChange{List: "aside", Version: 1, At: line.Since, By: "ana", Set: []store.MemberSet{{Member: line.Line}}}
	changed := m.st.ChangeList(ctx, list)
	_, erased := m.st.EraseListMember(ctx, line.Line, line.Since)
	return errors.Join(pruned, changed, erased,
		m.st.SetLineStop(ctx, other, store.LineStop{Line: line.Line, Since: line.Since}),
		m.st.SetUnsupportedLine(ctx, line), m.st.DropUnsupportedLine(ctx, line.Line),
		m.st.SetLearnedRate(ctx, other, store.LearnedRate{Rate: 5, Unsure: 0.1, At: line.Since}),
		m.st.SetSelectionHold(ctx, hold), m.st.DropSelectionHold(ctx, hold.ID),
		err, m.st.Scrub(ctx))
}

// prune removes what was written before now, as the daemon does after days. The ids stay.
func (m *matrixProcess) prune(ctx context.Context) error {
	now := time.Now()
	if err := m.st.MarkDay(ctx, now); err != nil {
		return err
	}
	all := func(step func(context.Context, time.Time, store.Cursor, int) (store.Pruned, error), before time.Time) error {
		done := store.Pruned{More: true}
		for done.More {
			var err error
			if done, err = step(ctx, before, done.Next, 64); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.Join(all(m.st.PruneTexts, now), all(m.st.PruneEvents, now.Add(-time.Hour)), all(m.st.PruneSeen, now.Add(-time.Hour)))
}

// editLog has a point where an edit is live.
type editLog struct{ *points }

func (l *editLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *editLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *editLog) WithGroup(string) slog.Handler                    { return l }

func (l *editLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == live.LiveMessage {
		l.at("edit.live")
	}
	if os.Getenv("CHERTD_TEST_CRASH_LOG") != "" {
		fmt.Fprintln(os.Stderr, r.Message)
	}
	return nil
}
