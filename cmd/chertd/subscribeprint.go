package main

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"chertd/engine/chert"
	"chertd/engine/event"
	"chertd/luabind/diag"
)

// subscriptionView is a subscription as --json prints it.
type subscriptionView struct {
	ID        string   `json:"id"`
	URL       string   `json:"url"`
	Events    []string `json:"events"` // [] is all
	Version   string   `json:"version,omitempty"`
	Active    bool     `json:"is_active"`
	CreatedAt string   `json:"created_at,omitempty"`
	Secret    string   `json:"secret,omitempty"` // only of a new one
	Notes     []string `json:"notes,omitempty"`
}

// created is the result of --url.
type created struct {
	Subscription subscriptionView `json:"subscription"`
	Next         []string         `json:"next,omitempty"` // the steps that are left
}

// rotated is the result of --rotate.
type rotated struct {
	New         subscriptionView `json:"new"` // with the secret, unless that is in SecretsFile
	Old         subscriptionView `json:"old"`
	SecretsFile string           `json:"secrets_file,omitempty"` // has the new secret
	Line        int              `json:"line,omitempty"`         // of the new secret
	Reloaded    bool             `json:"reloaded"`               // the daemon accepts the new secret
	Deleted     bool             `json:"deleted"`                // the old subscription
	Removed     bool             `json:"removed"`                // the old secret from SecretsFile
	Next        []string         `json:"next,omitempty"`         // the steps that are left
}

// view returns a subscription for printing, with what is unusual about it.
func (s *subscriber) view(sub chert.Subscription) subscriptionView {
	v := subscriptionView{ID: sub.ID, URL: shownURL(sub.URL), Events: append([]string{}, sub.Events...), Version: sub.Version, Active: sub.Active, CreatedAt: sub.CreatedAt, Secret: sub.Secret}
	if !sub.Active {
		v.Notes = append(v.Notes, "inactive: Chert delivers nothing for it")
	}
	if sub.URL == devInbox {
		v.Notes = append(v.Notes, "the dev inbox: Chert delivers nothing, and GET /dev-inbox lists its events")
	}
	if note := pathNote(sub.URL, s.c.Sources.Webhook.Path); note != "" {
		v.Notes = append(v.Notes, note)
	}
	return v
}

// printSubscriptions prints a line for each subscription, and below it what is unusual.
func printSubscriptions(w io.Writer, views []subscriptionView) error {
	views = shown(views)
	rows := [][]string{{"ID", "EVENTS", "CREATED", "URL"}}
	for _, v := range views {
		when := v.CreatedAt
		if t, err := time.Parse(time.RFC3339, when); err == nil {
			when = minute(t)
		}
		rows = append(rows, []string{v.ID, eventWords(v.Events), when, v.URL})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], uniseg.StringWidth(cell))
		}
	}
	var b strings.Builder
	for i, row := range rows {
		for j, cell := range row[:len(row)-1] {
			b.WriteString(pad(cell, widths[j]) + "  ")
		}
		b.WriteString(row[len(row)-1] + "\n")
		if i > 0 {
			for _, note := range views[i-1].Notes {
				b.WriteString("  " + note + "\n")
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printCreated prints a new subscription with its secret, and the steps that are left.
func (s *subscriber) printCreated(what string, sub chert.Subscription, next []string, after ...string) error {
	lines := []string{what,
		"  url      " + shownURL(sub.URL),
		"  events   " + eventWords(sub.Events),
		"  version  " + sub.Version,
		"  secret   " + sub.Secret,
		"Chert shows the secret only once. Next:",
	}
	for i, step := range next {
		lines = append(lines, fmt.Sprintf("  %d. %s", i+1, step))
	}
	return tell(s.cmd, false, nil, append(lines, after...)...)
}

// nextSteps returns what to do with a new subscription.
func (s *subscriber) nextSteps(sub chert.Subscription) []string {
	if sub.URL == devInbox {
		return []string{"nothing in chertd: its events come by the events log and the stream, and GET /dev-inbox lists them"}
	}
	if !s.hasSecrets() {
		return append(s.secretSteps(), "start the daemon: chertd run"+s.configFlag())
	}
	return s.secretSteps()
}

// secretSteps returns the steps by which the daemon accepts a further secret.
func (s *subscriber) secretSteps() []string {
	hook, file := s.c.Sources.Webhook, diag.ShellWord(s.c.File)
	switch {
	case hook.SecretsFile != "":
		return []string{"add the secret to " + hook.SecretsFile + " as a line of its own", "run: " + s.reloadCommand()}
	case s.hasSecrets():
		at := s.c.at("sources.webhook.secrets")
		return []string{
			fmt.Sprintf("add the secret to the list sources.webhook.secrets (%s:%d); what is there stays", at.File, at.Line),
			"run: " + s.reloadCommand() + "; if an environment variable holds the secret, restart chertd instead",
		}
	}
	return []string{"write the secret into a file that only the user of chertd can read, and name that file in " + file + ": sources: {webhook: {secrets_file: FILE}}"}
}

// hasSecrets reports whether the configuration says where the webhook's secrets are.
func (s *subscriber) hasSecrets() bool {
	_, list := s.c.places["sources.webhook.secrets"]
	return list || s.c.Sources.Webhook.SecretsFile != ""
}

// simulated reports whether the Chert of the configuration is on this machine.
func (s *subscriber) simulated() bool {
	u, err := url.Parse(s.c.Chert.BaseURL)
	return err == nil && loopback(u.Hostname())
}

// eventNotes returns what is unusual about the types of events of a new subscription.
func (s *subscriber) eventNotes() (notes []string) {
	for _, typ := range s.types() {
		if slices.Contains(documentedEvents, typ) {
			continue
		}
		note := "Chert documents no event " + typ
		if near := diag.Suggest(typ, documentedEvents); near != "" {
			note += "; did you mean " + near + "?"
		}
		notes = append(notes, note)
	}
	return notes
}

// documentedEvents are the types of events that Chert documents.
var documentedEvents = []string{event.MessageReceived, event.ReactionAdded, event.ReactionRemoved, event.LeadReply}

// listenNote returns that the daemon receives no deliveries; "": it does.
func (s *subscriber) listenNote() string {
	if s.c.Sources.Webhook.Listen != "" {
		return ""
	}
	return "sources.webhook.listen is \"\": with this configuration, chertd receives no deliveries"
}

// warn prints warnings; empty ones are left out.
func (s *subscriber) warn(notes ...string) {
	for _, note := range notes {
		if note != "" {
			fmt.Fprintln(s.cmd.ErrOrStderr(), "warning: "+diag.Visible(note))
		}
	}
}

// say prints a line of progress.
func (s *subscriber) say(format string, args ...any) {
	if !s.json {
		fmt.Fprintln(s.cmd.OutOrStdout(), diag.Visible(fmt.Sprintf(format, args...)))
	}
}

// command returns a command line of chertd subscribe with this configuration.
func (s *subscriber) command(args ...string) string {
	line := "chertd subscribe" + s.configFlag()
	for _, arg := range args {
		line += " " + diag.ShellWord(arg)
	}
	return line
}

// reloadCommand returns the command after which the daemon has a new secret.
func (s *subscriber) reloadCommand() string {
	return secretReload(s.c.Sources.Webhook.SecretsFile, s.daemonCommand("reload --settings"))
}

// eventWords names types of events.
func eventWords(types []string) string {
	if len(types) == 0 {
		return allEvents
	}
	return strings.Join(types, ",")
}

// shownURL returns a URL without a password.
func shownURL(address string) string {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		return u.Redacted()
	}
	return address
}
