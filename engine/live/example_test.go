package live_test

import (
	"fmt"
	"time"

	"chertd/engine/live"
)

// The edit of a pack that is live passes its specs and goes live.
func ExampleStep() {
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	standing := live.Standing{
		PackState: live.PackState{Pack: "codes", Live: "a1"},
		Version:   live.Version{Hash: "a1", Built: "a1"},
		Config:    live.PackConfig{Gate: true},
	}

	// The folder is read, and the pack's files are others.
	edit := live.Edit{Version: "b2", Built: "b2", Key: "b2", Path: "rules/codes.lua"}
	standing, commands := live.Step(standing, live.Found{Edit: edit}, now)
	fmt.Println("to be compiled:", commands.Compile.Version)

	// They load, and their specs are run.
	standing, commands = live.Step(standing, live.Compiled{Edit: edit, Version: live.Version{Hash: "b2", Built: "b2"}}, now)
	fmt.Println("live:", standing.Version.Hash, "because", standing.Verdict)
	fmt.Println("the gate is to run:", commands.RunGate)

	// The specs pass. Once the new state is kept, the edit is live.
	standing, commands = live.Step(standing, live.Gated{}, now)
	fmt.Println("to be kept:", commands.Keep.State.Live)
	fmt.Println("live:", standing.Version.Hash)

	// Output:
	// to be compiled: b2
	// live: a1 because its specs are running
	// the gate is to run: true
	// to be kept: b2
	// live: b2
}
