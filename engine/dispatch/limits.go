package dispatch

import (
	"time"

	"chertd/engine/chert"
)

// Every limit on calls to Chert stands in this file, apart from those of one chat
// (chertd/rules/chat: Backoff, RetryFor, TypingLife) and from limits.reads of a
// pack, which is about reads rather than about calls.

// Limits of a configuration: chert.rate.limit in calls per second, chert.rate.burst
// in calls, chert.concurrency in calls on the wire. Chert publishes no limit. The
// defaults are far above what an ordinary account needs; the upper bounds catch
// typing errors.
const (
	DefaultRate = 10
	MaxRate     = 10_000

	DefaultBurst = 20
	MaxBurst     = 10_000

	DefaultConcurrency = chert.DefaultMaxConns
	MaxConcurrency     = 1_000
)

// Bounds of the chert.timeout of a configuration, for one attempt.
const (
	MinTimeout = 100 * time.Millisecond
	MaxTimeout = 10 * time.Minute
)

// Bounds of a retry_after. Anything shorter than the first step of the backoff
// is raised to it, and more than an hour is more likely a mistake than a limit.
const (
	minPause = time.Second
	maxPause = time.Hour
)

// boundedWait returns a retry_after within bounds; 0 stays 0: none was given.
func boundedWait(retryAfter time.Duration) time.Duration {
	if retryAfter <= 0 {
		return 0
	}
	return min(max(retryAfter, minPause), maxPause)
}

// Probes of a stop, of all calls or of those of one line, begin after probeFirst, and their intervals double up to
// probeMax: once an operator has fixed the credentials or the proxy, calls resume
// within half a minute, and until then Chert receives one call per half minute.
const (
	probeFirst = time.Second
	probeMax   = 30 * time.Second
)

// foreignChats is how many chats must receive a foreign answer, with no answer of
// Chert's in between, before all calls stop. One chat may receive it because of its
// id, such as from a filter that blocks it. A chat that received one while Chert
// answered others (Culprits) does not count again.
const foreignChats = 3

// Limits of Culprits.
const (
	// maxCulprits is how many are kept at a time. Beyond that some count as new.
	maxCulprits = 4096
	// culpritFor is how long one that fails alone is kept after its last failure:
	// longer than the backoff between two attempts.
	culpritFor = time.Hour
)

// lineChats is how many chats of a phone line must fail, with no success of the line in
// between, before its breaker opens. One chat may fail because of its recipient.
const lineChats = 5

// Limits of one phone line on the wire: places.
const (
	// hangsAfter is longer than an ordinary call takes.
	hangsAfter = time.Second
	// aloneAfter is how long a line without calls still counts as another line.
	aloneAfter = time.Hour
)

// Limits of the Queue and of an Agenda.
const (
	// freshFor is how long a call counts as fresh after it is due: about as long as
	// the calls of an ordinary burst wait for the governor.
	freshFor = 2 * time.Second
	// oldShare is the share of old calls while there are fresh ones: every eighth.
	oldShare = 8
	// maxLines is how many lines are in memory at a time. An account has a few.
	maxLines = 4096
	// defaultCapacity is how many entries are in memory: about 8 MB for each agenda.
	defaultCapacity = 1 << 16
	// minCapacity is how many entries each of them may keep in memory at least.
	minCapacity = 16
)

// MaxUndurable is how many calls may be in flight besides those on the wire: their answers
// are not durable yet. A process that is killed repeats at most these and those on the
// wire. It is what 10,000 calls per second, and commits of 12 ms, need. Four times as many
// made no difference with 32 senders, and a twentieth with 128, whose commits take longer.
// At ordinary rates a few are in flight.
const MaxUndurable = 128

// asksPerPlace is how many chats of one group are asked for their calls, or wait for a place
// after that, for each place on the wire: enough to use all places while a batch of the
// group's shard is on its way to the disk.
const asksPerPlace = 2

// retryReady is how soon a failed read of what is due, from the store or from a
// chat, is repeated.
const retryReady = time.Second

// Limits of a learner. They were found by the simulation of TestGovernorLearnsTheLimit over
// buckets and windows, whose budgets are 95% of the limit and 1% of calls answered 429.
const (
	// pressedFor is within which time the latest eight requests went out if as many went out
	// as possible: even a ceiling of four a second then had room for no more.
	pressedFor = 2 * time.Second
	// window is the length in seconds of the windows that limits are expected to have.
	window = 60
	// windowSlack is how long after the end of a window the first request goes out. Its start
	// is known to the jitter of the network, and a request that is too early is refused.
	windowSlack = 500 * time.Millisecond
	// nearly is to how many seconds the boundary of a window is known at best: to the
	// second of a retry_after, and to minPause without one. At twice that, a window of 60
	// calls is counted to one call.
	nearly = 1
	// narrow is to how many seconds a moment must show a boundary to count as evidence of
	// windows: pauses of 1, 2 and 4 s do. By chance, two moments in 12 agree to that.
	narrow = 5
	// jitter is by how many seconds requests of the simulation, and their answers, may
	// differ in how long they take, doubled.
	jitter = 0.2
	// bucketRest is how many calls a bucket must have had room for in the pauses of a moment
	// before it is taken for a window.
	bucketRest = 3
	// roundedUp is by how many seconds a short retry_after is too long, as it is whole
	// seconds: half a second on average, and less as a bucket may keep what it gains.
	roundedUp = 0.3
	// fell is below which share of the rate since a change the last measurement shows that
	// the limit has fallen since.
	fell = 0.8
	// leastUnsure and mostUnsure bound the uncertainty of a limit, as a share of it. The
	// least is that of 200 calls.
	leastUnsure = 0.005
	mostUnsure  = 0.125
	// startMargin is how far the hold is below a new limit, as a share of it. It grows up
	// to mostMargin with 429s below the limit, which the jitter of the network causes
	// where the server's burst is one call, and shrinks to minMargin with those above it.
	startMargin = 0.015
	minMargin   = 0.01
	mostMargin  = 0.06
	// lateness is how late a timer may be for calls to catch up, in seconds.
	lateness = 0.2
	// echo is how many calls may be accepted before a 429 that still belongs to the moment
	// before it.
	echo = 5
	// mostHits is how many 429s of a moment lengthen the hold at most.
	mostHits = 3
	// holdCalls is how many calls a hold has if the limit is known well: more than twice as
	// many as one 429 may be 1% of, as a moment may have several.
	holdCalls = 220
	// A hold lasts for holdPauses pauses, so that they cost a thirtieth, but within these
	// bounds in seconds.
	holdPauses = 30
	leastHold  = 90
	mostHold   = 600
	// oldLimit is the age from which a limit is probed sooner, and in larger steps.
	oldLimit = time.Hour
)

// levelLength is how long a level of a climb lasts, and shortestRun how long requests must
// wait for the pace to count towards it. Shorter bursts fit into the server's.
var (
	levelLength = stretch{10, 20}
	shortestRun = stretch{5, 5}
)
