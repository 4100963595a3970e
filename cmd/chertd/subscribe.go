package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/chert"
	"chertd/engine/event"
	"chertd/luabind"
	"chertd/luabind/diag"
)

// allEvents stands for every type of event, also those that Chert adds later.
const allEvents = "all"

// subscribeFlags are the flags of chertd subscribe.
type subscribeFlags struct {
	daemonFlags
	url, rotate, remove string
	list                bool
	events              []string
	again               bool
	wait                string

	grace time.Duration // wait, parsed
}

func newSubscribeCommand() *cobra.Command {
	var f subscribeFlags
	cmd := &cobra.Command{
		Use:   "subscribe (--url URL | --list | --rotate ID | --delete ID)",
		Short: "Create, list, rotate and delete the webhook subscriptions of the account",
		Long: `Creates, lists, rotates and deletes webhook subscriptions at Chert, with the
account's credentials from chertd.yaml. Do exactly one of these:

--url URL creates a subscription and prints its secret, which Chert shows only
once, and where to put it. URL is the public https address that reaches
sources.webhook.listen, with the path sources.webhook.path. If a subscription
with this URL exists, every event would be delivered twice: that needs --again.
` + devInbox + ` is the URL of Chert's dev inbox, which delivers nothing:
its events come by the events log (sources.catchup) and the stream.

--list lists the subscriptions. Those that are inactive, or whose path is not
sources.webhook.path, have a line that says this.

--rotate ID replaces a subscription of this daemon by one with the same URL,
events and version, and with a new secret. If chertd.yaml has
sources.webhook.secrets_file, the command adds the new secret to that file,
reloads the daemon's settings over its control socket, and only then deletes the
old subscription. Otherwise it prints the new secret and the steps that are left.
Until the end both subscriptions deliver, and chertd handles each event once.

--delete ID deletes a subscription. Chert delivers nothing more for it.`,
		Example: `  chertd subscribe --url https://chertd.example.com/webhooks/chert
  chertd subscribe --url https://chertd.example.com/webhooks/chert --events all
  chertd subscribe --list
  chertd subscribe --rotate sub_5f0c2a9b
  chertd subscribe --delete sub_5f0c2a9b`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return subscribe(cmd, &f)
		},
	}
	f.add(cmd)
	cmd.Flags().Lookup("config").Usage = "configuration `FILE` with the credentials (default ./chertd.yaml, then /etc/chertd/chertd.yaml)"
	cmd.Flags().StringVar(&f.url, "url", "", "create a subscription that delivers to this `URL`")
	cmd.Flags().BoolVar(&f.list, "list", false, "list the subscriptions")
	cmd.Flags().StringVar(&f.rotate, "rotate", "", "replace the subscription `ID` by one with a new secret")
	cmd.Flags().StringVar(&f.remove, "delete", "", "delete the subscription `ID`")
	cmd.Flags().StringSliceVar(&f.events, "events", []string{event.MessageReceived}, "with --url, the `TYPES` of events, separated by commas, or all")
	cmd.Flags().BoolVar(&f.again, "again", false, "with --url or --rotate, even if another subscription has the same URL")
	cmd.Flags().StringVar(&f.wait, "wait", "30s", "with --rotate, how long the old secret stays in secrets_file after the end: `DURATION`")
	return cmd
}

// check checks the flags.
func (f *subscribeFlags) check(cmd *cobra.Command) error {
	var given []string
	for _, name := range []string{"url", "list", "rotate", "delete"} {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) != 1 || given[0] == "--list" && !f.list {
		got := "none of them"
		if len(given) > 1 {
			got = strings.Join(given, " and ")
		}
		return hinted(usageError("expected one of --url, --list, --rotate and --delete, got %s", got), "to see what exists, run: chertd subscribe --list")
	}
	for flag, with := range map[string][]string{"events": {"--url"}, "again": {"--url", "--rotate"}, "wait": {"--rotate"}} {
		if cmd.Flags().Changed(flag) && !slices.Contains(with, given[0]) {
			return hinted(usageError("--%s has no effect with %s", flag, given[0]), "leave it out; it goes with "+strings.Join(with, " and "))
		}
	}
	for flag, id := range map[string]string{"--rotate": f.rotate, "--delete": f.remove} {
		if given[0] == flag && strings.TrimSpace(id) == "" {
			return hinted(usageError("%s: the id is empty", flag), "chertd subscribe --list shows the ids")
		}
	}
	var err error
	if f.grace, err = luabind.ParseDuration(f.wait); err != nil {
		return hinted(usageError("--wait: %v", err), "for example --wait 30s")
	}
	return f.checkEvents()
}

// checkEvents checks the types of events. Chert compares them exactly, and may have more
// than are known here.
func (f *subscribeFlags) checkEvents() error {
	example := "for example --events " + event.MessageReceived + ", or --events all"
	for _, typ := range f.events {
		switch {
		case typ == allEvents && len(f.events) > 1:
			return hinted(usageError("--events: all includes the other types"), "write --events all alone")
		case typ == "" || strings.ContainsFunc(typ, func(r rune) bool { return r <= ' ' || r > '~' }):
			return hinted(usageError("--events: %q is not a type of event", typ), example)
		}
	}
	if len(f.events) == 0 {
		return hinted(usageError("--events is empty"), example)
	}
	return nil
}

// types returns the types of events as Chert takes them: none for all.
func (f *subscribeFlags) types() []string {
	if slices.Equal(f.events, []string{allEvents}) {
		return nil
	}
	return f.events
}

// subscriber carries out one call of chertd subscribe.
type subscriber struct {
	*subscribeFlags
	cmd    *cobra.Command
	c      *Config
	client *chert.Client
}

func subscribe(cmd *cobra.Command, f *subscribeFlags) error {
	c, err := loadAccount(f.config)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process immediately
	s := &subscriber{subscribeFlags: f, cmd: cmd, c: c, client: client}
	switch {
	case f.list:
		return s.showList(ctx)
	case f.rotate != "":
		return s.rotateSubscription(ctx)
	case f.remove != "":
		return s.deleteSubscription(ctx)
	}
	return s.create(ctx)
}

// all returns the subscriptions of the account.
func (s *subscriber) all(ctx context.Context) ([]chert.Subscription, error) {
	list, _, err := s.client.Subscriptions(ctx)
	if err != nil {
		return nil, s.c.callError(err)
	}
	return list, nil
}

func (s *subscriber) showList(ctx context.Context) error {
	list, err := s.all(ctx)
	if err != nil {
		return err
	}
	views := []subscriptionView{}
	for _, sub := range list {
		views = append(views, s.view(sub))
	}
	if s.json {
		return printJSON(s.cmd.OutOrStdout(), map[string]any{"subscriptions": views})
	}
	if len(views) == 0 {
		return tell(s.cmd, false, nil, "the account has no subscriptions", "  to create one, run: "+s.command("--url", "https://HOST"+s.c.Sources.Webhook.Path))
	}
	return printSubscriptions(s.cmd.OutOrStdout(), views)
}

func (s *subscriber) create(ctx context.Context) error {
	path := s.c.Sources.Webhook.Path
	if err := checkWebhookURL(s.url, path, s.simulated()); err != nil {
		return err
	}
	list, err := s.all(ctx)
	if err != nil {
		return err
	}
	if twin := twinOf(list, s.url); twin != nil && !s.again {
		return s.refuseTwin(twin)
	}
	s.warn(append(s.eventNotes(), pathNote(s.url, path), s.listenNote())...)
	// From here to the print, a signal must not lose the secret.
	sub, err := s.post(ctx, chert.NewSubscription{URL: s.url, Events: s.types(), Version: chert.WebhookVersion})
	if err != nil {
		return err
	}
	if s.json {
		return printJSON(s.cmd.OutOrStdout(), created{s.view(sub), s.nextSteps(sub)})
	}
	return s.printCreated("subscription "+sub.ID+" is created", sub, s.nextSteps(sub))
}

// post creates a subscription. It completes even if ctx ends, because Chert shows the
// secret only once.
func (s *subscriber) post(ctx context.Context, n chert.NewSubscription) (chert.Subscription, error) {
	sub, _, err := s.client.Subscribe(context.WithoutCancel(ctx), n)
	if err == nil && sub.Secret == "" {
		return sub, hinted(fmt.Errorf("subscription %s is created, but Chert's answer has no secret, and deliveries can't be verified without one", sub.ID),
			"delete it and try again: "+s.command("--delete", sub.ID))
	}
	if err == nil {
		return sub, nil
	}
	if e, ok := errors.AsType[*chert.Error](err); ok && e.Unknown {
		return sub, hinted(err, "Chert may have created it: run "+s.command("--list")+". Its secret is not shown again; if it exists, delete it and try again")
	}
	return sub, s.c.callError(err)
}

// twinOf returns the first subscription with a URL; nil: there is none.
func twinOf(list []chert.Subscription, address string) *chert.Subscription {
	for i := range list {
		if sameWebhook(list[i].URL, address) {
			return &list[i]
		}
	}
	return nil
}

// refuseTwin returns the error of a new subscription with the URL of another one.
func (s *subscriber) refuseTwin(twin *chert.Subscription) error {
	state := fmt.Sprintf("subscription %s already delivers %s to %s: Chert would deliver each of these events twice", twin.ID, eventWords(twin.Events), shownURL(twin.URL))
	if !twin.Active {
		state = fmt.Sprintf("subscription %s already has the URL %s, and is inactive", twin.ID, shownURL(twin.URL))
	}
	return hinted(errors.New(state), "to replace it by one with a new secret, run: "+s.command("--rotate", twin.ID)+
		"\nto delete it, run: "+s.command("--delete", twin.ID)+"\nto have another one all the same, add --again")
}

func (s *subscriber) deleteSubscription(ctx context.Context) error {
	list, err := s.all(ctx)
	if err != nil {
		return err
	}
	sub, err := s.named(list, s.remove)
	if err != nil {
		return err
	}
	if _, err := s.client.DeleteSubscription(ctx, sub.ID); err != nil {
		if isNotFound(err) {
			return s.notFound(list, sub.ID) // somebody else has deleted it meanwhile
		}
		return s.c.callError(err)
	}
	lines := []string{fmt.Sprintf("subscription %s is deleted: Chert delivers no more %s to %s", sub.ID, eventWords(sub.Events), shownURL(sub.URL))}
	switch left := others(list, sub.ID); {
	case sub.URL == devInbox:
	case slices.ContainsFunc(left, func(o chert.Subscription) bool { return o.Active && sameWebhook(o.URL, sub.URL) }):
		lines = append(lines, "another subscription still delivers to this URL; the secret of the deleted one can be removed from sources.webhook.secrets")
	default:
		lines = append(lines, "no subscription delivers to this URL any more")
	}
	return tell(s.cmd, s.json, map[string]string{"deleted": sub.ID}, lines...)
}

// named returns the subscription with an id.
func (s *subscriber) named(list []chert.Subscription, id string) (chert.Subscription, error) {
	for _, sub := range list {
		if sub.ID == id {
			return sub, nil
		}
	}
	return chert.Subscription{}, s.notFound(list, id)
}

// notFound returns the error of an id that does not exist, with those that do.
func (s *subscriber) notFound(list []chert.Subscription, id string) error {
	var lines []string
	for _, sub := range others(list, id) {
		lines = append(lines, "  "+diag.Visible(sub.ID+"  "+shownURL(sub.URL)))
	}
	hint := "the account has no subscriptions"
	if len(lines) > 0 {
		hint = "these exist:\n" + strings.Join(lines, "\n")
	}
	return hinted(fmt.Errorf("there is no subscription %s", id), hint)
}

// isNotFound reports whether Chert answered that a subscription does not exist.
func isNotFound(err error) bool {
	e, ok := errors.AsType[*chert.Error](err)
	return ok && e.Code == chert.CodeNotFound
}

// others returns a list without the subscription of an id.
func others(list []chert.Subscription, id string) (left []chert.Subscription) {
	for _, sub := range list {
		if sub.ID != id {
			left = append(left, sub)
		}
	}
	return left
}
