package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/spec"
)

func newSpecCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "spec",
		Short:   "Write specs: record what a chat saw as a test",
		Long:    `Writes specs, the tests of packs. To run them, use chertd test.`,
		Example: "  chertd spec record 7d1b2c9e --since 2h",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newSpecRecordCommand())
	return cmd
}

// recordOptions are the options of `chertd spec record`.
type recordOptions struct {
	daemonFlags
	pack  string
	since string
	out   string
	text  bool
}

func newSpecRecordCommand() *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use:   "record CHAT",
		Short: "Write a spec of what a chat saw and what became of it",
		Long: `Writes a spec of what one chat saw and what a pack did: the messages, the time
between them, calls that failed, and whether the chat was read, vetoed or held. The
spec is tried on the version of the pack that decided, if it is kept, or else on the
one in the rules folder. What does not hold there is marked by comments in the spec.

A spec belongs to one pack. Without --pack it is the only one that took part.
Vetoes and holds of other packs are comments.

Texts and senders are masked: letters become x, digits 0. If rules look at them, the
masked spec decides otherwise, and chertd tells you. With --text they stay as they are:
such a spec has people's messages in it.`,
		Example: "  chertd spec record 7d1b2c9e --since 2h > rules/vip/spec/incident_spec.lua\n  chertd spec record 7d1b2c9e --pack vip --text -o rules/vip/spec/incident_spec.lua",
		Args:    noneEmpty(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return o.ask(cmd, func(ctx context.Context, c *control.Client) error { return o.record(ctx, cmd, c, args[0]) })
		},
	}
	o.add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.pack, "pack", "", "write the spec of this `PACK`")
	f.StringVar(&o.since, "since", "", "record events of this `DURATION` until now, or since a time such as 2026-01-05T12:00:00Z (default all, 500 at most)")
	f.StringVarP(&o.out, "out", "o", "", "write to this new `FILE` instead of standard output")
	f.BoolVar(&o.text, "text", false, "keep texts and senders as they are")
	return cmd
}

func (o *recordOptions) check() error {
	if o.since == "" {
		return nil
	}
	if _, err := time.Parse(time.RFC3339, o.since); err == nil {
		return nil
	}
	if _, err := luabind.ParseDuration(o.since); err != nil {
		return hinted(usageError("--since: %v", err), "for example --since 2h, or --since 2026-01-05T12:00:00Z")
	}
	return nil
}

func (o *recordOptions) record(ctx context.Context, cmd *cobra.Command, c *control.Client, chatID string) error {
	q := control.RecordQuery{Chat: chatID, Since: o.since}
	r, err := c.RecordChat(ctx, q)
	if err != nil {
		return err
	}
	if o.json {
		r.Files = nil
		if !o.text {
			r = *r.Masked()
		}
		return printJSON(cmd.OutOrStdout(), r)
	}
	pack, err := o.choose(&r)
	if err != nil {
		return err
	}
	loaded, err := o.load(ctx, c, q, pack, r.Versions(pack))
	if err != nil {
		return err
	}
	if n := r.NotLive(pack); n > 0 {
		note := fmt.Sprintf("no version of pack %s was live on %d of %d events: the spec does not have what it would have done there", pack, n, len(r.Events))
		if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "chertd: "+diag.Visible(note)); err != nil {
			return err
		}
	}
	written := spec.Record(ctx, &r, pack, loaded, o.text)
	if err := o.write(cmd.OutOrStdout(), written.Lua); err != nil {
		return err
	}
	for _, note := range written.Notes {
		if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "chertd: "+diag.Visible(note)); err != nil {
			return err
		}
	}
	return nil
}

// choose returns the pack whose spec is written.
func (o *recordOptions) choose(r *spec.Recording) (string, error) {
	packs := r.Packs()
	switch {
	case o.pack != "":
		return o.pack, nil
	case len(packs) == 1:
		return packs[0], nil
	case len(packs) == 0:
		return "", hinted(fmt.Errorf("no rule of any pack matched an event of chat %s", r.Chat), "name the pack that should have: --pack PACK")
	}
	return "", hinted(fmt.Errorf("%d packs took part in what became of chat %s: %s", len(packs), r.Chat, strings.Join(packs, ", ")),
		"a spec belongs to one pack: add --pack "+diag.ShellWord(packs[0]))
}

// load returns the version of the pack that decided last: that in the rules folder if it is
// the same, or else the one that the daemon keeps, or else that in the folder. nil: there is
// none.
func (o *recordOptions) load(ctx context.Context, c *control.Client, q control.RecordQuery, pack string, versions []string) (*rules.Pack, error) {
	source := ruleSource{file: o.config}
	if source.file == "" {
		for _, place := range configPlaces {
			if _, err := os.Stat(place); err == nil {
				source.file = place
				break
			}
		}
	}
	if err := source.use(nil); err != nil {
		return nil, err
	}
	var found *rules.Pack
	path := filepath.Join(source.options.Folder, pack)
	if _, err := os.Stat(source.options.Folder); err == nil {
		report := rules.Load(source.paths, source.options)
		for i := range report.Packs {
			if report.Packs[i].Name == pack && report.Packs[i].Pack != nil {
				found, path = report.Packs[i].Pack, report.Packs[i].Path
			}
		}
	}
	if len(versions) == 0 || found != nil && found.Version == versions[len(versions)-1] {
		return found, nil
	}
	q.Pack, q.Version = pack, versions[len(versions)-1]
	r, err := c.RecordChat(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(r.Files) == 0 {
		return found, nil
	}
	var files []rules.File
	for _, f := range r.Files {
		files = append(files, rules.File{Name: f.Name, Kind: rules.FileKind(f.Kind), Bytes: f.Content})
	}
	kept := rules.KeptCandidate(pack, path, files, source.options)
	if kept.Compile(); kept.Diagnostics().Errors() {
		return found, nil // it does not load with the settings of today
	}
	return kept.Pack(), nil
}

// write writes the spec to a new file, or to standard output.
func (o *recordOptions) write(stdout io.Writer, text string) error {
	if o.out == "" {
		_, err := io.WriteString(stdout, text)
		return err
	}
	if dir := filepath.Dir(o.out); filepath.Base(dir) == "spec" {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make the folder of the pack's specs: %w", err)
		}
	}
	f, err := os.OpenFile(o.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return hinted(fmt.Errorf("%s exists already: it is not overwritten", o.out), "name a new file, or remove it first")
	}
	if err != nil {
		return fmt.Errorf("write the spec: %w", err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the spec to %s: %w", o.out, err)
	}
	return nil
}
