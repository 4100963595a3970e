//go:build !race

package rules

// raceEnabled says that the tests run under the race detector.
const raceEnabled = false
