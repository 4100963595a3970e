// Package control serves the control endpoints of a running daemon: health, readiness
// and the API that the commands use, on a Unix socket and optionally on TCP. Client is
// the other side of the API.
package control

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// apiPath is the prefix of the API. Routes and fields under it may be added, but do not
// change their meaning.
const apiPath = "/api/v1"

// maxBody bounds the body of a request. Commands send a line.
const maxBody = 64 << 10

// maxCandidate bounds the body of a request with the files of a candidate, in base64.
const maxCandidate = rules.MaxPackBytes/3*4 + 1<<20

// bodyLimit returns the bound of a request's body.
func bodyLimit(r *http.Request) int64 {
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, candidateSuffix) {
		return maxCandidate
	}
	if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, apiPath+listsPath+"/") {
		return maxListBody
	}
	if r.Method == http.MethodPost && r.URL.Path == applyPath {
		return maxApplyBody
	}
	return maxBody
}

// api answers the requests of the API.
type api struct {
	daemon Daemon
	slots  chan struct{} // holds one element per request being answered
	tails  chan struct{} // the same for tails, which last
	// stalled returns why the store does not answer, and failing why its writes fail;
	// nil: it works.
	stalled, failing func() error
	commands         *Commands
}

// problem is the body of every error.
type problem struct {
	Error UserError `json:"error"`
}

func (a *api) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+apiPath+"/tail", a.tail)
	for pattern, do := range map[string]func(r *http.Request) (any, error){
		"GET " + apiPath + "/status":                     func(r *http.Request) (any, error) { return a.daemon.Status(r.Context()) },
		"GET " + apiPath + "/packs":                      a.packs,
		"GET " + apiPath + "/packs/{pack}":               a.pack,
		"POST " + apiPath + "/packs/{pack}/rollback":     a.rollback,
		"POST " + apiPath + "/packs/{pack}/mode":         a.mode,
		"POST " + apiPath + "/packs/{pack}/candidate":    a.shadow,
		"DELETE " + apiPath + "/packs/{pack}/candidate":  withoutBody(a.endShadow),
		"GET " + apiPath + "/packs/{pack}/differences":   a.differences,
		"DELETE " + apiPath + "/packs/{pack}":            withoutBody(a.remove),
		"GET " + apiPath + "/rules":                      a.rules,
		"POST " + apiPath + "/packs/{pack}/retry-errors": a.retryErrors,
		"GET " + apiPath + "/packs/{pack}/retry-errors":  a.errorsRetried,
		"POST " + apiPath + "/reload":                    withoutBody(a.reload),
		"POST " + apiPath + "/reload/settings":           withoutBody(a.reloadSettings),
		"GET " + apiPath + "/settings":                   a.settingsInUse,
		"POST /-/reload":                                 withoutBody(a.reloadAll),
		"POST " + apiPath + "/pause":                     withoutBody(func(r *http.Request) (any, error) { return a.pause(r, true) }),
		"POST " + apiPath + "/resume":                    withoutBody(func(r *http.Request) (any, error) { return a.pause(r, false) }),
		"POST " + apiPath + "/hold":                      a.hold,
		"POST " + apiPath + "/release":                   a.release,
		"POST " + apiPath + "/read":                      a.read,
		"POST " + applyPath:                              a.apply,
		"POST " + apiPath + "/signals":                   a.sendSignal,
		"POST " + apiPath + "/forget":                    a.forget,
		"POST " + drainPath:                              withoutBody(a.drain),
		"GET " + drainPath:                               a.drained,
		"GET " + apiPath + "/quarantine":                 a.quarantine,
		"POST " + apiPath + "/quarantine/retry":          a.retryQuarantined,
		"POST " + apiPath + "/quarantine/drop":           a.dropQuarantined,
		"GET " + apiPath + "/explain":                    a.explain,
		"GET " + apiPath + "/dead":                       a.dead,
		"POST " + apiPath + "/dead/retry":                a.retryDead,
		"POST " + apiPath + "/dead/drop":                 a.dropDead,
		"GET " + apiPath + "/waiting":                    a.waiting,
		"POST " + apiPath + "/waiting/cancel":            a.cancelWaiting,
		"POST " + apiPath + "/waiting/now":               a.hurryWaiting,
		"GET " + apiPath + "/chats/{chat}/record":        a.record,
		"GET " + apiPath + listsPath:                     a.lists,
		"GET " + apiPath + listsPath + "/{list}":         a.list,
		"GET " + apiPath + listsPath + "/{list}/history": a.listHistory,
		"POST " + apiPath + listsPath + "/{list}/add":    a.listAdd,
		"POST " + apiPath + listsPath + "/{list}/remove": a.listRemove,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := checkQuery(r); err != nil {
				refuse(w, err)
				return
			}
			body, err := a.bounded(w, r, do)
			var notLive *notLiveError
			var refused *RefusedError
			switch {
			case errors.As(err, &refused):
				answer(w, http.StatusUnprocessableEntity, refusedBody{problem{UserError{Message: refused.Message, Hint: refused.Hint}}, refused.Diagnostics})
			case errors.As(err, &notLive):
				answer(w, http.StatusUnprocessableEntity, notLiveBody{problem{UserError{Message: notLive.Error(), Hint: notLive.Hint}}, notLive.Diagnostics, notLive.Packs})
			case err != nil:
				refuse(w, err)
			default:
				answer(w, http.StatusOK, body)
			}
		})
	}
}

// bounded answers a request with do. It limits how many requests are answered at a
// time, and how long each may take.
func (a *api) bounded(w http.ResponseWriter, r *http.Request, do func(*http.Request) (any, error)) (any, error) {
	reads := r.Method == http.MethodGet || r.URL.Path == drainPath
	if !reads {
		if e := a.storeError(command(r)+" was not done", worksAnyway(r)); e != nil {
			return nil, e
		}
	}
	select {
	case a.slots <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "1")
		return nil, &UserError{Status: http.StatusServiceUnavailable, Message: "too many requests at a time", Hint: "try again"}
	}
	if reads {
		defer func() { <-a.slots }()
		ctx, cancel := context.WithTimeout(r.Context(), maxTime)
		defer cancel()
		return do(r.WithContext(ctx))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit(r)))
	if err != nil {
		<-a.slots
		return nil, unreadable(err, nil)
	}
	noteBody(r, body)
	ctx, ok := a.commands.begin()
	if !ok {
		<-a.slots
		return nil, &UserError{
			Status: http.StatusServiceUnavailable, Message: command(r) + " was not done: chertd is stopping",
			Hint: "repeat the command once chertd runs again",
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return a.change(ctx, r, do)
}

// change carries out a request that changes something. It completes even if the client
// has gone, and the client does not wait for a store that does not answer. It gives
// back the slot of the request. stopping ends when the daemon no longer waits for the
// command.
func (a *api) change(stopping context.Context, r *http.Request, do func(*http.Request) (any, error)) (any, error) {
	type outcome struct {
		body     any
		err      error
		panicked any
	}
	ended := make(chan outcome, 1)
	go func() {
		defer func() { <-a.slots }()
		defer a.commands.end()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), maxTime)
		defer cancel()
		defer context.AfterFunc(stopping, cancel)()
		var o outcome
		defer func() {
			o.panicked = recover() // for the server to report
			ended <- o
		}()
		o.body, o.err = do(r.WithContext(ctx))
	}()
	check := time.NewTicker(stallEvery)
	defer check.Stop()
	fails := 0 // checks in a row in which the store failed
	for {
		select {
		case o := <-ended:
			if o.panicked != nil {
				panic(o.panicked)
			}
			if o.err != nil && stopping.Err() != nil {
				o.err = &UserError{
					Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("it is unknown whether %s was done: chertd is stopping", command(r)),
					Hint: "repeat the command once chertd runs again",
				}
			}
			if o.err != nil && !errors.As(o.err, new(*UserError)) {
				if e := a.storeError(command(r)+" failed", false); e != nil {
					o.err = e
				}
			}
			return o.body, o.err
		case <-check.C:
			if fails++; a.failing() == nil {
				fails = 0
			}
			if e := a.storeError("it is unknown whether "+command(r)+" was done", fails < failingChecks); e != nil {
				return nil, e
			}
		}
	}
}

// storeError returns the answer to a command that can't be done because of the store;
// nil: the store works. what begins the message. reports says that the command itself
// reports failing writes.
func (a *api) storeError(what string, reports bool) error {
	if err := a.stalled(); err != nil {
		return &UserError{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("%s: the store does not answer (%v)", what, err),
			Hint: "check the disk; repeat the command once chertd status shows that the store works. No call is made until then"}
	}
	if err := a.failing(); err != nil && !reports {
		return StoreFails(what, err)
	}
	return nil
}

// StoreFails returns the answer to a command that was not completed because the store
// failed with err. what begins the message.
func StoreFails(what string, err error) *UserError {
	hint := "repeat the command once chertd status shows that the store works. No call is made until then"
	if hinted, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		hint = hinted.Hint() + "; " + hint
	}
	return &UserError{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("%s: the store fails: %v", what, err), Hint: hint}
}

// worksAnyway reports whether a command has an effect while the store fails: pause
// stops calls immediately.
func worksAnyway(r *http.Request) bool { return r.URL.Path == apiPath+"/pause" }

// command returns the chertd command that sends a request, for people.
func command(r *http.Request) string {
	pack, verb := r.PathValue("pack"), strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, apiPath+"/"), "/-/")
	if pack != "" {
		verb = path.Base(verb)
	}
	return commandName(r.Method, verb, pack)
}

// commandName returns the chertd command of a verb of the API; pack is "" for those of no pack.
func commandName(method, verb, pack string) string {
	switch {
	case pack == "" && verb == "signals":
		return "chertd signal"
	case pack == "" && verb == "reload/settings":
		return "chertd reload --settings"
	case pack == "":
		return "chertd " + strings.ReplaceAll(verb, "/", " ")
	case verb == strings.TrimPrefix(candidateSuffix, "/") && method == http.MethodDelete:
		return diag.PackCommand("shadow", pack, "--end")
	case verb == strings.TrimPrefix(candidateSuffix, "/"):
		return diag.PackCommand("shadow", pack, "PATH")
	case method == http.MethodDelete:
		return diag.PackCommand("packs remove", pack)
	default:
		return diag.PackCommand(verb, pack)
	}
}

func (a *api) pause(r *http.Request, on bool) (any, error) {
	return map[string]bool{"paused": on}, a.daemon.Pause(r.Context(), on)
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err error) {
	var user *UserError
	switch {
	case errors.As(err, &user):
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		user = &UserError{Status: http.StatusServiceUnavailable, Message: "the request took too long: " + err.Error(), Hint: "try again"}
	default:
		user = &UserError{Status: http.StatusInternalServerError, Message: err.Error()}
	}
	answer(w, cmp.Or(user.Status, http.StatusBadRequest), problem{*user})
}
