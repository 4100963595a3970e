package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"chertd/luabind/diag"
)

// candidateSuffix ends the paths of requests about a candidate.
const candidateSuffix = "/candidate"

// CandidateRequest is the body of POST packs/{pack}/candidate.
type CandidateRequest struct {
	Path  string     `json:"path"` // of the .lua file or folder, as diagnostics are to name it
	Files []SentFile `json:"files"`
}

// SentFile is a file of a candidate.
type SentFile struct {
	Name    string `json:"name"`    // within the pack: "10-hold.lua", "lib/phones.lua"
	Content []byte `json:"content"` // base64 in JSON
}

// RefusedError is the error of a candidate that does not pass as an edit.
type RefusedError struct {
	Message, Hint string
	Diagnostics   diag.List
}

func (e *RefusedError) Error() string { return e.Message }

// refusedBody is the body of a 422: a candidate is refused.
type refusedBody struct {
	problem
	Diagnostics diag.List `json:"diagnostics"`
}

func (a *api) shadow(r *http.Request) (any, error) {
	var in CandidateRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Path == "" || len(in.Files) == 0 {
		return nil, &UserError{Message: "path and files are required", Hint: `{"path": "codes.lua", "files": [{"name": "codes.lua", "content": "LS0gY29kZXMK"}]}`}
	}
	return a.daemon.Shadow(r.Context(), r.PathValue("pack"), in)
}

func (a *api) endShadow(r *http.Request) (any, error) {
	keep, err := keepPending(r)
	if err != nil {
		return nil, err
	}
	return a.daemon.EndShadow(r.Context(), r.PathValue("pack"), keep)
}

// Shadow has a version of a pack run in shadow beside the live one. The error is a
// *RefusedError if its files do not pass as an edit.
func (c *Client) Shadow(ctx context.Context, pack string, in CandidateRequest) (p Changed, err error) {
	return p, c.ask(ctx, http.MethodPost, packPath(pack, candidateSuffix), in, &p)
}

// EndShadow ends the candidate of a pack.
func (c *Client) EndShadow(ctx context.Context, pack string, keepPending bool) (p Changed, err error) {
	return p, c.ask(ctx, http.MethodDelete, packPath(pack, fmt.Sprintf("%s?keep_pending=%t", candidateSuffix, keepPending)), nil, &p)
}

// refusedBy returns the *RefusedError in an answer; nil: it is none.
func refusedBy(status int, text []byte) error {
	var b refusedBody
	if status != http.StatusUnprocessableEntity || json.Unmarshal(text, &b) != nil || len(b.Diagnostics) == 0 {
		return nil
	}
	return &RefusedError{Message: b.Error.Message, Hint: b.Error.Hint, Diagnostics: b.Diagnostics}
}
