//go:build race

package dispatch

// raceEnabled says that the tests run under the race detector.
const raceEnabled = true
