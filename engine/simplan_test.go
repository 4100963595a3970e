package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"chertd/engine/chertsim"
	"chertd/rules"
)

// simPlan is what a simulation does: the settings of its daemon, and the steps. The seed alone
// determines it.
type simPlan struct {
	seed   uint64
	shards int     // with several, goroutines race for places in the journal, and a seed replays roughly only
	rate   float64 // ceiling of the calls a second
	burst  int
	kv     bool // rules use kv: then no batch lends its chats
	steps  []simStep

	concurrency int  // calls on the wire
	night       bool // there is simNight
	asks        bool // reads with only_if are requested
	crowd       bool // there are chats enough of one line to open its breaker
	rush        simRush
}

// simStep is one stimulus, and how long the world rests after it. Fields that its kind does
// not use are zero.
type simStep struct {
	kind   simKind
	chat   string
	line   string   // that is held
	texts  []string // of messages, each a moment after the one before; of one signal, each time that it is sent
	fault  chertsim.FailRule
	air    simAir
	late   chertsim.Mischief
	d      time.Duration // how far a clock is set, how long a hold or a downtime is
	rate   float64       // Chert's limit
	burst  int
	after  int // a kill comes after so many transactions
	share  string
	rest   time.Duration
	target string     // PACK or PACK/RULE, whose mode is set
	mode   rules.Mode // "": it is taken back
}

// simKind is the kind of a step.
type simKind string

const (
	simMessages  simKind = "messages"
	simFault     simKind = "fault"     // Chert begins to fail calls
	simWell      simKind = "well"      // Chert fails no more calls, and its clock is right
	simWeather   simKind = "weather"   // the network between Chert and the daemon changes
	simMischief  simKind = "mischief"  // deliveries are dropped, doubled, delayed
	simLimit     simKind = "limit"     // Chert's limit changes
	simSkew      simKind = "skew"      // Chert's clock is off
	simJump      simKind = "jump"      // the local clock is set
	simEdit      simKind = "edit"      // of the rules
	simBreak     simKind = "break"     // the rules, by an edit with an error
	simHold      simKind = "hold"      // of a chat, by an operator
	simRelease   simKind = "release"   // of a chat, by an operator
	simHoldLine  simKind = "holdline"  // all chats of a line, by an operator
	simFreeLine  simKind = "freeline"  // ends that
	simPause     simKind = "pause"     // of all calls, by an operator
	simResume    simKind = "resume"    // of all calls, by an operator
	simRestart   simKind = "restart"   // the daemon stops and starts
	simCrash     simKind = "crash"     // the daemon is killed while it waits for something
	simCrashBack simKind = "crashback" // it is killed before one of its next transactions
	simCrashOn   simKind = "crashon"   // it is killed after one of its next transactions, before it learns of it
	simLineDown  simKind = "linedown"  // the line of the crowd fails the next calls, and each chat of it gets a message
	simLateVeto  simKind = "lateveto"  // of a read whose call is about to be written
	simSignal    simKind = "signal"    // of a chat, from outside, several times
	simMode      simKind = "mode"      // of a pack or a rule, by an operator, also for a time
	simReply     simKind = "reply"     // to a chat, on another device, of which Chert sends no event
	simRest      simKind = "rest"
)

func (s *simStep) String() string {
	text := string(s.kind)
	for _, part := range []struct {
		there bool
		text  string
	}{
		{s.target != "", fmt.Sprintf("%s %q", s.target, s.mode)},
		{s.chat != "", s.chat}, {s.line != "", s.line}, {len(s.texts) > 0, fmt.Sprintf("%q", s.texts)},
		{s.fault.Mode != "", fmt.Sprintf("%s code=%d chat=%s line=%s times=%d retry_after=%d", s.fault.Mode, s.fault.Code, s.fault.Chat, s.fault.Line, s.fault.Times, s.fault.RetryAfter)},
		{s.kind == simWeather, fmt.Sprintf("%+v", s.air)}, {s.kind == simMischief, fmt.Sprintf("%+v", s.late)},
		{s.d != 0, s.d.String()}, {s.share != "", s.share}, {s.after > 0, fmt.Sprintf("after %d transactions", s.after)}, {s.kind == simLimit, fmt.Sprintf("%.2g/s, burst %d", s.rate, s.burst)},
	} {
		if part.there {
			text += " " + part.text
		}
	}
	return text
}

// simLines has the phone line of each chat.
var simLines = map[string]string{
	"c1": "+14155550100", "c2": "+14155550100", "c3": "+14155550101", "c4": "+14155550101", "c5": "+14155550102",
	"d1": simCrowdLine, "d2": simCrowdLine, "d3": simCrowdLine, "d4": simCrowdLine, "d5": simCrowdLine, "d6": simCrowdLine,
}

// simChats are the chats, in order.
var simChats = []string{"c1", "c2", "c3", "c4", "c5"}

// simCrowd are further chats, of one line. They are more than fail before its breaker opens.
var simCrowd = []string{"d1", "d2", "d3", "d4", "d5", "d6"}

func init() {
	for _, chat := range simRushChats {
		simLines[chat] = simRushLine
	}
}

const simCrowdLine = "+14155550103"

// chats returns the chats that there are.
func (p *simPlan) chats() []string {
	list := slices.Clone(simChats)
	if p.crowd {
		list = append(list, simCrowd...)
	}
	if len(p.rush.limits) > 0 {
		list = append(list, simRushChats...)
	}
	return list
}

// newSimPlan makes the plan of a seed. Each step has dice of its own, so that it is the same
// whatever the others draw.
func newSimPlan(seed uint64) simPlan {
	dice := rand.New(rand.NewPCG(seed, 0))
	p := simPlan{
		seed:   seed,
		shards: *simShards,
		rate:   oneOf(dice, 0.5, 2, 10),
		burst:  oneOf(dice, 1, 3, 20),
		kv:     dice.IntN(3) > 0,

		concurrency: oneOf(dice, 1, 2, 8),
	}
	for n := range 12 + dice.IntN(20) {
		p.steps = append(p.steps, newSimStep(rand.New(rand.NewPCG(seed, uint64(n)+1))))
	}
	if p.crowd = dice.IntN(4) == 0; p.crowd {
		for range 1 + dice.IntN(2) {
			down := simStep{kind: simLineDown, rest: simWhile(dice, time.Second, time.Minute)}
			down.fault = chertsim.FailRule{Mode: chertsim.FailEnvelope, Code: 4001, Route: "mark-read", Line: simCrowdLine, Times: len(simCrowd) + dice.IntN(6)}
			p.steps = slices.Insert(p.steps, dice.IntN(len(p.steps)), down)
		}
	}
	if dice.IntN(2) == 0 {
		veto := simStep{kind: simLateVeto, chat: oneOf(dice, simChats...), rest: simWhile(dice, time.Millisecond, 15*time.Second)}
		p.steps = slices.Insert(p.steps, dice.IntN(len(p.steps)), veto)
	}
	if dice := rand.New(rand.NewPCG(seed, 1<<40)); dice.IntN(3) == 0 {
		line := simLines[oneOf(dice, simChats...)]
		for _, kind := range [][]simKind{{simHoldLine}, {simHoldLine, simFreeLine}, {simHoldLine, simHoldLine}}[dice.IntN(3)] {
			hold := simStep{kind: kind, line: line, d: oneOf(dice, 5*time.Second, time.Minute, 10*time.Minute), rest: simWhile(dice, time.Millisecond, 15*time.Second)}
			p.steps = slices.Insert(p.steps, dice.IntN(len(p.steps)), hold)
		}
	}
	if dice.IntN(10) == 0 {
		limit := oneOf(dice, 0.25, 0.5, 1)
		p.rush = simRush{oneOf(dice, []float64{limit}, []float64{limit, 2 * limit}), oneOf(dice, 1, 2, 5)}
	}
	if dice.IntN(4) == 0 {
		at := 0
		for _, s := range newSimTries(dice) {
			at += dice.IntN((len(p.steps)-at)/3 + 1)
			p.steps = slices.Insert(p.steps, at, s)
			at++
		}
	}
	for range dice.IntN(5) {
		signal := simStep{kind: simSignal, chat: oneOf(dice, simChats...), texts: []string{oneOf(dice, "read", "nothing")}, rest: simWhile(dice, time.Microsecond, 5*time.Second)}
		for range dice.IntN(3) {
			signal.texts = append(signal.texts, signal.texts[0])
		}
		p.steps = slices.Insert(p.steps, dice.IntN(len(p.steps)), signal)
	}
	// These have dice of their own, and come in the place of half of the other steps: seeds without them are
	// as they were, and those with them hardly take longer.
	dice = rand.New(rand.NewPCG(seed, 1<<41))
	var more []simStep
	switch n := dice.IntN(6); {
	case n < 2:
		p.night, more = true, newSimModes(dice)
	case n < 4:
		p.asks, more = true, newSimAsks(dice)
	default:
		return p
	}
	p.steps = p.steps[:(len(p.steps)+1)/2]
	p.mix(dice, more)
	return p
}

// mix inserts steps anywhere, in their order.
func (p *simPlan) mix(dice *rand.Rand, steps []simStep) {
	at := 0
	for i := range steps {
		at += dice.IntN((len(p.steps)-at)/(len(steps)-i) + 1)
		p.steps = slices.Insert(p.steps, at, steps[i])
		at++
	}
}

func newSimStep(dice *rand.Rand) simStep {
	s := simStep{chat: oneOf(dice, simChats...)}
	switch n := dice.IntN(100); {
	case n < 45:
		s.kind = simMessages
		for range 1 + dice.IntN(4) {
			s.texts = append(s.texts, simText(dice))
		}
	case n < 57:
		s.kind, s.fault = simFault, newSimFault(dice, s.chat)
		s.chat = ""
	case n < 61:
		s.kind = simWell
	case n < 67:
		s.kind, s.air = simWeather, newSimAir(dice)
	case n < 71:
		s.kind = simMischief
		s.late = oneOf(dice, chertsim.Mischief{Drop: 0.5}, chertsim.Mischief{Duplicate: 0.7}, chertsim.Mischief{Reorder: 0.6, Within: 20 * time.Second},
			chertsim.Mischief{Drop: 0.2, Duplicate: 0.2, Reorder: 0.3, Within: 90 * time.Second}, chertsim.Mischief{})
	case n < 73:
		s.kind, s.rate, s.burst = simLimit, oneOf(dice, 0, 0.3, 1, 5), oneOf(dice, 1, 2, 5)
	case n < 74:
		s.kind, s.d = simSkew, oneOf(dice, -20*time.Minute, 7*time.Minute, time.Hour)
	case n < 77:
		s.kind, s.d = simJump, oneOf(dice, -2*time.Hour, -time.Minute, -2*time.Second, 3*time.Second, 40*time.Second, 30*time.Minute)
	case n < 82:
		s.kind = oneOf(dice, simEdit, simEdit, simEdit, simBreak)
	case n < 86:
		s.kind, s.d = simHold, oneOf(dice, 5*time.Second, time.Minute, 10*time.Minute)
	case n < 87:
		s.kind = simRelease
	case n < 90:
		s.kind = oneOf(dice, simPause, simResume)
	case n < 97:
		s.kind = oneOf(dice, simRestart, simCrash, simCrashBack, simCrashOn)
		s.d = simWhile(dice, time.Millisecond, time.Minute)
		if s.kind == simCrashBack || s.kind == simCrashOn {
			s.texts = []string{simText(dice)} // there is something to commit
			s.after = dice.IntN(4)            // the message is kept, it is handled, and its call is answered
			break
		}
		for range dice.IntN(5) { // they come before what was missed is caught up
			s.texts = append(s.texts, simText(dice))
		}
	default:
		s.kind, s.rest = simRest, simWhile(dice, 20*time.Second, 2*time.Minute)
		return s
	}
	s.rest = simWhile(dice, time.Millisecond, 15*time.Second)
	return s
}

// simText returns a message: words that simWords acts on.
func simText(dice *rand.Rand) string {
	words := []string{oneOf(dice, "read", "read", "read", "later", "sure", "flip", "nothing")}
	if dice.IntN(4) == 0 {
		words = append(words, oneOf(dice, "veto", "hold", "free", "timer", "timer", "later"))
	}
	return strings.Join(words, " ")
}

// newSimFault returns how Chert fails calls from now on.
func newSimFault(dice *rand.Rand, chat string) chertsim.FailRule {
	line := simLines[chat]
	f := oneOf(dice,
		chertsim.FailRule{Code: 1007, RetryAfter: 1 + dice.IntN(20), Times: 1 + dice.IntN(3)},
		chertsim.FailRule{Code: 1007, RetryAfter: 1 + dice.IntN(90), Times: 1, Route: "any"},
		chertsim.FailRule{Code: 3002},
		chertsim.FailRule{Code: 3001, Times: 1 + dice.IntN(5)},
		chertsim.FailRule{Code: 4002, Chat: chat, RetryAfter: 1 + dice.IntN(30), Times: 1 + dice.IntN(3)},
		chertsim.FailRule{Code: 4001, Line: line},
		chertsim.FailRule{Code: 4099, Line: line, Times: 1 + dice.IntN(2)},
		chertsim.FailRule{Code: 2002, Chat: chat, Times: 1},
		chertsim.FailRule{Code: 2004},
		chertsim.FailRule{Mode: chertsim.FailHTML, Times: dice.IntN(8)},
		chertsim.FailRule{Mode: chertsim.FailHTML, Route: "any"},
		chertsim.FailRule{Mode: chertsim.FailRaw, Body: `{"ok": true}`, Times: 1 + dice.IntN(3)},
		chertsim.FailRule{Mode: chertsim.FailHang, Line: line, Times: 1 + dice.IntN(4)},
		chertsim.FailRule{Mode: chertsim.FailReset, Times: 1 + dice.IntN(4)},
		chertsim.FailRule{Mode: chertsim.FailReset, Applied: true, Times: 1 + dice.IntN(4)},
		chertsim.FailRule{Mode: chertsim.FailTruncated, Times: 1 + dice.IntN(4)},
	)
	switch f.Route {
	case "":
		f.Route = "mark-read"
	case "any":
		f.Route = ""
	}
	if f.Mode == "" {
		f.Mode = chertsim.FailEnvelope
	}
	return f
}

// simWhile returns a duration between two, each order of magnitude as likely as another. It
// hardly ever is a whole number of microseconds, so that things hardly ever happen at a time.
func simWhile(dice *rand.Rand, least, most time.Duration) time.Duration {
	f := math.Log(float64(least)) + dice.Float64()*(math.Log(float64(most))-math.Log(float64(least)))
	return time.Duration(math.Exp(f))
}

func oneOf[T any](dice *rand.Rand, of ...T) T { return of[dice.IntN(len(of))] }
