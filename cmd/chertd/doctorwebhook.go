package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/engine/source"
	"chertd/engine/store/sqlite"
	"chertd/engine/wait"
	"chertd/luabind/diag"
)

const (
	// probeRefusal is how the webhook counts doctor's own request: strangers cause the same
	// count, so that it alarms nobody.
	probeRefusal = source.RefusedMalformed
	// probeSignature has none of the forms of a signature.
	probeSignature = "chertd-doctor"
	// lookEvery is how often the daemon's status is read while a replayed event is awaited.
	lookEvery = 100 * time.Millisecond
	// triedTargets is to how many subscriptions an event is replayed at most.
	triedTargets = 3
)

// newestRows is the largest page of the events log.
var newestRows = chert.EventQuery{Limit: 200}

// webhook sends a request with a bad signature to the daemon's webhook, which must refuse
// it with 401. Without a daemon, it looks whether the address is free.
func (k *checkup) webhook(ctx context.Context) result {
	r := k.probed(ctx)
	k.deaf = r.Status == statusProblem
	return r
}

func (k *checkup) probed(ctx context.Context) result {
	hook := k.c.Sources.Webhook
	switch {
	case k.faulty("sources.webhook.listen") || k.faulty("sources.webhook.path"):
		return skipped("sources.webhook can't be used: see configuration")
	case hook.Listen == "":
		return skipped("sources.webhook.listen is \"\": the webhook is off")
	case k.daemon == nil && !k.absent():
		return skipped("the daemon can't be asked: see control")
	}
	r := fine("%s is free for the daemon", hook.Listen)
	if k.daemon == nil {
		if !k.canListen(&r, "sources.webhook.listen", hook.Listen) {
			r.Summary = "the daemon could not listen"
		}
		return r
	}
	restart := "restart the daemon: sources.webhook.listen and sources.webhook.path take effect at its start"
	if k.daemon.Webhook == nil {
		r = fine("the daemon has none")
		r.problem("sources.webhook.listen is "+hook.Listen+" now, and the daemon was started without a webhook", restart)
		return r
	}
	address, ok := localAddress(hook.Listen)
	if !ok {
		return skipped("sources.webhook.listen has port 0: its address is not known")
	}
	status, err := probeWebhook(ctx, "http://"+address+hook.Path)
	switch {
	case err != nil:
		r = fine("nothing answers at %s", address)
		r.problem(err.Error(), restart)
	case status == http.StatusUnauthorized:
		r = fine("listens on %s, and refuses a request without a valid signature", hook.Listen)
	case status == http.StatusServiceUnavailable:
		r = fine("listens on %s, and answers 503", hook.Listen)
		r.problem("it accepts no events now", k.daemonCommand("status")+" shows why")
	case status == http.StatusNotFound:
		r = fine("listens on %s, and answers 404 to %s", hook.Listen, hook.Path)
		r.problem("sources.webhook.path is another one than when the daemon was started, or another program listens there", restart)
	default:
		r = fine("%s answers %d to a request without a valid signature", address, status)
		r.problem("what listens there does not answer like chertd, which answers 401", "ss -ltnp shows which program listens; then choose another port: "+k.at("sources.webhook.listen"))
	}
	return r
}

// localAddress returns the address at which a listener of this machine can be reached; ok is
// false if its port is not known.
func localAddress(listen string) (address string, ok bool) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return "", false
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port), true
}

// probeWebhook sends a request that no secret has signed, and returns the status of the
// answer.
func probeWebhook(ctx context.Context, address string) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Webhook-Signature", probeSignature)
	req.Header.Set("User-Agent", "chertd-doctor")
	transport := &http.Transport{DisableKeepAlives: true} // without a proxy: it is this machine
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // only the status counts
	return resp.StatusCode, resp.Body.Close()
}

// subscription looks for an active subscription that delivers messages to the webhook.
func (k *checkup) subscription(ctx context.Context) result {
	hook := k.c.Sources.Webhook
	if hook.Listen == "" {
		return skipped("sources.webhook.listen is \"\": the webhook is off")
	}
	asking, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	var list []chert.Subscription
	err := patiently(asking, func() (err error) {
		list, _, err = k.client.Subscriptions(asking)
		return err
	})
	if err != nil {
		r := fine("the subscriptions can't be listed")
		k.callFailed(&r, err, true)
		return r
	}
	list = slices.DeleteFunc(list, func(s chert.Subscription) bool { return s.URL == devInbox })
	subscribe := k.command("subscribe") + " --url https://HOST" + hook.Path
	r := fine("%s", count(len(list), "subscription"))
	if len(list) == 0 {
		k.noDelivery(&r, "the account has no webhook subscription: Chert delivers nothing", subscribe+", where HOST is the public name that leads to sources.webhook.listen, "+hook.Listen)
		return r
	}
	ours := slices.DeleteFunc(slices.Clone(list), func(s chert.Subscription) bool { return pathNote(s.URL, hook.Path) != "" })
	active := slices.DeleteFunc(slices.Clone(ours), func(s chert.Subscription) bool { return !s.Active })
	switch {
	case len(active) > 0:
		k.targets = bestFirst(active)
	case len(ours) > 0:
		s := ours[0]
		r.Summary = fmt.Sprintf("%s delivers to %s", s.ID, shownURL(s.URL))
		k.noDelivery(&r, "subscription "+s.ID+" is inactive: Chert delivers nothing for it",
			"activate it in Chert's console, or replace it: "+k.replace(s))
		return r
	default:
		k.otherPath(ctx, &r, list, subscribe)
		return r
	}
	s := k.targets[0]
	r.Summary = fmt.Sprintf("%s delivers %s to %s", s.ID, eventWords(s.Events), shownURL(s.URL))
	if elsewhere := slices.DeleteFunc(slices.Clone(active), func(o chert.Subscription) bool { return sameWebhook(o.URL, s.URL) }); len(elsewhere) > 0 {
		r.Summary += fmt.Sprintf(" (and %s to other addresses)", count(len(elsewhere), "subscription"))
	}
	if len(s.Events) > 0 && !slices.Contains(s.Events, event.MessageReceived) {
		k.noDelivery(&r, fmt.Sprintf("its events are %s, without %s: no message is delivered", eventWords(s.Events), event.MessageReceived),
			k.replace(s))
	}
	for _, other := range active {
		if other.ID != s.ID && sameWebhook(other.URL, s.URL) {
			r.warn(fmt.Sprintf("subscription %s has the same URL: each event is delivered twice", other.ID), k.command("subscribe")+" --delete "+diag.ShellWord(other.ID))
		}
	}
	if s.Version != "" && s.Version != chert.WebhookVersion {
		r.warn(fmt.Sprintf("its version is %s; chertd is made for %s", s.Version, chert.WebhookVersion),
			k.replace(s))
	}
	return r
}

// replace returns the commands that replace a subscription by one for messages, in the
// present version.
func (k *checkup) replace(s chert.Subscription) string {
	subscribe := k.command("subscribe")
	return fmt.Sprintf("%s --url %s --again\nthen put its secret in place, as that command shows, and run: %s --delete %s", subscribe, diag.ShellWord(s.URL), subscribe, diag.ShellWord(s.ID))
}

// bestFirst puts the subscriptions that deliver messages first.
func bestFirst(active []chert.Subscription) (sorted []chert.Subscription) {
	for _, messages := range []bool{true, false} {
		for _, s := range active {
			if wants(s, event.MessageReceived) == messages {
				sorted = append(sorted, s)
			}
		}
	}
	return sorted
}

// wants reports whether a subscription is for a type of events.
func wants(s chert.Subscription, typ string) bool {
	return len(s.Events) == 0 || slices.Contains(s.Events, typ)
}

// noDelivery adds that no message is delivered by webhook. With the stream, chertd works
// without.
func (k *checkup) noDelivery(r *result, message, fix string) {
	if k.c.Sources.Stream.Enabled {
		r.warn(message+"; events come by the stream", fix+"; or turn the webhook off: sources: {webhook: {listen: \"\"}}")
		return
	}
	r.problem(message, fix)
}

// otherPath reports subscriptions of which none has the path of the webhook. A proxy may
// change the path: a replayed event shows it.
func (k *checkup) otherPath(ctx context.Context, r *result, list []chert.Subscription, subscribe string) {
	active := slices.DeleteFunc(slices.Clone(list), func(s chert.Subscription) bool { return !s.Active })
	if len(active) > 0 {
		k.targets = bestFirst(active)
		if k.daemon != nil {
			got, by := k.replayed(ctx)
			k.proved = &got
			if got.Status == statusOK {
				r.Summary = fmt.Sprintf("%s delivers to %s; a proxy changes the path to %s", by.ID, shownURL(by.URL), k.c.Sources.Webhook.Path)
				return
			}
		}
	}
	var urls []string
	for _, s := range list {
		urls = append(urls, s.ID+" "+shownURL(s.URL))
	}
	path := k.c.Sources.Webhook.Path
	k.noDelivery(r, fmt.Sprintf("no subscription delivers to sources.webhook.path, %s: %s", path, firstOf(urls)),
		subscribe+"; or set sources.webhook.path to the path of a subscription ("+k.at("sources.webhook.path")+") and restart the daemon")
}

// delivery lets Chert deliver an event again that the daemon has, and waits until the
// daemon counts it.
func (k *checkup) delivery(ctx context.Context) result {
	if k.proved != nil {
		return *k.proved
	}
	r, _ := k.replayed(ctx)
	return r
}

// replayed tries the subscriptions in turn, until an event arrives: others may be those of
// other daemons. It also returns the subscription of the result.
func (k *checkup) replayed(ctx context.Context) (r result, by chert.Subscription) {
	switch {
	case k.daemon == nil:
		return skipped("no daemon runs: start it (%s), and run chertd doctor again", k.command("run")), by
	case k.deaf:
		return skipped("fix webhook first"), by
	case len(k.targets) == 0:
		return skipped("no subscription delivers to the webhook"), by
	case k.db == nil:
		return skipped("the store can't be read, so it is not known which events the daemon has"), by
	}
	for i, s := range k.targets[:min(len(k.targets), triedTargets)] {
		got, arrived := k.replayTo(ctx, s)
		if arrived {
			return got, s
		}
		if i == 0 {
			r, by = got, s
		}
	}
	return r, by
}

// replayTo lets Chert deliver an event again to a subscription, and returns whether it
// arrived.
func (k *checkup) replayTo(ctx context.Context, to chert.Subscription) (r result, arrived bool) {
	row, why := k.knownRow(ctx, to)
	if why != "" {
		return skipped("%s", why), false
	}
	before, err := k.counts(ctx)
	if err != nil {
		return skipped("ask the daemon: %v", err), false
	}
	began := time.Now()
	asking, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	if _, err := k.client.Replay(asking, row.ID, to.ID); err != nil {
		r := fine("Chert does not replay an event")
		message, fix := k.explain(err)
		r.warn(message, fix)
		return r, false
	}
	for {
		after, err := k.counts(ctx)
		if err != nil {
			return skipped("ask the daemon: %v", err), false
		}
		if r := k.arrived(to, before, after, time.Since(began)); r != nil {
			return *r, true
		}
		if time.Since(began) > k.patience || !wait.For(ctx, min(lookEvery, k.patience)) {
			break
		}
	}
	r = fine("a replayed event did not arrive within %s", k.patience)
	r.problem("Chert was asked to deliver an event again to "+shownURL(to.URL)+", and it did not reach the daemon", k.reachFix(to))
	return r, false
}

// knownRow returns the newest row of the events log whose event the daemon has, so that
// replaying it changes nothing; why is the reason if there is none.
func (k *checkup) knownRow(ctx context.Context, to chert.Subscription) (row chert.Row, why string) {
	rows := k.rows
	if rows == nil {
		asking, cancel := context.WithTimeout(ctx, doctorStep)
		defer cancel()
		page, _, err := k.client.Events(asking, newestRows)
		if err != nil {
			return row, fmt.Sprintf("read the events log: %v", err)
		}
		rows = page.Rows
	}
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.EventID)
	}
	known, err := sqlite.Knows(ctx, k.db.Path, ids)
	if err != nil {
		return row, err.Error()
	}
	for _, r := range rows {
		if r.ID != "" && known[r.EventID] && wants(to, r.Type) {
			return r, ""
		}
	}
	return row, "the daemon has none of the newest events of the log: send a message to one of the account's lines, and run chertd doctor again"
}

// counts returns what the daemon's webhook has counted.
func (k *checkup) counts(ctx context.Context) (control.Webhook, error) {
	ctx, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	s, err := control.Dial(k.path).Status(ctx)
	if err == nil && s.Webhook == nil {
		err = errors.New("it has no webhook")
	}
	if err != nil {
		return control.Webhook{}, err
	}
	return *s.Webhook, nil
}

// arrived returns what became of a replayed event; nil: it has not arrived yet.
func (k *checkup) arrived(to chert.Subscription, before, after control.Webhook, took time.Duration) *result {
	r := fine("an event that Chert replayed arrived after %s, and its signature is accepted", took.Round(lookEvery/10))
	switch {
	case after.Duplicates > before.Duplicates:
		return &r
	case after.Quarantined > before.Quarantined:
		r = fine("a replayed event arrived, and was not understood")
		r.problem("it is in quarantine", k.daemonCommand("quarantine")+" shows why")
		return &r
	case after.Unavailable > before.Unavailable:
		r = fine("a replayed event arrived, and was answered 503")
		r.problem("the daemon accepts no events now", k.daemonCommand("status")+" shows why")
		return &r
	}
	for _, why := range slices.Sorted(maps.Keys(after.Refused)) {
		if after.Refused[why] > before.Refused[why] {
			r = fine("a replayed event arrived, and was refused")
			r.problem(why, k.refusedFix(to, source.Refusal(why)))
			return &r
		}
	}
	return nil
}

// refusedFix returns what to do about a refused delivery.
func (k *checkup) refusedFix(to chert.Subscription, why source.Refusal) string {
	switch why {
	case source.RefusedWrong:
		place := "sources.webhook.secrets (" + k.at("sources.webhook.secrets") + ")"
		if file := k.c.Sources.Webhook.SecretsFile; file != "" {
			place = file + ", the sources.webhook.secrets_file"
		}
		return fmt.Sprintf("put the secret of subscription %s into %s, unless it is there already, and run: %s\nif nobody has it any more, replace the subscription by one with a new secret: %s --rotate %s",
			to.ID, place, secretReload(k.c.Sources.Webhook.SecretsFile, k.daemonCommand("reload --settings")), k.command("subscribe"), diag.ShellWord(to.ID))
	case source.RefusedStale:
		return "set this machine's clock, and keep it right by NTP: timedatectl set-ntp true"
	case source.RefusedPath:
		return fmt.Sprintf("%s: set sources.webhook.path to the path at which deliveries arrive (the daemon's log shows it), and restart the daemon", k.at("sources.webhook.path"))
	}
	return "the daemon's log has the fix: look for what was refused"
}

// reachFix returns what to do if a delivery does not reach the webhook.
func (k *checkup) reachFix(to chert.Subscription) string {
	fix := "check what leads from the URL of the subscription to " + k.c.Sources.Webhook.Listen + ": DNS, the firewall, the reverse proxy"
	if u, err := url.Parse(to.URL); err == nil && u.Hostname() != "" {
		fix += "\nfrom another machine, this must answer 401: curl -i -X POST " + diag.ShellWord(shownURL(to.URL))
	}
	return fix
}
