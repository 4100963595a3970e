package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	// smallBody is how much of a body is read without a bound on their number. A
	// delivery is about 1 KiB.
	smallBody = 64 << 10
	// exactBody is the Content-Length up to which a body's memory is allocated in one
	// piece, before the sender has shown that it sends that much.
	exactBody = 16 << 10
	// largeBytes is about how much memory all larger bodies may take together while
	// they are read, as any stranger can send one.
	largeBytes = 64 << 20
)

// body reads the body of a request, or answers why it can't.
func (w *Webhook) body(rw http.ResponseWriter, r *http.Request, signed bool) ([]byte, bool) {
	set := w.settings.Load()
	tooLarge := func() ([]byte, bool) {
		w.refuse(refusedBody, signed, "")
		answerError(rw, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", set.maxBody), w.hint(refusedBody, ""))
		return nil, false
	}
	if r.ContentLength > set.maxBody {
		rw.Header().Set("Connection", "close") // instead of reading it all
		return tooLarge()
	}
	incomplete := func() ([]byte, bool) {
		// It was incomplete or too slow. After a 4xx the sender would not retry.
		w.count(func(s *WebhookStats) { s.Broken++ })
		rw.Header().Set("Connection", "close")
		unavailable(rw, "the body is incomplete")
		return nil, false
	}
	if n := r.ContentLength; n > 0 && n <= exactBody {
		// The event keeps the body for as long as it waits, so it takes no byte more.
		body := make([]byte, n)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return incomplete()
		}
		return body, true
	}
	var body bytes.Buffer
	limited := http.MaxBytesReader(rw, r.Body, set.maxBody)
	_, err := io.CopyN(&body, limited, smallBody)
	if err == nil {
		select {
		case set.large <- struct{}{}:
			defer func() { <-set.large }()
		default:
			w.count(func(s *WebhookStats) { s.Busy++ })
			rw.Header().Set("Connection", "close")
			unavailable(rw, "too many large deliveries at a time")
			return nil, false
		}
		_, err = body.ReadFrom(limited)
	} else if errors.Is(err, io.EOF) {
		err = nil // it is small
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge()
	}
	if err != nil {
		return incomplete()
	}
	return body.Bytes(), true
}
