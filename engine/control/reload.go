package control

import (
	"context"
	"net/http"
	"strings"

	"chertd/luabind/diag"
)

// notLiveError is the error of files that are not live.
type notLiveError struct {
	Packs       []Pack // all packs; none: no rules are live
	Diagnostics diag.List
	Hint        string

	names  []string
	folder bool // the folder could not be read completely
}

// notLiveBody is the body of a 422: something is not live.
type notLiveBody struct {
	problem
	Diagnostics diag.List `json:"diagnostics"`
	Packs       []Pack    `json:"packs"`
}

func (a *api) reload(r *http.Request) (any, error) {
	done, err := a.daemon.Reload(r.Context())
	if done.Packs == nil {
		done.Packs = []Pack{} // [] in JSON
	}
	return done, err
}

// reloadAll is reload for deployments: it fails unless everything on disk is live.
func (a *api) reloadAll(r *http.Request) (any, error) {
	done, err := a.daemon.Reload(r.Context())
	if err == nil && len(done.Packs) == 0 {
		err = &notLiveError{Packs: []Pack{}, Diagnostics: append(diag.List{}, done.Folder...), Hint: "chertd status shows why"}
	}
	if err == nil {
		err = done.AllLive()
	}
	return done, err
}

// Settings is the result of reading the configuration and its secret files again.
type Settings struct {
	File string `json:"file"` // of the configuration, an absolute path
	// Applied has the changed settings that are in force now, and NeedsRestart those that
	// a restart applies, by their keys.
	Applied      []string `json:"applied,omitempty"`
	NeedsRestart []string `json:"needs_restart,omitempty"`
}

// SettingsInUse compares the settings that a daemon uses with its configuration and the
// secret files as they are now. It names settings and has no values.
type SettingsInUse struct {
	File string `json:"file"` // the configuration that the daemon uses, an absolute path
	// NotReloaded has the settings that were changed since and that a reload applies, and
	// NeedsRestart those that a restart applies, by their keys.
	NotReloaded  []string `json:"not_reloaded,omitempty"`
	NeedsRestart []string `json:"needs_restart,omitempty"`
	// Error is why the daemon could not reload the configuration as it is now.
	Error string `json:"error,omitempty"`
}

func (a *api) settingsInUse(r *http.Request) (any, error) {
	return a.daemon.SettingsInUse(r.Context())
}

// SettingsInUse compares the settings that the daemon uses with its configuration.
func (c *Client) SettingsInUse(ctx context.Context) (s SettingsInUse, err error) {
	return s, c.ask(ctx, http.MethodGet, "/settings", nil, &s)
}

func (a *api) reloadSettings(r *http.Request) (any, error) {
	return a.daemon.ReloadSettings(r.Context())
}

// ReloadSettings reads the configuration and its secret files again. Once it returns, the
// changed settings are in force, and the packs are judged by them.
func (c *Client) ReloadSettings(ctx context.Context) (s Settings, err error) {
	return s, c.ask(ctx, http.MethodPost, "/reload/settings", nil, &s)
}

// AllLive returns an error with diagnostics unless everything in the rules folder is
// live: an edit may have been rejected, a pack may be kept whose files are gone, or
// files could not be read.
func (r *Reload) AllLive() error {
	e := &notLiveError{Packs: r.Packs, Diagnostics: diag.List{}, Hint: "chertd packs shows why"}
	seen := map[string]bool{}
	add := func(all diag.List) {
		for _, d := range all {
			if !seen[d.String()] { // those of the folder are in each pack
				seen[d.String()] = true
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
		e.Hint = "chertd status shows why"
	}
	if len(e.names) == 0 && !e.folder {
		return nil
	}
	return e
}

// forgotten reports whether nothing but an operator's setting is left of a pack: it has
// no files and no live version, and blocks no reads.
func (p *Pack) forgotten() bool { return p.Gone && p.Version == "" && p.Blocked == nil }

func (e *notLiveError) Error() string {
	switch {
	case len(e.names) > 0:
		return "not live: the files of " + strings.Join(e.names, ", ")
	case e.folder:
		return "the rules folder could not be read completely"
	}
	return "no rules are live"
}
