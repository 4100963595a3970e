package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/rules"
)

// completionEvents is how many of the newest events chats and events are taken from.
const completionEvents = 200

// packs returns the packs of the daemon; if it does not run, those of the rules directory.
func (c *completer) packs() (all []cobra.Completion) {
	if c.ask(func(ctx context.Context, client *control.Client) error {
		list, err := client.Packs(ctx)
		for i := range list {
			p := &list[i]
			all = append(all, fmt.Sprintf("%s\t%s, version %s, %s", p.Name, p.Mode, shortVersion(p.Version), count(p.Rules, "rule")))
		}
		return err
	}) {
		return all
	}
	for _, path := range c.packPaths() {
		all = append(all, strings.TrimSuffix(filepath.Base(path), ".lua"))
	}
	return all
}

// gonePacks returns packs whose files were deleted.
func (c *completer) gonePacks() (all []cobra.Completion) {
	c.ask(func(ctx context.Context, client *control.Client) error {
		list, err := client.Packs(ctx)
		for i := range list {
			if list[i].Gone {
				all = append(all, list[i].Name+"\tits files were deleted")
			}
		}
		return err
	})
	return all
}

// packPaths returns the paths of the packs in the rules directory. It runs none of them.
func (c *completer) packPaths() (all []cobra.Completion) {
	s := ruleSource{}
	s.file, _ = c.cmd.Flags().GetString("config")
	if s.find(nil) != nil {
		return nil
	}
	for _, p := range rules.ReadFolder(s.options.Folder, rules.FolderOptions{}).Packs() {
		all = append(all, p.Path)
	}
	return all
}

// rules returns the rules of the daemon, as PACK/RULE.
func (c *completer) rules() (all []cobra.Completion) {
	c.ask(func(ctx context.Context, client *control.Client) error {
		found, err := client.Rules(ctx, control.RulesQuery{})
		for i := range found.Rules {
			r := &found.Rules[i]
			all = append(all, fmt.Sprintf("%s/%s\t%s, %s", r.Pack, r.Rule, r.Mode, r.Place))
		}
		return err
	})
	return all
}

func (c *completer) packsAndRules() []cobra.Completion {
	if c.cmd.Name() == "tail" || strings.Contains(c.typed, "/") {
		return c.rules() // a pack has no slash in its name, and tail has --pack
	}
	return append(c.packs(), c.rules()...)
}

// packModes returns PACK=MODE.
func (c *completer) packModes() (all []cobra.Completion) {
	if pack, _, ok := strings.Cut(c.typed, "="); ok {
		for _, mode := range modeNames {
			all = append(all, pack+"="+mode)
		}
		return all
	}
	for _, pack := range c.packs() {
		name, _, _ := strings.Cut(pack, "\t")
		all = append(all, name+"=")
	}
	return all
}

// versions returns the versions to which the pack of the first argument can be rolled back, the
// newest first.
func (c *completer) versions() (all []cobra.Completion) {
	c.ask(func(ctx context.Context, client *control.Client) error {
		p, err := client.Pack(ctx, c.args[0])
		for _, v := range p.Versions {
			if v.Version == p.Version {
				continue
			}
			about := fmt.Sprintf("%s to %s, failed on %s of %s", minute(v.Since), minute(v.Last), thousands(v.Failures), many(v.Events, "event"))
			if v.RolledBack {
				about += ", rolled back"
			}
			all = append(all, shortVersion(v.Version)+"\t"+about)
		}
		return err
	})
	return all
}

// events calls each with the newest events, the newest first.
func (c *completer) events(each func(control.Tailed)) {
	var lines []control.Tailed
	c.ask(func(ctx context.Context, client *control.Client) error {
		return client.Tail(ctx, control.TailQuery{Lines: completionEvents, NoFollow: true}, func(t control.Tailed) error {
			lines = append(lines, t)
			return nil
		})
	})
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i].Kind == control.TailEvent {
			each(lines[i])
		}
	}
}

// chats returns the chats of the newest events.
func (c *completer) chats() (all []cobra.Completion) {
	c.events(func(t control.Tailed) {
		if t.Chat != "" {
			all = append(all, t.Chat+"\t"+tailedWords(t))
		}
	})
	return all
}

// chatsAndEvents returns the chats and the ids of the newest events.
func (c *completer) chatsAndEvents() (all []cobra.Completion) {
	var ids []cobra.Completion
	c.events(func(t control.Tailed) {
		if t.Chat != "" {
			all = append(all, t.Chat+"\t"+tailedWords(t))
		}
		ids = append(ids, t.Event+"\t"+tailedWords(t))
	})
	return append(all, ids...)
}

// tailedWords describes an event beside its chat or id. It has nothing that people wrote.
func tailedWords(t control.Tailed) string { return minute(t.At) + ", " + t.Type + ", " + t.Outcome }

// heldChats returns the chats that are held.
func (c *completer) heldChats() (all []cobra.Completion) {
	c.ask(func(ctx context.Context, client *control.Client) error {
		s, err := client.Status(ctx)
		if err == nil && s.Holds != nil {
			for _, h := range s.Holds.First {
				all = append(all, fmt.Sprintf("%s\tuntil %s, by %s", h.Chat, minute(h.Until), h.By))
			}
		}
		return err
	})
	return all
}

// selectionHolds returns the ids of the holds of selections.
func (c *completer) selectionHolds() []cobra.Completion {
	return c.selections(func(h *control.SelectionHold) string { return strconv.FormatInt(h.ID, 10) })
}

// heldSelections returns the selections that are held, as release --where takes them. One that
// has two pairs is released by its id.
func (c *completer) heldSelections() []cobra.Completion {
	return c.selections(func(h *control.SelectionHold) string {
		if strings.Contains(h.Where, " ") {
			return ""
		}
		return h.Where
	})
}

func (c *completer) selections(word func(*control.SelectionHold) string) (all []cobra.Completion) {
	c.ask(func(ctx context.Context, client *control.Client) error {
		s, err := client.Status(ctx)
		for i := range s.HeldSelections {
			h := &s.HeldSelections[i]
			all = append(all, fmt.Sprintf("%s\t%s, until %s, by %s", word(h), h.Where, minute(h.Until), h.By))
		}
		return err
	})
	return all
}

// lines returns the phone lines of what waits, and those whose calls have stopped.
func (c *completer) lines() (all []cobra.Completion) {
	c.ask(func(ctx context.Context, client *control.Client) error {
		s, err := client.Status(ctx)
		for _, l := range s.Calls.Lines {
			all = append(all, l.Line+"\tcalls have stopped since "+minute(l.Since))
		}
		if err != nil || c.flag != nil && c.flag.Name == "line" {
			return err // forget --line is for these alone
		}
		w, err := client.Waiting(ctx, control.WaitingQuery{Limit: control.MaxWaitingShown})
		for i := range w.Waiting {
			all = append(all, w.Waiting[i].Line)
		}
		return err
	})
	return all
}

func (c *completer) waitingIDs() (all []cobra.Completion) {
	c.ask(func(ctx context.Context, client *control.Client) error {
		w, err := client.Waiting(ctx, control.WaitingQuery{Limit: control.MaxWaitingShown})
		for i := range w.Waiting {
			a := &w.Waiting[i]
			all = append(all, fmt.Sprintf("%s\t%s of chat %s, waits for %s", a.ID, a.Kind, a.Chat, a.For))
		}
		return err
	})
	return all
}

// dead asks for the dead actions, the newest first.
func (c *completer) dead() (d control.Dead) {
	c.ask(func(ctx context.Context, client *control.Client) (err error) {
		d, err = client.Dead(ctx, control.DeadQuery{Limit: control.MaxDeadShown})
		return err
	})
	return d
}

func (c *completer) deadIDs() (all []cobra.Completion) {
	dead := c.dead().Dead
	for i := range dead {
		a := &dead[i]
		all = append(all, fmt.Sprintf("%s\t%s of chat %s, %s", a.ID, a.Kind, a.Chat, a.Why))
	}
	return all
}

func (c *completer) deadChats() (all []cobra.Completion) {
	dead := c.dead().Dead
	for i := range dead {
		all = append(all, dead[i].Chat)
	}
	return all
}

// deadCodes returns the codes of the last answers of dead actions, the most frequent first.
func (c *completer) deadCodes() (all []cobra.Completion) {
	for _, g := range c.dead().Groups {
		code := g.Code
		if code == 0 {
			code = g.HTTP
		}
		all = append(all, fmt.Sprintf("%d\t%s", code, many(g.Count, "action")))
	}
	return all
}

func (c *completer) quarantineIDs() (all []cobra.Completion) {
	c.ask(func(ctx context.Context, client *control.Client) error {
		q, err := client.Quarantine(ctx, control.QuarantineShown, false)
		for i := range q.Quarantine {
			d := &q.Quarantine[i]
			all = append(all, fmt.Sprintf("%d\t%s, %s", d.ID, minute(d.Received), d.Reason))
		}
		return err
	})
	return all
}

func (c *completer) listNames() (all []cobra.Completion) {
	c.ask(func(ctx context.Context, client *control.Client) error {
		lists, err := client.Lists(ctx)
		for _, l := range lists {
			all = append(all, l.Name+"\t"+count(l.Members, "member"))
		}
		return err
	})
	return all
}

func (c *completer) listVerbs() (all []cobra.Completion) {
	for _, v := range listVerbs {
		all = append(all, v.name)
	}
	return all
}

// listArguments returns what follows the verb of list: members to remove, or a file to import. New
// members are made up.
func listArguments(c *completer) values {
	switch c.args[1] {
	case "remove":
		return found((*completer).members)
	case "import":
		return fileOf("csv")
	}
	return freeText
}

// members returns members of the list of the first argument.
func (c *completer) members() (all []cobra.Completion) {
	if len(c.args) == 0 {
		return nil
	}
	c.ask(func(ctx context.Context, client *control.Client) error {
		l, err := client.List(ctx, c.args[0], control.ListQuery{Limit: control.MaxListShown})
		for _, m := range l.Shown {
			all = append(all, m.Member)
		}
		return err
	})
	return all
}
