package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/store/sqlite"
	"chertd/rules/spec"
)

// TestJSONFieldsAreDocumented: what docs/http-api.md says that --json prints is
// what the commands print, in both directions, if there is something to say of
// everything.
func TestJSONFieldsAreDocumented(t *testing.T) {
	t.Parallel()
	documented := documentedFields(t)
	dir, err := os.MkdirTemp("", "json") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s")
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := control.NewServer(control.Handler(control.Config{Daemon: full{}, Health: func() control.Health { return control.Health{} }}), slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(l) }()
	defer server.Close()

	type tables map[string]string // the prefix of its fields, by the table's command
	pack, changed := tables{"chertd packs PACK": ""}, tables{"chertd packs PACK": "", "chertd rollback": ""}
	for _, test := range []struct {
		args string
		as   tables
	}{
		{"status", tables{"chertd status": ""}},
		{"packs", tables{"chertd packs PACK": "packs[]."}},
		{"tail --no-follow", tables{"chertd tail": ""}},
		{"packs x", pack},
		{"reload", tables{"chertd packs PACK": "packs[].", "chertd reload": ""}},
		{"reload --settings", tables{"chertd packs PACK": "packs[].", "chertd reload": "", "chertd reload --settings": ""}},
		{"rollback x", changed},
		{"mode x off", changed},
		{"shadow x --end", changed},
		{"packs --diff x", tables{"chertd packs --diff PACK": ""}},
		{"rules", tables{"chertd rules": ""}},
		{"packs remove x", tables{"chertd packs remove PACK": ""}},
		{"pause", tables{"chertd pause": ""}},
		{"resume", tables{"chertd resume": ""}},
		{"drain --timeout 2s", tables{"chertd drain": ""}},
		{"retry-errors x", tables{"chertd retry-errors": ""}},
		{"explain c1", tables{"chertd explain": "", "chertd explain EVENT": "events[].", "chertd explain ACTION": "events[].actions[]."}},
		{"forget c1", tables{"chertd forget": ""}},
		{"hold c1", tables{"chertd hold": ""}},
		{"signal human_replied --chat c1", tables{"chertd signal": ""}},
		{"release c1", tables{"chertd release": ""}},
		{"list", tables{"chertd list": "lists[]."}},
		{"list x", tables{"chertd list": "", "chertd list NAME": ""}},
		{"list x history", tables{"chertd list": "", "chertd list NAME history": ""}},
		{"list x add c1", tables{"chertd list": "", "chertd list NAME add": ""}},
		{"list x remove c1", tables{"chertd list": "", "chertd list NAME add": ""}},
		{"hold --where line=+1 --yes", tables{"chertd hold --where": ""}},
		{"hold --list", tables{"chertd hold --list": ""}},
		{"release --id 7", tables{"chertd release --where": ""}},
		{"waiting", tables{"chertd waiting": ""}},
		{"waiting cancel 7.0", tables{"chertd waiting cancel": ""}},
		{"waiting now 7.0", tables{"chertd waiting cancel": ""}},
		{"spec record c1", tables{"chertd spec record": ""}},
		{"dead", tables{"chertd dead": ""}},
		{"dead retry --all", tables{"chertd dead retry": ""}},
		{"dead drop 7.0", tables{"chertd dead drop": ""}},
		{"quarantine --bodies", tables{"chertd quarantine": ""}},
		{"quarantine retry --all", tables{"chertd quarantine retry": ""}},
		{"quarantine drop 7", tables{"chertd quarantine drop": ""}},
		{"doctor --offline -c nosuch.yaml", tables{"chertd doctor": ""}},
	} {
		var out, errs bytes.Buffer
		execute(append(strings.Fields(test.args), "--json", "--socket", socket), strings.NewReader(""), &out, &errs)
		var v any
		if err := json.Unmarshal(out.Bytes(), &v); err != nil {
			t.Errorf("chertd %s --json prints %q: %v (%s)", test.args, out.String(), err, errs.String())
			continue
		}
		printed, said := map[string]bool{}, map[string]bool{}
		fields(v, "", printed)
		for table, under := range test.as {
			for name := range documented[table] {
				said[under+name] = true
			}
		}
		compareFields(t, "chertd "+test.args, printed, said)
	}
}

// compareFields compares the fields that a command prints with those of the manual.
func compareFields(t *testing.T, command string, printed, said map[string]bool) {
	t.Helper()
	for name := range printed {
		if !said[name] {
			t.Errorf("%s --json prints %s, and the manual does not say what it is", command, name)
		}
	}
	for name := range said {
		if !printed[name] {
			t.Errorf("the manual says that %s --json prints %s, and it does not", command, name)
		}
	}
}

// TestJSONOfSubscribeIsDocumented does the same for chertd subscribe, which asks Chert. What
// a rotation prints depends on who puts the secret in its place.
func TestJSONOfSubscribeIsDocumented(t *testing.T) {
	t.Parallel()
	documented := documentedFields(t)
	s := newSubscriptionRig(t)
	socket := filepath.Join(filepath.Dir(s.file), "s")
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := control.NewServer(control.Handler(control.Config{Daemon: reloads{file: s.file}, Health: func() control.Health { return control.Health{} }}), slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	run := func(args ...string) map[string]bool {
		t.Helper()
		out, _ := s.run(0, append(append([]string{"subscribe", "--socket", socket}, args...), "--json")...)
		var v any
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatalf("%q prints %q: %v", args, out, err)
		}
		printed := map[string]bool{}
		fields(v, "", printed)
		return printed
	}
	compareFields(t, "chertd subscribe --url", run("--url", "https://hooks.example.com/other"), documented["chertd subscribe --url URL"])
	compareFields(t, "chertd subscribe --list", run("--list"), documented["chertd subscribe --list"])
	other := s.list()[0]
	rotated := run("--rotate", other)
	compareFields(t, "chertd subscribe --delete", run("--delete", other), documented["chertd subscribe --delete ID"])
	run("--delete", s.list()[0])
	run("--url", "https://hooks.example.com/webhooks/chert")
	maps.Copy(rotated, run("--rotate", s.list()[0], "--wait", "0s"))
	compareFields(t, "chertd subscribe --rotate", rotated, documented["chertd subscribe --rotate ID"])
}

// reloads is a daemon that takes new secrets from a configuration.
type reloads struct {
	full
	file string
}

func (r reloads) ReloadSettings(context.Context) (control.Settings, error) {
	return control.Settings{File: r.file, Applied: []string{"sources.webhook.secrets"}}, nil
}

// TestJSONFieldsOfTheStoreAreDocumented: the same for the commands that do not talk to the daemon.
func TestJSONFieldsOfTheStoreAreDocumented(t *testing.T) {
	t.Parallel()
	documented := documentedFields(t)
	for command, v := range map[string]any{
		"chertd store check": everything[sqlite.CheckReport](), "chertd store backup": everything[sqlite.BackedUp](), "chertd store restore": everything[sqlite.Restored](),
		"chertd apply": everything[applyReport](),
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var printed any
		if err := json.Unmarshal(text, &printed); err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		fields(printed, "", got)
		if !maps.Equal(got, documented[command]) {
			t.Errorf("%s --json prints %v, and the manual has %v", command, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(documented[command])))
		}
	}
}

// fields collects the paths of a value's leaves. Keys that are names of something
// are written in capitals, and so are those of full.
func fields(v any, path string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			fields(v[key], strings.TrimPrefix(path+"."+key, "."), into)
		}
	case []any:
		for _, item := range v {
			fields(item, path+"[]", into)
		}
	default:
		into[path] = true
	}
}

// documentedFields returns the fields in the tables of the section on JSON, by the
// command that the paragraph before the table names first.
func documentedFields(t *testing.T) map[string]map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## JSON\n")
	if !ok {
		t.Fatal("there is no section on JSON")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	command, field := regexp.MustCompile("(?m)^`(chertd [a-zA-Z -]+?) --json`"), regexp.MustCompile("`([^`]+)`")
	all, under := map[string]map[string]bool{}, ""
	for line := range strings.Lines(section) {
		if m := command.FindStringSubmatch(line); m != nil {
			under = m[1]
			all[under] = map[string]bool{}
		}
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, m := range field.FindAllStringSubmatch(cells[1], -1) {
				all[under][m[1]] = true
			}
		}
	}
	return all
}

// full is a daemon that has something to say of everything.
type full struct{}

// documentedKeys are how the manual writes keys that are names of something, by the
// field that has them.
var documentedKeys = map[string]string{"Actions": "STATUS", "Refused": "REASON", "Header": "HEADER", "Dropped": "WHY", "Stay": "WHY", "Parts": "RULE", "Uses": "FILE"}

// everything is a value that has something to say in every field.
func everything[T any]() T { return filled[T](filling{text: "x", bools: true, keys: documentedKeys}) }

func (full) Status(context.Context) (control.Status, error) {
	return everything[control.Status](), nil
}
func (full) Tail(context.Context, control.TailQuery) (control.TailLines, error) {
	return &oneLine{everything[control.Tailed]()}, nil
}
func (full) Packs(context.Context) ([]control.Pack, error) {
	return everything[[]control.Pack](), nil
}
func (full) Reload(context.Context) (control.Reload, error) {
	return everything[control.Reload](), nil
}
func (full) ReloadSettings(context.Context) (control.Settings, error) {
	return everything[control.Settings](), nil
}
func (full) SettingsInUse(context.Context) (control.SettingsInUse, error) {
	return everything[control.SettingsInUse](), nil
}
func (full) Remove(context.Context, string, bool) (live.Dropped, error) {
	return everything[live.Dropped](), nil
}
func (full) Rollback(context.Context, string, control.RollbackRequest) (control.Changed, error) {
	return everything[control.Changed](), nil
}
func (full) Shadow(context.Context, string, control.CandidateRequest) (control.Changed, error) {
	return everything[control.Changed](), nil
}
func (full) Differences(context.Context, string, int) (control.Differences, error) {
	return everything[control.Differences](), nil
}
func (full) Rules(context.Context, control.RulesQuery) (control.Rules, error) {
	return everything[control.Rules](), nil
}
func (full) EndShadow(context.Context, string, bool) (control.Changed, error) {
	return everything[control.Changed](), nil
}
func (full) SetMode(context.Context, string, control.ModeRequest) (control.Changed, error) {
	return everything[control.Changed](), nil
}
func (full) Lists(context.Context) ([]control.List, error) {
	return everything[[]control.List](), nil
}
func (full) List(context.Context, string, control.ListQuery) (control.ListShown, error) {
	return everything[control.ListShown](), nil
}
func (full) ListHistory(context.Context, string, int) (control.ListHistory, error) {
	return everything[control.ListHistory](), nil
}
func (full) ListAdd(context.Context, string, control.ListAddRequest) (control.ListChanged, error) {
	return everything[control.ListChanged](), nil
}
func (full) ListRemove(context.Context, string, control.ListRemoveRequest) (control.ListChanged, error) {
	return everything[control.ListChanged](), nil
}
func (full) RecordChat(context.Context, control.RecordQuery) (spec.Recording, error) {
	return everything[spec.Recording](), nil
}
func (full) Pause(context.Context, bool) error            { return nil }
func (full) Drain(context.Context) (control.Drain, error) { return everything[control.Drain](), nil }
func (full) Drained(context.Context, time.Duration) (control.Drain, error) {
	return everything[control.Drain](), nil
}
func (full) RetryErrors(context.Context, string, control.RetryErrorsRequest) (control.Retried, error) {
	return everything[control.Retried](), nil
}
func (full) ErrorsRetried(context.Context, string, time.Duration) (control.Retried, error) {
	return everything[control.Retried](), nil
}
func (full) Explain(context.Context, control.ExplainQuery) (control.Explained, error) {
	return everything[control.Explained](), nil
}
func (full) Forget(context.Context, control.ForgetRequest) (control.Forgotten, error) {
	return everything[control.Forgotten](), nil
}
func (full) Read(context.Context, control.ReadRequest) (control.ReadRequested, error) {
	return everything[control.ReadRequested](), nil
}
func (full) Apply(context.Context, control.ApplyRequest) (control.ApplyResult, error) {
	return everything[control.ApplyResult](), nil
}
func (full) Hold(context.Context, control.HoldRequest) (control.Held, error) {
	return everything[control.Held](), nil
}
func (full) Signal(context.Context, control.SignalRequest) (control.Signaled, error) {
	return everything[control.Signaled](), nil
}
func (full) Release(context.Context, control.ReleaseRequest) (control.Released, error) {
	return everything[control.Released](), nil
}
func (full) HoldSelection(context.Context, control.HoldRequest) (control.HeldSelection, error) {
	return everything[control.HeldSelection](), nil
}
func (full) ReleaseSelection(context.Context, control.ReleaseRequest) (control.ReleasedSelection, error) {
	return everything[control.ReleasedSelection](), nil
}
func (full) Waiting(context.Context, control.WaitingQuery) (control.Waiting, error) {
	return everything[control.Waiting](), nil
}
func (full) CancelWaiting(context.Context, control.WaitingRequest) (control.WaitingChanged, error) {
	return everything[control.WaitingChanged](), nil
}
func (full) HurryWaiting(context.Context, control.WaitingRequest) (control.WaitingChanged, error) {
	return everything[control.WaitingChanged](), nil
}
func (full) Dead(context.Context, control.DeadQuery) (control.Dead, error) {
	return everything[control.Dead](), nil
}
func (full) RetryDead(context.Context, control.DeadRequest) (control.DeadRetried, error) {
	return everything[control.DeadRetried](), nil
}
func (full) DropDead(context.Context, control.DeadRequest) (control.DeadDropped, error) {
	return everything[control.DeadDropped](), nil
}
func (full) Quarantined(context.Context, int, bool) (control.Quarantine, error) {
	return everything[control.Quarantine](), nil
}
func (full) RetryQuarantined(context.Context, control.QuarantineRequest) (control.QuarantineRetried, error) {
	return everything[control.QuarantineRetried](), nil
}
func (full) DropQuarantined(context.Context, control.QuarantineRequest) (control.QuarantineDropped, error) {
	return everything[control.QuarantineDropped](), nil
}
