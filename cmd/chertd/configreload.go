package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"chertd/engine"
	"chertd/engine/control"
	"chertd/luabind/diag"
)

// reloadable are the settings that SIGHUP applies, and restartOnly those that need a
// restart. A key stands for everything below it.
var (
	reloadable = []string{
		"chert.signing_secret", "chert.rate",
		"sources.webhook.secrets", "sources.webhook.tolerance", "sources.webhook.max_body", "sources.webhook.max_header",
		"rules.timezone", "rules.country", "rules.gate", "rules.packs", "rules.lists",
		"notify",
		"store.retention", "store.raw",
		"control.token", "control.insecure_token", "control.hosts",
		"log.level", "log.message_text",
	}
	restartOnly = []string{
		"chert.base_url", "chert.tenant", "chert.auth", "chert.timeout", "chert.concurrency",
		"sources.webhook.listen", "sources.webhook.path", "sources.stream", "sources.catchup",
		"rules.dir", "rules.watch",
		"store.url",
		"control.socket", "control.listen", "control.tls",
		"log.format",
		"tracing",
	}
)

// under reports whether a key is one of these, or below one.
func under(keys []string, path string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return path == key || strings.HasPrefix(path, key+".") })
}

// Reasons to reload the configuration, as they are logged.
const (
	bySIGHUP  = "SIGHUP"
	byCommand = "chertd reload --settings"
)

// reloader reloads the configuration while the daemon runs, for signals and for commands.
type reloader struct {
	file   string
	use    use
	log    *slog.Logger
	levels *logSettings
	// manager is the service manager; nil: none.
	manager *supervised

	mu      sync.Mutex
	running *Config // what the daemon runs by
}

// deliver reloads the configuration and gives the changes to the daemon. to has a buffer
// of one and no other sender, so this does not wait. applied, if set, is called once these
// changes, or newer ones, are in force; not after an error.
func (r *reloader) deliver(by string, to chan engine.Changes, applied func(error)) (control.Settings, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ended := r.manager.reload()
	s, changes, err := r.reload(by)
	if err != nil {
		ended()
		return s, err
	}
	changes.Applied = func(err error) {
		ended()
		if applied != nil {
			applied(err)
		}
	}
	select {
	case older := <-to: // not begun yet
		newer := changes.Applied
		changes.Applied = func(err error) {
			older.Applied(err)
			newer(err)
		}
	default:
	}
	to <- changes
	return s, nil
}

// apply is deliver for a command: it waits until the settings are in force.
func (r *reloader) apply(ctx context.Context, to chan engine.Changes) (control.Settings, error) {
	applied := make(chan error, 1)
	s, err := r.deliver(byCommand, to, func(err error) { applied <- err })
	if err != nil {
		return s, unappliedError(r.file, err)
	}
	select {
	case err = <-applied:
	case <-ctx.Done():
		return s, ctx.Err()
	}
	if err != nil {
		return s, unappliedError(r.file, err)
	}
	return s, nil
}

// unapplied begins the message of an unappliedError.
const unapplied = "the settings are not reloaded, the previous ones stay in use: "

// unappliedError returns the answer to a command whose settings are not in force. Of
// several errors it has the first.
func unappliedError(file string, err error) error {
	e := &control.UserError{Status: http.StatusUnprocessableEntity, Message: unapplied + err.Error(), Hint: "run: chertd check -c " + diag.ShellWord(file)}
	var diags diag.List
	if !errors.As(err, &diags) {
		return e
	}
	for _, d := range diags {
		if d.Severity == diag.SeverityError {
			first := d
			first.Hint = ""
			e.Message = unapplied + first.String()
			e.Hint = d.Hint
			break
		}
	}
	return e
}

// reload reads the configuration and returns the changes for the engine. It logs which
// settings changed, and which of them are applied; by is why. r.mu is held.
func (r *reloader) reload(by string) (control.Settings, engine.Changes, error) {
	c, warnings, err := loadConfig(r.file, r.use)
	if err == nil {
		err = r.refuses(c)
	}
	if err != nil {
		r.log.Error("the configuration has errors; the previous one stays in use", "by", by, "err", err,
			"hint", "correct it, see: chertd check -c "+diag.ShellWord(r.file))
		return control.Settings{}, engine.Changes{}, err
	}
	logWarnings(r.log, warnings)
	if err := c.checkCertificate(); err != nil {
		r.log.Error("the files of control.tls can't be used; the previous certificate stays in use, but chertd would not start with these files", "by", by, "err", err,
			"hint", "write both PEM files again; chertd notices that")
	}
	s := control.Settings{File: absolute(r.file)}
	s.Applied, s.NeedsRestart = r.changed(c)
	var not []string
	for _, path := range s.NeedsRestart {
		not = append(not, fmt.Sprintf("%s (%s)", path, c.where(path)))
	}
	r.running = c.over(r.running)
	r.levels.set(r.running.Log)
	if len(s.Applied) > 0 {
		r.log.Info("changed settings applied", "by", by, "settings", strings.Join(s.Applied, ", "))
	} else {
		r.log.Info("rules reloaded; no setting has changed that can be applied without a restart", "by", by)
	}
	if len(not) > 0 {
		r.log.Warn("changed settings not applied; they need a restart", "by", by, "settings", strings.Join(not, ", "))
	}
	return s, r.running.changes(r.log), nil
}

// compare compares the settings in use with the configuration as it is now. It applies
// nothing.
func (r *reloader) compare(context.Context) (control.SettingsInUse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := control.SettingsInUse{File: absolute(r.file)}
	c, _, err := loadConfig(r.file, r.use)
	if err == nil {
		s.NotReloaded, s.NeedsRestart = r.changed(c)
		err = r.refuses(c)
	}
	if err != nil {
		s.Error = strings.TrimPrefix(unappliedError(r.file, err).Error(), unapplied)
	}
	return s, nil
}

// changed returns the settings of c that differ from those in use: which a reload applies,
// and which a restart. r.mu is held.
func (r *reloader) changed(c *Config) (reload, restart []string) {
	for _, path := range changedKeys(r.running, c) {
		if under(reloadable, path) {
			reload = append(reload, path)
		} else {
			restart = append(restart, path)
		}
	}
	return reload, restart
}

// refuses returns why a valid configuration can't be applied now, because a part of it
// needs a restart.
func (r *reloader) refuses(c *Config) error {
	if why := c.over(r.running).Control.exposesToken(); why != "" {
		return c.wrong(exitConfig, "control.token", codeExposed, "restart chertd: changes of control.listen and control.tls need a restart", errors.New(why+" until a restart"))
	}
	return nil
}

// where returns the position of a key for a log line.
func (c *Config) where(path string) string {
	if at := c.at(path); at.Line > 0 {
		return fmt.Sprintf("%s:%d", at.File, at.Line)
	}
	return c.File
}

// over returns the configuration, except that settings which need a restart keep the
// values of the running one.
func (c *Config) over(running *Config) *Config {
	mixed := *c
	for _, path := range restartOnly {
		valueAt(&mixed, path).Set(valueAt(running, path))
	}
	mixed.Store.Path = running.Store.Path
	return &mixed
}

// valueAt returns the setting at a dotted path of keys.
func valueAt(c *Config, path string) reflect.Value {
	v := reflect.ValueOf(c).Elem()
	for key := range strings.SplitSeq(path, ".") {
		v = fieldOf(v, key)
	}
	return v
}

// changedKeys returns the dotted paths at which two configurations differ. A change
// within a pack's entry is reported as the path of the entry.
func changedKeys(a, b *Config) []string {
	var changed []string
	var walk func(path string, a, b reflect.Value)
	walk = func(path string, a, b reflect.Value) {
		switch a.Kind() {
		case reflect.Struct:
			for i := range a.NumField() {
				if key := a.Type().Field(i).Tag.Get("yaml"); key != "-" {
					walk(join(path, key), a.Field(i), b.Field(i))
				}
			}
		case reflect.Map:
			names := map[string]bool{}
			for _, key := range slices.Concat(a.MapKeys(), b.MapKeys()) {
				names[key.String()] = true
			}
			for _, name := range slices.Sorted(maps.Keys(names)) {
				x, y := a.MapIndex(reflect.ValueOf(name)), b.MapIndex(reflect.ValueOf(name))
				if !x.IsValid() || !y.IsValid() || !reflect.DeepEqual(x.Interface(), y.Interface()) {
					changed = append(changed, join(path, name))
				}
			}
		default:
			if !reflect.DeepEqual(a.Interface(), b.Interface()) {
				changed = append(changed, path)
			}
		}
	}
	walk("", reflect.ValueOf(*a), reflect.ValueOf(*b))
	return changed
}
