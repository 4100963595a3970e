package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"time"
)

// simAir is the state of the network between the daemon and Chert. Shares are between 0 and 1.
type simAir struct {
	Down     bool    // no connection is made, in either direction
	Request  float64 // calls that are lost on the way there
	Answer   float64 // calls that take effect and whose answer is lost
	Delivery float64 // deliveries that are lost on the way here
	Ack      float64 // deliveries that are taken in and whose answer is lost
	Slow     time.Duration
}

func newSimAir(dice *rand.Rand) simAir {
	return oneOf(dice, simAir{}, simAir{Down: true}, simAir{Request: 0.5}, simAir{Answer: 0.5}, simAir{Ack: 0.6}, simAir{Delivery: 0.6},
		simAir{Slow: 3 * time.Second}, simAir{Request: 0.2, Answer: 0.2, Delivery: 0.3, Ack: 0.3, Slow: time.Second})
}

// simTimeout is how long the daemon waits for an answer of Chert's.
const simTimeout = 4 * time.Second

var (
	errSimDown   = errors.New("connection refused")
	errSimBroken = errors.New("connection reset by peer")
)

// simWire carries the requests of one run of the daemon to Chert. Without a network it
// works on virtual time. How long a request takes, and what becomes of it, depends on what it
// is and how many of its kind came before, not on the order in which goroutines run.
type simWire struct {
	w   *simWorld
	run *simRun
}

// RoundTrip implements http.RoundTripper.
func (x simWire) RoundTrip(req *http.Request) (*http.Response, error) {
	of := simRequest(req)
	dice, air := x.w.dice("call " + of.what)
	call := x.w.callBegins(x.run, of)
	defer x.w.callEnds(call)
	connecting := simLatency(dice, air) / 4
	if x.vetoLate(req.Context(), of.chat) {
		connecting = time.Microsecond // before the veto is handled
	}
	if !x.sleep(req.Context(), connecting) {
		x.w.callDropped(call)
		return nil, x.gone(req.Context())
	}
	if air.Down {
		return nil, errSimDown
	}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if req.Context().Err() != nil {
		x.w.callDropped(call)
		return nil, req.Context().Err()
	}
	x.w.callWritten(call)
	there, back := simLatency(dice, air), simLatency(dice, air)
	lost, silent := dice.Float64() < air.Request, dice.Float64() < air.Answer
	answered := make(chan *http.Response, 1) // nil: none will come
	served, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	x.w.remains.Go(func() {
		time.Sleep(there)
		if lost {
			answered <- nil
			return
		}
		res := simServe(x.w.chert, req, served)
		x.w.callServed(call, res)
		time.Sleep(back)
		if silent {
			res = nil
		}
		answered <- res
	})
	select {
	case res := <-answered:
		if res == nil {
			return nil, errSimBroken
		}
		x.w.callAnswered(call, res)
		return res, nil
	case <-req.Context().Done():
	case <-x.run.dead:
	}
	return nil, x.gone(req.Context())
}

// vetoLate has a veto come in if the world waits for a call of the chat, and reports whether it is
// in the journal.
func (x simWire) vetoLate(ctx context.Context, chat string) bool {
	x.w.mu.Lock()
	v := x.w.lateVeto
	if v == nil || v.begun || v.chat != chat || x.run.isDead() {
		x.w.mu.Unlock()
		return false
	}
	v.begun = true
	x.w.mu.Unlock()
	defer close(v.done)
	x.w.receive(chat, "veto")
	soon, cancel := context.WithTimeout(ctx, simTimeout/2)
	defer cancel()
	select {
	case <-v.journaled:
		return true
	case <-soon.Done():
	case <-x.run.dead:
	}
	return false
}

// sleep waits, and reports whether the daemon still waits for the answer.
func (x simWire) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-x.run.dead:
	}
	return false
}

func (x simWire) gone(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return errSimBroken
}

// simRequested is what a request to Chert is.
type simRequested struct {
	what string
	chat string // of a mark-read; "": it is none
	asks string // the chat of a question: which message is the newest; "": it is none
}

func simRequest(req *http.Request) simRequested {
	of := simRequested{what: strings.TrimPrefix(req.URL.Path, "/api/v1/")}
	if id, rest, ok := strings.Cut(strings.TrimPrefix(of.what, "chats/"), "/"); ok {
		switch rest {
		case "mark-read":
			of.chat = id
		case "messages":
			of.asks = id
		}
	}
	return of
}

// simHook carries Chert's deliveries to the daemon.
type simHook struct{ w *simWorld }

// RoundTrip implements http.RoundTripper.
func (x simHook) RoundTrip(req *http.Request) (*http.Response, error) {
	id := req.Header.Get("X-Webhook-Event-Id")
	dice, air := x.w.dice("delivery " + id)
	there, back := simLatency(dice, air), simLatency(dice, air)
	lost, silent := dice.Float64() < air.Delivery, dice.Float64() < air.Ack
	time.Sleep(there)
	run := x.w.up()
	if air.Down || lost || run == nil {
		return nil, errSimDown
	}
	came := x.w.moment()
	var early *simRun
	if !run.m.eng.Status().CatchUp.IsZero() {
		early = run
	}
	res := simServe(run.m.hook, req, context.Background())
	if res == nil || run.isDead() {
		x.w.unanswered(id, came, early)
		return nil, errSimBroken
	}
	x.w.delivered(id, res.StatusCode, came, early)
	time.Sleep(back)
	if silent {
		return nil, errSimBroken
	}
	return res, nil
}

// simServe has a handler answer a request; nil: it broke the connection. ctx ends when its
// client has gone.
func simServe(h http.Handler, req *http.Request, ctx context.Context) (res *http.Response) {
	inner := req.Clone(ctx)
	inner.RequestURI, inner.RemoteAddr, inner.Host = req.URL.RequestURI(), "127.0.0.1:1", req.URL.Host
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			res = nil
		}
	}()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, inner)
	return answer.Result()
}

// simLatency returns how long one way takes.
func simLatency(dice *rand.Rand, air simAir) time.Duration {
	return simWhile(dice, 100*time.Microsecond, 30*time.Millisecond) + time.Duration(dice.Float64()*float64(air.Slow))
}

// dice returns the dice of the next thing of a kind, and the state of the network.
func (w *simWorld) dice(kind string) (*rand.Rand, simAir) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nth[kind]++
	return w.diceOf(fmt.Sprint(kind, " ", w.nth[kind])), w.air
}

// diceOf returns dice for a purpose.
func (w *simWorld) diceOf(purpose string) *rand.Rand {
	h := fnv.New64a()
	io.WriteString(h, purpose)
	return rand.New(rand.NewPCG(w.plan.seed, h.Sum64()))
}

// simBody returns the body of an answer, which can be read again.
func simBody(res *http.Response) []byte {
	b, _ := io.ReadAll(res.Body) // of a recorder: it can't fail
	res.Body = io.NopCloser(bytes.NewReader(b))
	return b
}
