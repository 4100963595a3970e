package sqlite_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var crashes = flag.Int("crashes", 2, "how often TestKilledProcessLosesNothingAcknowledged kills the process that writes")

// victimEnv names the database a killed process writes; set, this program is
// that process.
const victimEnv = "CHERTD_STORE_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victimEnv); path != "" {
		victim(path, os.Getenv(victimEnv+"_ROUND"))
	}
	flag.Parse()
	if drawn := flag.Lookup("rapid.checks"); raceEnabled && drawn != nil && drawn.Value.String() == drawn.DefValue {
		// A race shows in few of the random cases, and each takes ten times as long.
		if err := drawn.Value.Set("15"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// victim appends and commits from several goroutines until it is killed, and prints
// what the store reports as durable: "append ID" and "commit SEQ".
func victim(path, round string) {
	s, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(words...)
	}
	fmt.Println("ready")
	for side := range 4 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s.%d.%d", round, side, i)
				a := message(1, 1)
				a.Event.ID = id
				receipts, err := s.Append(context.Background(), []turn.Arrival{a})
				if err != nil {
					say("error", err)
					os.Exit(1)
				}
				say("append", id)
				if i%3 == 0 {
					continue // stays pending
				}
				if err := s.Commit(context.Background(), []turn.Transition{footprint(receipts[0].Seq)}); err != nil {
					say("error", err)
					os.Exit(1)
				}
				say("commit", receipts[0].Seq)
			}
		}()
	}
	select {}
}

// footprint is a transition that leaves a trace of its event in every table.
func footprint(seq int64) turn.Transition {
	name := fmt.Sprint("c", seq)
	c := chat.Chat{
		ID: name, LastEvent: seq,
		Waiting: []chat.Action{{ID: chat.ActionID{Seq: seq}, Kind: chat.Read, Chat: name, Status: chat.Waiting}},
		Timers:  []chat.Timer{{Pack: "p", Name: "t", Seq: seq}},
	}
	caused := message(1, 1)
	caused.Event.ID = "by " + name
	return turn.Transition{
		Decision: &turn.Decision{Seq: seq}, Chat: &c, Actions: c.Waiting, Timers: []chat.TimerChange{{Timer: c.Timers[0]}},
		States: []turn.State{{Pack: "p", Chat: name, Value: json.RawMessage("1")}},
		Writes: []turn.KV{{Pack: "p", Key: name, Value: json.RawMessage("1")}},
		Append: []turn.Arrival{caused},
	}
}

// TestKilledProcessLosesNothingAcknowledged: after a kill at any moment, what was acknowledged is there, and each
// commit is whole or absent.
func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "chertd.db")
	var appended []string
	committed := map[string]bool{}
	for round := range *crashes {
		kill(t, path, round, func(word, rest string) {
			switch word {
			case "append":
				appended = append(appended, rest)
			case "commit":
				committed[rest] = true
			}
		})
		check(t, path, appended, committed)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Logf("%d appends and %d commits were answered before %d kills, and are there", len(appended), len(committed), *crashes)
}

// kill lets a process write for a while, and passes on what it says.
func kill(t *testing.T, path string, round int, heard func(word, rest string)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+path, fmt.Sprintf("%s_ROUND=%d", victimEnv, round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, most := bufio.NewReader(out), 20+rand.IntN(200)
	killed := false
	for n := 0; ; n++ {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // a last line that was cut short does not count
		}
		if err != nil {
			t.Fatal(err)
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "error":
			t.Errorf("the process that writes says: %s", rest)
		case "ready":
			if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), fmt.Sprint("pid ", cmd.Process.Pid)) {
				t.Errorf("open a store that process %d has open: %v", cmd.Process.Pid, err)
			}
		}
		heard(word, rest)
		if n >= most && !killed {
			// The exact moment is a matter of chance.
			time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { cmd.Process.Kill() })
			killed = true
		}
	}
	cmd.Wait()
}

// check fails the test if a store lacks what was acknowledged, or has a commit in part.
func check(t *testing.T, path string, appended []string, committed map[string]bool) {
	t.Helper()
	if err := inspect(t.Context(), path, appended, committed, func(format string, args ...any) { t.Errorf(format, args...) }); err != nil {
		t.Fatal(err)
	}
}

// inspect reports what of the acknowledged a store lacks, and which commits it has in part.
func inspect(ctx context.Context, path string, appended []string, committed map[string]bool, wrong func(format string, args ...any)) (err error) {
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, id := range appended {
		if _, ok, err := s.Event(ctx, id); !ok || err != nil {
			wrong("event %s was acknowledged and is gone: %v", id, err)
		}
	}
	if differs, err := sqlite.Recount(ctx, s); differs != "" || err != nil {
		wrong("%s %v", differs, err)
	}
	pending := map[int64]bool{}
	list, err := s.Pending(ctx, store.Shard{Of: 1}, 0, 1<<20)
	if err != nil {
		return err
	}
	for _, e := range list {
		pending[e.Seq] = true
	}
	for seq := int64(1); seq <= s.LastSeq(); seq++ {
		name := fmt.Sprint("c", seq)
		c, err := sqlite.OneChat(s.Chats(ctx, []string{name}))
		if err != nil {
			return err
		}
		state, err := s.State(ctx, "p", name)
		if err != nil {
			return err
		}
		kv, err := s.KV(ctx, "p", name, time.Time{})
		if err != nil {
			return err
		}
		_, caused, err := s.Event(ctx, "by "+name)
		if err != nil {
			return err
		}
		parts := []bool{!pending[seq], c.LastEvent == seq, len(c.Waiting) == 1, len(c.Timers) == 1, state != nil, kv.Value != nil, caused}
		for _, part := range parts {
			if part != parts[0] {
				wrong("the commit of %d is there in part: handled, chat, action, timer, state, kv, caused = %v", seq, parts)
				break
			}
		}
		if committed[fmt.Sprint(seq)] && !parts[0] {
			wrong("the commit of %d was acknowledged and is gone", seq)
		}
	}
	return nil
}
