package main

import (
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // expected texts show local times
	testscript.Main(m, map[string]func(){"chertd": main})
}

// TestScripts runs the sessions of testdata: what one types, what comes back
// on which output, and how it ends.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":      exits,
			"daemon":     daemonCommand,
			"eventually": eventually,
			"chert":      chertCommand,
		},
		Setup: func(env *testscript.Env) error {
			env.Values[scriptedKey{}] = &scripted{}
			return nil
		},
	})
}

// exits runs a command and compares its exit code: "exits 78 chertd run".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG ...]")
	}
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		coded, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		code = strconv.Itoa(coded.ExitCode())
	}
	if code != args[0] {
		ts.Fatalf("%v exits with %s, want %s", args[1:], code, args[0])
	}
}
