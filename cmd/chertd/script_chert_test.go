package main

import (
	"net/http/httptest"

	"github.com/rogpeppe/go-internal/testscript"

	"chertd/engine/chertsim"
)

// chertCommand runs a simulated Chert for a script:
//
//	chert start           on a port of its own; CHERT is then the URL of its API
//	chert receives CHAT   a message comes in: from then on it knows the chat
//
// It delivers nothing to the script's daemon.
func chertCommand(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case !neg && len(args) == 1 && args[0] == "start":
		sim := chertsim.New(chertsim.Config{Seed: 1})
		server := httptest.NewServer(sim)
		ts.Defer(func() {
			server.Close()
			sim.Close()
		})
		ts.Setenv("CHERT", server.URL+chertsim.BasePath)
		ts.Value(scriptedKey{}).(*scripted).sim = sim
	case !neg && len(args) == 2 && args[0] == "receives":
		ts.Value(scriptedKey{}).(*scripted).sim.Receive(chertsim.Incoming{Chat: args[1], From: "+14155550199", Text: "hello"})
	default:
		ts.Fatalf("usage: chert start | receives CHAT")
	}
}
