// Package control is how people and machines look at a running daemon and tell
// it what to do: health and readiness, and the API that the commands use, on a
// Unix socket and, if wanted, on TCP.
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
	"strconv"
	"strings"
	"time"

	"chertd/luabind/diag"
)

// apiPath is where the API begins. What is under it may grow, and does not
// change its meaning.
const apiPath = "/api/v1"

// maxBody bounds a request's body: what commands send is a line.
const maxBody = 64 << 10

// api answers requests by asking the daemon.
type api struct {
	daemon Daemon
	slots  chan struct{} // one token a request being answered
	// stalled says why the store does not answer at the moment, and failing why it
	// answers and keeps nothing; nil: it does.
	stalled, failing func() error
	commands         *Commands
}

// RollbackRequest is the body of POST packs/{pack}/rollback; it may be empty.
type RollbackRequest struct {
	Version     string `json:"version,omitempty"` // or its unique beginning; "": the one before the live one
	Pin         bool   `json:"pin,omitempty"`     // stay on it even when the files change
	Undo        bool   `json:"undo,omitempty"`    // make the files live again instead
	KeepPending bool   `json:"keep_pending,omitempty"`
}

// ModeRequest is the body of POST packs/{pack}/mode.
type ModeRequest struct {
	Mode        string `json:"mode,omitempty"`  // live, shadow or off
	Reset       bool   `json:"reset,omitempty"` // take the command back instead
	KeepPending bool   `json:"keep_pending,omitempty"`
}

// PackList is the answer of GET packs.
type PackList struct {
	Packs []Pack `json:"packs"`
}

// problem is the body of every answer that is an error.
type problem struct {
	Error UserError `json:"error"`
}

func (a *api) routes(mux *http.ServeMux) {
	for pattern, do := range map[string]func(r *http.Request) (any, error){
		"GET " + apiPath + "/status":                 func(r *http.Request) (any, error) { return a.daemon.Status(r.Context()) },
		"GET " + apiPath + "/packs":                  a.packs,
		"GET " + apiPath + "/packs/{pack}":           a.pack,
		"POST " + apiPath + "/packs/{pack}/rollback": a.rollback,
		"POST " + apiPath + "/packs/{pack}/mode":     a.mode,
		"DELETE " + apiPath + "/packs/{pack}":        a.remove,
		"POST " + apiPath + "/reload":                a.reload,
		"POST /-/reload":                             a.reloadAll,
		"POST " + apiPath + "/pause":                 func(r *http.Request) (any, error) { return a.pause(r, true) },
		"POST " + apiPath + "/resume":                func(r *http.Request) (any, error) { return a.pause(r, false) },
		"POST " + apiPath + "/hold":                  a.hold,
		"POST " + apiPath + "/release":               a.release,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, err := a.bounded(w, r, do)
			var notLive *notLiveError
			switch {
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

// bounded limits how many requests are answered at once, and what one may take.
// What only looks is the daemon's to bound.
func (a *api) bounded(w http.ResponseWriter, r *http.Request, do func(*http.Request) (any, error)) (any, error) {
	looks := r.Method == http.MethodGet
	if !looks {
		if e := a.storeSays(command(r)+" was not done", anyway(r)); e != nil {
			return nil, e
		}
	}
	select {
	case a.slots <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "1")
		return nil, &UserError{Status: http.StatusServiceUnavailable, Message: "too many requests at once", Hint: "ask again"}
	}
	if looks {
		defer func() { <-a.slots }()
		ctx, cancel := context.WithTimeout(r.Context(), maxTime)
		defer cancel()
		return do(r.WithContext(ctx))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		<-a.slots
		return nil, unreadable(err, nil)
	}
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

// change carries out a request that changes something. What was begun is done to
// the end, whether or not who asked still waits; and nobody waits for a store
// that has ceased to answer. It gives the request's slot back. stopping ends when
// the daemon no longer waits for the command.
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
			o.panicked = recover() // the server's to report
			ended <- o
		}()
		o.body, o.err = do(r.WithContext(ctx))
	}()
	look := time.NewTicker(stallEvery)
	defer look.Stop()
	fails := 0 // looks in a row at which the store failed
	for {
		select {
		case o := <-ended:
			if o.panicked != nil {
				panic(o.panicked)
			}
			if o.err != nil && stopping.Err() != nil {
				o.err = &UserError{
					Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("it is not known whether %s is done: chertd is stopping", command(r)),
					Hint: "repeat the command once chertd runs again",
				}
			}
			if o.err != nil && !errors.As(o.err, new(*UserError)) {
				if e := a.storeSays(command(r)+" failed", false); e != nil {
					o.err = e
				}
			}
			return o.body, o.err
		case <-look.C:
			if fails++; a.failing() == nil {
				fails = 0
			}
			if e := a.storeSays("it is not known whether "+command(r)+" is done", fails < failingLooks); e != nil {
				return nil, e
			}
		}
	}
}

// storeSays is the answer to a command that the store keeps from being done; nil:
// it does not. answers says that the command tells itself of a store that fails.
func (a *api) storeSays(what string, answers bool) error {
	if err := a.stalled(); err != nil {
		return &UserError{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("%s: the store does not answer (%v)", what, err),
			Hint: "look at the disk; repeat the command once chertd status says that events are taken in. No call is made until then"}
	}
	if err := a.failing(); err != nil && !answers {
		return StoreFails(what, err)
	}
	return nil
}

// StoreFails is the answer to a command that the store, which fails with err, has
// kept from being done to its end; what says so.
func StoreFails(what string, err error) *UserError {
	hint := "repeat the command once chertd status says that events are taken in. No call is made until then"
	if hinted, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		hint = hinted.Hint() + "; " + hint
	}
	return &UserError{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("%s: the store fails: %v", what, err), Hint: hint}
}

// anyway reports whether a request does its part without the store: calls are
// paused immediately, whatever is kept of that.
func anyway(r *http.Request) bool { return r.URL.Path == apiPath+"/pause" }

// command is the command that asks for a request, for people.
func command(r *http.Request) string {
	pack := r.PathValue("pack")
	switch verb := path.Base(r.URL.Path); {
	case pack == "":
		return "chertd " + verb
	case r.Method == http.MethodDelete:
		return diag.PackCommand("packs remove", pack)
	default:
		return diag.PackCommand(verb, pack)
	}
}

func (a *api) packs(r *http.Request) (any, error) {
	return listed(a.daemon.Packs(r.Context()))
}

func (a *api) reload(r *http.Request) (any, error) {
	done, err := a.daemon.Reload(r.Context())
	if done.Packs == nil {
		done.Packs = []Pack{} // the list is one in JSON too
	}
	return done, err
}

// reloadAll is reload for deployments: it fails unless all that is on disk is live.
func (a *api) reloadAll(r *http.Request) (any, error) {
	done, err := a.daemon.Reload(r.Context())
	if err == nil && len(done.Packs) == 0 {
		err = &notLiveError{Packs: []Pack{}, Diagnostics: append(diag.List{}, done.Folder...), Hint: "chertd status says why"}
	}
	if err == nil {
		err = done.AllLive()
	}
	return done, err
}

// notLiveError says that not all that is on disk is live.
type notLiveError struct {
	Packs       []Pack // all of them; none: no rules are live
	Diagnostics diag.List
	Hint        string

	names  []string
	folder bool // not all of it was read
}

// AllLive is a *notLiveError if some of what is in the folder is not live as it
// is there: an edit, the files of a pack that is kept without any, or what could
// not be read.
func (r *Reload) AllLive() error {
	e := &notLiveError{Packs: r.Packs, Diagnostics: diag.List{}, Hint: "chertd packs says why"}
	said := map[string]bool{}
	add := func(all diag.List) {
		for _, d := range all {
			if !said[d.String()] { // of the folder, each pack says the same
				said[d.String()] = true
				e.Diagnostics = append(e.Diagnostics, d)
			}
		}
	}
	add(r.Folder)
	for i := range r.Packs {
		if p := &r.Packs[i]; p.NotLive != "" && !p.forgotten() {
			e.names = append(e.names, p.Name)
			add(p.Diagnostics)
		}
	}
	if e.folder = len(r.Folder) > 0; e.folder && len(e.names) == 0 {
		e.Hint = "chertd status says why"
	}
	if len(e.names) == 0 && !e.folder {
		return nil
	}
	return e
}

// forgotten reports whether only an operator's word about a pack is left: it has
// no files, no version of it is live, and none is missed.
func (p *Pack) forgotten() bool { return p.Gone && p.Version == "" && p.Blocked == nil }

func (e *notLiveError) Error() string {
	switch {
	case len(e.names) > 0:
		return "not live as the folder has it: " + strings.Join(e.names, ", ")
	case e.folder:
		return "the rules folder was not read to its end"
	}
	return "no rules are live"
}

// notLiveBody is the body of the answer that not all is live.
type notLiveBody struct {
	problem
	Diagnostics diag.List `json:"diagnostics"`
	Packs       []Pack    `json:"packs"`
}

// ListOf makes the empty list one in JSON too.
func ListOf(packs []Pack) PackList {
	if packs == nil {
		packs = []Pack{}
	}
	return PackList{packs}
}

// listed is the answer of a list of packs.
func listed(packs []Pack, err error) (any, error) {
	return ListOf(packs), err
}

func (a *api) pack(r *http.Request) (any, error) {
	packs, err := a.daemon.Packs(r.Context())
	if err != nil {
		return nil, err
	}
	name, known := r.PathValue("pack"), []string(nil)
	for _, p := range packs {
		if p.Name == name {
			return p, nil
		}
		known = append(known, p.Name)
	}
	hint := "chertd packs lists them"
	if near := diag.Suggest(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return nil, &UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no pack %q", name), Hint: hint}
}

func (a *api) rollback(r *http.Request) (any, error) {
	var in RollbackRequest
	// One that is given and empty is somebody's unset variable.
	body := struct {
		*RollbackRequest
		Version *string `json:"version"`
	}{RollbackRequest: &in}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if body.Version != nil {
		if in.Version = *body.Version; in.Version == "" {
			return nil, &UserError{Message: "version is empty", Hint: diag.PackCommand("packs", r.PathValue("pack")) + " lists the versions; without one it is that before the live one"}
		}
	}
	return a.daemon.Rollback(r.Context(), r.PathValue("pack"), in)
}

func (a *api) mode(r *http.Request) (any, error) {
	var in ModeRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Reset == (in.Mode != "") {
		return nil, &UserError{Message: "either mode or reset is needed", Hint: `{"mode": "live"}, shadow or off; or {"reset": true}`}
	}
	return a.daemon.SetMode(r.Context(), r.PathValue("pack"), in.Mode, in.KeepPending)
}

func (a *api) remove(r *http.Request) (any, error) {
	keep, err := strconv.ParseBool(cmp.Or(r.URL.Query().Get("keep_pending"), "false"))
	if err != nil {
		return nil, &UserError{Message: "keep_pending is true or false"}
	}
	name := r.PathValue("pack")
	dropped, err := a.daemon.Remove(r.Context(), name, keep)
	return Removed{name, dropped}, err
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
		user = &UserError{Status: http.StatusServiceUnavailable, Message: "it was not done in time: " + err.Error(), Hint: "ask again"}
	default:
		user = &UserError{Status: http.StatusInternalServerError, Message: err.Error()}
	}
	answer(w, cmp.Or(user.Status, http.StatusBadRequest), problem{*user})
}
