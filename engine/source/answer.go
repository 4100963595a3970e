package source

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"chertd/luabind/diag"
)

// fail answers that the delivery could not be stored. The error goes to the log only, as
// it may name files, and at most once in failureEvery.
func (w *Webhook) fail(rw http.ResponseWriter, err error, now time.Time) {
	if w.cfg.Missed != nil && !errors.Is(err, ErrDraining) {
		defer w.cfg.Missed()
	}
	if errors.Is(err, ErrFull) {
		w.count(func(s *WebhookStats) { s.Unavailable++ })
		rw.Header().Set("Retry-After", strconv.Itoa(retryFull))
		answerError(rw, http.StatusServiceUnavailable, err.Error(), "try again later")
		return
	}
	w.mu.Lock()
	w.stats.Unavailable++
	w.failures++
	count, due := w.failures, w.failed.IsZero() || now.Sub(w.failed) >= failureEvery || now.Before(w.failed)
	if due {
		w.failures, w.failed = 0, now
	}
	w.mu.Unlock()
	switch {
	case !due:
	case errors.Is(err, ErrDraining):
		w.cfg.Log.Info("webhook deliveries answered 503 while chertd stops; Chert sends them again", "count", count)
	default:
		w.cfg.Log.Error("could not store webhook deliveries; answered 503, and Chert sends them again", "count", count, "err", err, "hint", diag.StoreHint)
	}
	unavailable(rw, "could not store the delivery now")
}

// failureEvery is how often deliveries that could not be stored are logged.
const failureEvery = 10 * time.Second

// Unavailable answers any request with 503, so that the sender retries.
func Unavailable(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Connection", "close")
	unavailable(rw, "chertd can't take in deliveries now")
}

const (
	// retryAfter is the Retry-After of a 503, in seconds.
	retryAfter = 2
	// retryFull is that of ErrFull: to handle many events takes minutes.
	retryFull = 30
)

func unavailable(rw http.ResponseWriter, message string) {
	rw.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	answerError(rw, http.StatusServiceUnavailable, message, "try again")
}

func answerError(rw http.ResponseWriter, status int, message, hint string) {
	type problem struct {
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
	}
	writeJSON(rw, status, struct {
		Error problem `json:"error"`
	}{problem{message, hint}})
}

// Values of headers, which all answers share and nothing changes.
var (
	jsonType = []string{"application/json"}
	noSniff  = []string{"nosniff"}
)

// plain reports whether an id is in JSON as it is, as those of Chert's are.
func plain(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case c <= ' ' || c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return id != ""
}

func writeJSON(rw http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // strings alone are marshalled here
		panic(err)
	}
	rw.Header()["Content-Type"], rw.Header()["X-Content-Type-Options"] = jsonType, noSniff
	rw.WriteHeader(status)
	// The sender may have gone; the delivery is stored all the same.
	_, _ = rw.Write(append(diag.VisibleJSON(body), '\n'))
}

func answer(rw http.ResponseWriter, status, id string) {
	if plain(id) {
		header := rw.Header()
		header["Content-Type"], header["X-Content-Type-Options"] = jsonType, noSniff
		body := make([]byte, 0, len(`{"status":"","event_id":""}`)+len(status)+len(id)+1)
		body = append(append(body, `{"status":"`...), status...)
		body = append(append(body, `","event_id":"`...), id...)
		_, _ = rw.Write(append(body, "\"}\n"...))
		return
	}
	writeJSON(rw, http.StatusOK, struct {
		Status  string `json:"status"`
		EventID string `json:"event_id,omitempty"`
	}{status, id})
}
