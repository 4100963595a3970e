package chertsim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// maxAttempts is how often a delivery is attempted after 5xx or no answer.
const maxAttempts = 3

// SignatureForm is a form of the signature of a delivery.
type SignatureForm string

// Forms of signatures.
const (
	AllForms    SignatureForm = ""        // each in turn, by the position of the event in the log
	CurrentForm SignatureForm = "current" // X-Webhook-Signature: t=<ts>,v1=<hex>
	PlainForm   SignatureForm = "plain"   // X-Webhook-Signature: v1,<ts>,<hex>
	LegacyForm  SignatureForm = "legacy"  // x-chert-signature: v1,<ts>,<hex>
)

// attempt makes one attempt. After 5xx or no answer the delivery is retried; every other
// answer is final.
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
	h := Activity{At: s.now(), Kind: DeliveryFailed, Chat: r.Chat, Type: r.Type, EventID: r.EventID, Status: status,
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

	s.watch.notify(h)
	if !retry {
		s.settled()
	}
}

// delivery returns the request of an attempt, signed for it by the server's clock. s.mu
// is held.
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

// of returns the form of one attempt: the configured one, or each in turn by the position
// of the row and the attempt, so that it does not depend on the order of workers.
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
