package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"

	"chertd/engine"
)

// reloadable are the settings that SIGHUP applies, and restartOnly those that need a
// restart. A key stands for everything below it.
var (
	reloadable = []string{
		"chert.signing_secret", "chert.rate.limit", "chert.rate.burst",
		"sources.webhook.secrets", "sources.webhook.tolerance", "sources.webhook.max_body", "sources.webhook.max_header",
		"rules.timezone", "rules.country", "rules.gate", "rules.packs",
		"store.retention", "store.raw",
		"control.token", "control.insecure_token", "control.hosts",
		"log.level", "log.message_text",
	}
	restartOnly = []string{
		"chert.base_url", "chert.tenant", "chert.auth", "chert.timeout", "chert.concurrency", "chert.rate.adaptive",
		"sources.webhook.listen", "sources.webhook.path", "sources.stream", "sources.catchup",
		"rules.dir", "rules.watch",
		"store.url",
		"control.socket", "control.listen", "control.tls",
		"log.format",
	}
)

// under reports whether a key is one of these, or below one.
func under(keys []string, path string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return path == key || strings.HasPrefix(path, key+".") })
}

// reloader reloads the configuration while the daemon runs.
type reloader struct {
	file    string
	use     use
	log     *slog.Logger
	levels  *logSettings
	running *Config // what the daemon runs by
}

// reload reads the configuration and returns the changes for the engine, or false if
// there are none. It logs which settings changed, and which of them are applied.
func (r *reloader) reload() (engine.Changes, bool) {
	c, warnings, err := loadConfig(r.file, r.use)
	if err == nil {
		err = r.refuses(c)
	}
	if err != nil {
		r.log.Error("SIGHUP: the configuration has errors; the previous one stays in use", "err", err)
		return engine.Changes{}, false
	}
	logWarnings(r.log, warnings)
	if err := c.checkCertificate(); err != nil {
		r.log.Error("SIGHUP: the files of control.tls can't be used; the previous certificate stays in use, but chertd would not start with these files", "err", err)
	}
	var taken, not []string
	for _, path := range changedKeys(r.running, c) {
		if under(reloadable, path) {
			taken = append(taken, path)
		} else {
			not = append(not, fmt.Sprintf("%s (%s)", path, c.where(path)))
		}
	}
	r.running = c.over(r.running)
	r.levels.set(r.running.Log)
	if len(taken) > 0 {
		r.log.Info("SIGHUP: changed settings applied", "settings", strings.Join(taken, ", "))
	} else {
		r.log.Info("SIGHUP: rules reloaded; no setting has changed that can be applied without a restart")
	}
	if len(not) > 0 {
		r.log.Warn("SIGHUP: changed settings not applied; they need a restart", "settings", strings.Join(not, ", "))
	}
	return r.running.changes(r.log), true
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
