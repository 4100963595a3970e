package chertsim

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// job is one delivery of one row to one subscription.
type job struct {
	row     *logRow
	sub     *subscription
	attempt int // the next one, from 1
}

// deliveries is the queue of deliveries. Sim.mu guards all but the client and the wait
// group. Workers start when there is work and end when there is none, so an idle
// simulator has no goroutines.
type deliveries struct {
	jobs        []job
	timers      map[*time.Timer]struct{} // retries and delays that wait
	running     int
	workers     int
	outstanding int // queued, waiting or in flight
	closed      bool
	waiters     map[chan struct{}]int // closed when at most as many are outstanding

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

// Drain waits until no delivery is queued, waiting for its next attempt, or in flight.
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

// deliver sends a new row to the subscriptions that selected it when it was recorded.
func (s *Sim) deliver(r *logRow) {
	s.mu.Lock()
	targets := r.targets
	r.targets = nil
	lost := s.sendTo(r, targets)
	s.mu.Unlock()
	for _, h := range lost {
		s.watch.notify(h)
	}
}

// deliverTo sends a row again, to one subscription or ("") to all, and returns to how
// many.
func (s *Sim) deliverTo(r *logRow, only string) int {
	s.mu.Lock()
	var targets []*subscription
	for _, sub := range s.subs {
		if only == "" && sub.wants(r.Type) || only == sub.ID {
			targets = append(targets, sub)
		}
	}
	r.pending += len(targets)
	r.failed, r.done = 0, 0 // the status of the row is that of the replay
	lost := s.sendTo(r, targets)
	s.mu.Unlock()
	for _, h := range lost {
		s.watch.notify(h)
	}
	return len(targets)
}

// sendTo queues the deliveries of a row, changed by the mischief, and returns those that
// are lost on the way. s.mu is held.
func (s *Sim) sendTo(r *logRow, targets []*subscription) (lost []Activity) {
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
			lost = append(lost, Activity{At: s.now(), Kind: DeliveryFailed, Chat: r.Chat, Type: r.Type, EventID: r.EventID,
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

// push queues a job, and starts a worker if the limit allows it. s.mu is held.
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

// settled counts a delivery as ended, after the watchers were called.
func (s *Sim) settled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.outstanding--
	s.queue.wake()
}

// wake closes the channels of the waiters whose condition holds. Sim.mu is held.
func (d *deliveries) wake() {
	for ready, n := range d.waiters {
		if d.outstanding < n {
			delete(d.waiters, ready)
			close(ready)
		}
	}
}

// close drops the waiting deliveries. Sim.mu is held.
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

// wait waits for the attempts in flight.
func (d *deliveries) wait() {
	d.wg.Wait()
	d.client.CloseIdleConnections()
}
