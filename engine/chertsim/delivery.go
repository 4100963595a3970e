package chertsim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxAttempts is how often a delivery is tried on 5xx or no answer.
const maxAttempts = 3

// SignatureForm is a way in which a delivery carries its signature.
type SignatureForm string

// The forms in use.
const (
	AllForms    SignatureForm = ""        // each in turn, by the event's place in the log
	CurrentForm SignatureForm = "current" // X-Webhook-Signature: t=<ts>,v1=<hex>
	PlainForm   SignatureForm = "plain"   // X-Webhook-Signature: v1,<ts>,<hex>
	LegacyForm  SignatureForm = "legacy"  // x-chert-signature: v1,<ts>,<hex>
)

// job is one delivery of one row to one subscription.
type job struct {
	row     *logRow
	sub     *subscription
	attempt int // that comes next, from 1
}

// deliveries are what is to be delivered. Sim.mu guards all but the client and
// the wait group. Workers are started as there is work and end when there is
// none, so an idle simulator has no goroutines.
type deliveries struct {
	jobs        []job
	timers      map[*time.Timer]struct{} // retries and delays that wait
	running     int
	workers     int
	outstanding int // queued, waiting or in flight
	closed      bool
	waiters     map[chan struct{}]int // closed when no more than so many are outstanding

	client *http.Client
	wg     sync.WaitGroup
}

func (d *deliveries) init(cfg Config) {
	transport := cfg.Transport
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.Proxy = nil
		own.MaxIdleConnsPerHost = cfg.Workers
		transport = own
	}
	d.workers = cfg.Workers
	d.timers = map[*time.Timer]struct{}{}
	d.waiters = map[chan struct{}]int{}
	d.client = &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Drain waits until nothing is queued for delivery, waiting for its next
// attempt, or in flight.
func (s *Sim) Drain(ctx context.Context) error { return s.room(ctx, 1) }

// room waits until fewer than n deliveries are outstanding.
func (s *Sim) room(ctx context.Context, n int) error {
	s.mu.Lock()
	if s.queue.outstanding < n {
		s.mu.Unlock()
		return ctx.Err()
	}
	ready := make(chan struct{})
	s.queue.waiters[ready] = n
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.queue.waiters, ready)
	return fmt.Errorf("wait for webhook deliveries, of which %d are outstanding: %w", s.queue.outstanding, ctx.Err())
}

// Outstanding is how many deliveries are queued, waiting or in flight.
func (s *Sim) Outstanding() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.outstanding
}

// deliver sends a new row to the subscriptions that wanted it when it was
// recorded.
func (s *Sim) deliver(r *logRow) {
	s.mu.Lock()
	targets := r.targets
	r.targets = nil
	lost := s.sendTo(r, targets)
	s.mu.Unlock()
	for _, h := range lost {
		s.watch.tell(h)
	}
}

// deliverTo sends a row once more, to one subscription or ("") to all, and
// answers to how many.
func (s *Sim) deliverTo(r *logRow, only string) int {
	s.mu.Lock()
	var targets []*subscription
	for _, sub := range s.subs {
		if only == "" && sub.wants(r.Type) || only == sub.ID {
			targets = append(targets, sub)
		}
	}
	r.pending += len(targets)
	r.failed, r.done = 0, 0 // the row stands as this replay goes
	lost := s.sendTo(r, targets)
	s.mu.Unlock()
	for _, h := range lost {
		s.watch.tell(h)
	}
	return len(targets)
}

// sendTo queues the deliveries of a row, each as the mischief has it, and
// answers those that are lost on the way. s.mu is held.
func (s *Sim) sendTo(r *logRow, targets []*subscription) (lost []Happening) {
	for _, sub := range targets {
		if sub.URL == devInboxURL {
			r.pending--
			r.done++
			continue
		}
		times := s.mischief.times(s.dice)
		if len(times) == 0 {
			r.pending--
			r.failed++
			r.Delivery.Attempts += maxAttempts
			r.Delivery.LastError = "dropped by the simulator"
			lost = append(lost, Happening{At: s.now(), Kind: DeliveryFailed, Chat: r.Chat, Type: r.Type, EventID: r.EventID,
				Attempt: maxAttempts, Final: true, Detail: r.Delivery.LastError})
			continue
		}
		r.pending += len(times) - 1
		for _, wait := range times {
			s.queue.outstanding++
			s.later(job{row: r, sub: sub, attempt: 1}, wait)
		}
	}
	return lost
}

// later queues a job after a while. s.mu is held.
func (s *Sim) later(j job, wait time.Duration) {
	if wait <= 0 || s.queue.closed {
		s.push(j)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.queue.timers, timer)
		s.push(j)
	})
	s.queue.timers[timer] = struct{}{}
}

// push queues a job for a worker, and starts one if there may be more of them.
// s.mu is held.
func (s *Sim) push(j job) {
	if s.queue.closed {
		s.queue.outstanding--
		s.queue.wake()
		return
	}
	s.queue.jobs = append(s.queue.jobs, j)
	if s.queue.running < s.queue.workers {
		s.queue.running++
		s.queue.wg.Go(s.work)
	}
}

func (s *Sim) work() {
	for {
		s.mu.Lock()
		if len(s.queue.jobs) == 0 {
			s.queue.running--
			s.mu.Unlock()
			return
		}
		j := s.queue.jobs[0]
		s.queue.jobs[0] = job{}
		s.queue.jobs = s.queue.jobs[1:]
		s.mu.Unlock()
		s.attempt(j)
	}
}

// attempt makes one attempt and decides what follows: 2xx is done, 5xx and no
// answer are tried again, everything else is final.
func (s *Sim) attempt(j job) {
	s.mu.Lock()
	gone := !j.sub.IsActive
	req, err := s.delivery(j)
	s.mu.Unlock()

	status := 0
	switch {
	case gone:
		err = fmt.Errorf("subscription %s is gone or inactive", j.sub.ID)
	case err == nil:
		status, err = s.post(req)
	}
	delivered := err == nil && status >= 200 && status <= 299
	retry := !gone && (err != nil || status >= 500) && j.attempt < maxAttempts

	s.mu.Lock()
	r := j.row
	r.Delivery.Attempts++
	r.Delivery.LastStatus, r.Delivery.LastError = status, ""
	if err != nil {
		r.Delivery.LastError = err.Error()
	}
	h := Happening{At: s.now(), Kind: DeliveryFailed, Chat: r.Chat, Type: r.Type, EventID: r.EventID, Status: status,
		Attempt: j.attempt, Final: !retry, Detail: r.Delivery.LastError}
	switch {
	case delivered:
		h.Kind = Delivered
		r.pending--
		r.done++
	case retry:
		s.later(job{row: r, sub: j.sub, attempt: j.attempt + 1}, s.cfg.Backoff<<(j.attempt-1))
	default:
		r.pending--
		r.failed++
	}
	s.mu.Unlock()

	s.watch.tell(h)
	if !retry {
		s.settled()
	}
}

// settled counts a delivery as over, after the watchers know of it.
func (s *Sim) settled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.outstanding--
	s.queue.wake()
}

// wake closes the channels of those whose wait is over. Sim.mu is held.
func (d *deliveries) wake() {
	for ready, n := range d.waiters {
		if d.outstanding < n {
			delete(d.waiters, ready)
			close(ready)
		}
	}
}

// delivery is the request of an attempt, signed anew by the server's clock.
// s.mu is held.
func (s *Sim) delivery(j job) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodPost, j.sub.URL, bytes.NewReader(j.row.Payload))
	if err != nil {
		return nil, err
	}
	ts := strconv.FormatInt(s.now().Unix(), 10)
	sum := digest(j.sub.secret, ts, j.row.Payload)
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "chertsim")
	h.Set("X-Webhook-Timestamp", ts)
	h.Set("X-Webhook-Event", j.row.Type)
	h.Set("X-Webhook-Event-Id", j.row.EventID)
	h.Set("X-Webhook-Subscription-Id", j.sub.ID)
	switch s.cfg.Signature.of(j) {
	case PlainForm:
		h.Set("X-Webhook-Signature", "v1,"+ts+","+sum)
	case LegacyForm:
		h.Set("x-chert-signature", "v1,"+ts+","+sum)
	default:
		h.Set("X-Webhook-Signature", "t="+ts+",v1="+sum)
	}
	return req, nil
}

// of is the form of one attempt: chosen, or in turn by the row's place and the
// attempt, so that it does not depend on which worker comes first.
func (f SignatureForm) of(j job) SignatureForm {
	if f != AllForms {
		return f
	}
	return [...]SignatureForm{CurrentForm, PlainForm, LegacyForm}[(j.row.place+j.attempt)%3]
}

func (s *Sim) post(req *http.Request) (status int, err error) {
	ctx, cancel := context.WithTimeout(s.life, s.cfg.DeliveryTimeout)
	defer cancel()
	res, err := s.queue.client.Do(req.WithContext(ctx))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, nil
}

// close drops what waits. Sim.mu is held.
func (d *deliveries) close() {
	d.closed = true
	for timer := range d.timers {
		if timer.Stop() {
			d.outstanding--
		}
	}
	clear(d.timers)
	d.outstanding -= len(d.jobs)
	d.jobs = nil
	d.wake()
}

// wait is for the attempts in flight.
func (d *deliveries) wait() {
	d.wg.Wait()
	d.client.CloseIdleConnections()
}
