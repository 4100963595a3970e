//go:build !race

package luabind

// raceEnabled says that the tests run under the race detector.
const raceEnabled = false
