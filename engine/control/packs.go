package control

import (
	"fmt"
	"net/http"
	"time"

	"chertd/luabind/diag"
)

// RollbackRequest is the body of POST packs/{pack}/rollback; it may be empty.
type RollbackRequest struct {
	Version     string `json:"version,omitempty"` // or a unique prefix; "": the one before the live one
	Pin         bool   `json:"pin,omitempty"`     // stay on it even when the files change
	Undo        bool   `json:"undo,omitempty"`    // make the files live again instead
	KeepPending bool   `json:"keep_pending,omitempty"`
}

// ModeRequest is the body of POST packs/{pack}/mode.
type ModeRequest struct {
	Mode        string `json:"mode,omitempty"`  // live, shadow or off
	Share       string `json:"share,omitempty"` // with live: of the chats, such as "10%"; in the others the pack runs in shadow
	Reset       bool   `json:"reset,omitempty"` // remove the mode that a command set
	KeepPending bool   `json:"keep_pending,omitempty"`
	Rule        string `json:"rule,omitempty"`   // name: the mode of this rule alone, which only restricts that of the pack
	For         string `json:"for,omitempty"`    // how long it holds, such as "1h"; "": until another command
	By          string `json:"by,omitempty"`     // who sets it, for records
	Reason      string `json:"reason,omitempty"` // for records
	Force       bool   `json:"force,omitempty"`  // with Rule: accept any name if no version of the pack is loaded
}

// Switch is a mode that a command set, of a pack or of one of its rules.
type Switch struct {
	Pack   string    `json:"pack"`
	Rule   string    `json:"rule,omitempty"` // "": the pack
	Mode   string    `json:"mode"`
	Share  string    `json:"share,omitempty"`   // of the chats in which the pack is live; "": all
	Since  time.Time `json:"since,omitzero"`    // when it was set; zero: not known
	Until  time.Time `json:"until,omitzero"`    // when it ends; zero: until another command
	Then   string    `json:"then,omitempty"`    // the mode that returns then
	By     string    `json:"by,omitempty"`      // who set it; "": not known
	Reason string    `json:"reason,omitempty"`  // as that person gave it
	NoRule bool      `json:"no_rule,omitempty"` // the live version has no such rule
}

// PackList is the answer to GET packs.
type PackList struct {
	Packs []Pack `json:"packs"`
}

func (a *api) packs(r *http.Request) (any, error) {
	return listed(a.daemon.Packs(r.Context()))
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
	// An empty version is likely an unset variable of a script.
	body := struct {
		*RollbackRequest
		Version *string `json:"version"`
	}{RollbackRequest: &in}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if body.Version != nil {
		if in.Version = *body.Version; in.Version == "" {
			return nil, &UserError{Message: "version is empty", Hint: diag.PackCommand("packs", r.PathValue("pack")) + " lists the versions; without version, rollback takes the one before the live one"}
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
		return nil, &UserError{Message: "either mode or reset is required", Hint: `{"mode": "live"}, shadow or off; or {"reset": true}`}
	}
	return a.daemon.SetMode(r.Context(), r.PathValue("pack"), in)
}

func (a *api) remove(r *http.Request) (any, error) {
	keep, err := keepPending(r)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("pack")
	dropped, err := a.daemon.Remove(r.Context(), name, keep)
	return Removed{name, dropped}, err
}

// keepPending returns what a request without a body says about pending work.
func keepPending(r *http.Request) (bool, error) {
	return flag(r.URL.Query(), "keep_pending", false)
}

// ListOf returns the answer to GET packs. An empty list is [] in JSON.
func ListOf(packs []Pack) PackList {
	if packs == nil {
		packs = []Pack{}
	}
	return PackList{packs}
}

// listed returns the answer to a list of packs.
func listed(packs []Pack, err error) (any, error) {
	return ListOf(packs), err
}
