package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/wait"
	"chertd/luabind/diag"
)

// rotation replaces a subscription by one with a new secret. Chert documents no rotation:
// a second subscription is created, and the old one is deleted once the daemon accepts
// the new secret. Whatever fails in between, both exist, and no event is lost.
type rotation struct {
	*subscriber
	had      []chert.Subscription // the subscriptions before
	old, new chert.Subscription
	file     *secretsFile // takes the new secret; nil: people do
	before   []secretLine // of file
	result   rotated
}

func (s *subscriber) rotateSubscription(ctx context.Context) error {
	list, err := s.all(ctx)
	if err != nil {
		return err
	}
	r := &rotation{subscriber: s, had: list}
	if r.old, err = s.named(list, s.rotate); err != nil {
		return err
	}
	if r.old.URL == devInbox {
		return hinted(fmt.Errorf("subscription %s is of the dev inbox, which delivers nothing that a secret signs", r.old.ID), "to delete it, run: "+s.command("--delete", r.old.ID))
	}
	if twin := twinOf(others(list, r.old.ID), r.old.URL); twin != nil && !s.again {
		return hinted(fmt.Errorf("subscription %s has the same URL, perhaps from a rotation that was not finished; nothing was changed", twin.ID),
			fmt.Sprintf("if chertd accepts the secret of %s, finish the rotation: %s\nif not, delete that one first: %s\nto rotate %s all the same, add --again",
				twin.ID, s.command("--delete", r.old.ID), s.command("--delete", twin.ID), r.old.ID))
	}
	byHand := r.whyByHand()
	if byHand == "" {
		if byHand, err = r.prepare(ctx); err != nil {
			return err
		}
	}
	if err := r.create(ctx); err != nil {
		return err
	}
	r.result = rotated{New: s.view(r.new), Old: s.view(r.old)}
	if byHand != "" {
		return r.leaveToPeople(byHand)
	}
	return r.carryOut(ctx)
}

// whyByHand returns why the new secret can't be put in its place automatically; "": it
// can, or the daemon must be asked.
func (r *rotation) whyByHand() string {
	hook := r.c.Sources.Webhook
	switch {
	case hook.SecretsFile == "":
		return r.c.File + " has no sources.webhook.secrets_file"
	case pathNote(r.old.URL, hook.Path) != "":
		return "its path is not sources.webhook.path, and so its secret may belong to another program"
	}
	return ""
}

// prepare makes sure, before anything is created, that the daemon can take a new secret:
// that it runs, has this configuration, and that the file of secrets can be replaced. It
// returns why the secret can't be put in its place automatically.
func (r *rotation) prepare(ctx context.Context) (byHand string, err error) {
	settings, err := r.reload(ctx)
	if err != nil {
		return "", fmt.Errorf("nothing was changed: reload the settings of the daemon: %w", err)
	}
	switch ours, theirs := fileID(r.c.File), fileID(settings.File); {
	case theirs == nil:
		return "the daemon has its configuration at " + settings.File + ", which is not a file here", nil
	case !os.SameFile(ours, theirs):
		return "", hinted(fmt.Errorf("nothing was changed: the daemon runs with %s, not with %s", settings.File, r.c.File), "run: chertd subscribe -c "+diag.ShellWord(settings.File)+" --rotate "+diag.ShellWord(r.rotate))
	}
	socket, err := r.find()
	if err != nil {
		return "", err
	}
	if r.file, err = openSecrets(r.c.Sources.Webhook.SecretsFile, socket); err != nil {
		return r.c.Sources.Webhook.SecretsFile + " can't be replaced: " + whyNotEdited(err), nil
	}
	if r.before, err = r.file.lines(); err != nil {
		return "", err
	}
	return "", nil
}

// fileID returns what identifies a file; nil: there is none.
func fileID(path string) os.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

// create creates the new subscription.
func (r *rotation) create(ctx context.Context) (err error) {
	r.new, err = r.post(ctx, chert.NewSubscription{URL: r.old.URL, Events: r.old.Events, Version: r.old.Version})
	if err != nil || r.old.Active {
		return err
	}
	off := false
	if _, _, err = r.client.UpdateSubscription(context.WithoutCancel(ctx), r.new.ID, chert.SubscriptionChange{Active: &off}); err != nil {
		return hinted(fmt.Errorf("subscription %s is created, but could not be made inactive as %s is: %w", r.new.ID, r.old.ID, r.c.callError(err)),
			r.old.ID+" is unchanged. To delete the new one, run: "+r.command("--delete", r.new.ID))
	}
	r.new.Active = false
	return nil
}

// carryOut puts the new secret in its place, deletes the old subscription, and removes the
// old secret if it is certain which one it is.
func (r *rotation) carryOut(ctx context.Context) error {
	r.say("created subscription %s: %s to %s", r.new.ID, eventWords(r.new.Events), shownURL(r.new.URL))
	if wrong, _ := secretFlaw("sources.webhook.secrets", r.new.Secret); wrong != "" {
		return errors.Join(r.leaveToPeople(wrong), errors.New("the new secret is not one that chertd accepts; nothing else was changed"))
	}
	line, err := r.file.add(r.new.Secret)
	if err != nil {
		why := fmt.Errorf("the new secret could not be added to %s: %s", r.c.Sources.Webhook.SecretsFile, whyNotEdited(err))
		return errors.Join(r.leaveToPeople(why.Error()), fail(exitFailure, why))
	}
	r.result.New.Secret = "" // it has its place, and is not printed
	r.result.SecretsFile, r.result.Line = r.c.Sources.Webhook.SecretsFile, line
	r.say("added its secret to %s, line %d", r.result.SecretsFile, line)

	deleteOld := r.command("--delete", r.old.ID)
	settings, err := r.reload(context.WithoutCancel(ctx))
	if err == nil && !slices.Contains(settings.Applied, "sources.webhook.secrets") {
		err = fmt.Errorf("the daemon found no change of sources.webhook.secrets in %s", settings.File)
	}
	if err != nil {
		return r.stopped(fmt.Errorf("the daemon does not accept the new secret yet: %w", err), "run: "+r.reloadCommand(), "then run: "+deleteOld)
	}
	r.result.Reloaded = true
	r.say("the daemon accepts deliveries that are signed with the old or the new secret")

	if _, err := r.client.DeleteSubscription(context.WithoutCancel(ctx), r.old.ID); err != nil && !isNotFound(err) {
		return r.stopped(fmt.Errorf("the old subscription is not deleted: %w", r.c.callError(err)), "run: "+deleteOld)
	}
	r.result.Deleted = true
	r.say("deleted subscription %s", r.old.ID)
	return r.forgetOld(ctx)
}

// forgetOld removes the old secret from the file once no delivery can be signed with it
// any more. If it is not certain which one that is, it names the candidates.
func (r *rotation) forgetOld(ctx context.Context) error {
	if !r.knowsOldSecret() {
		lines := "lines"
		if len(r.before) == 1 {
			lines = "line"
		}
		for i, l := range r.before {
			lines += choose(i > 0, ", ", " ") + fmt.Sprint(l.number)
		}
		return r.finish(
			fmt.Sprintf("warning: the old secret is still in %s of %s, and chertd still accepts it: whoever knows it can forge deliveries", lines, r.result.SecretsFile),
			fmt.Sprintf("once you know which one it is, remove it (sed -i LINEd %s), and run: %s", diag.ShellWord(r.result.SecretsFile), r.reloadCommand()),
		)
	}
	number := r.before[0].number
	later := fmt.Sprintf("remove line %d, the old secret, from %s, and run: %s", number, r.result.SecretsFile, r.reloadCommand())
	if r.grace > 0 {
		r.say("waiting %s for deliveries under way, which are signed with the old secret", human(r.grace))
		if !wait.For(ctx, r.grace) {
			return r.finish(later)
		}
	}
	err := r.file.remove(r.before[0].text)
	if err == nil {
		_, err = r.reload(context.WithoutCancel(ctx))
	}
	if err != nil {
		return r.stopped(fmt.Errorf("the rotation is complete, but the old secret is still accepted: %s", whyNotEdited(err)), later)
	}
	r.result.Removed = true
	r.say("removed the old secret from %s: the daemon accepts only the new one", r.result.SecretsFile)
	return r.finish()
}

// knowsOldSecret reports whether the old secret is certain: the file had only one, which
// is not that of the account, and the old subscription was the only one that could use it.
func (r *rotation) knowsOldSecret() bool {
	return len(r.before) == 1 && r.before[0].text != r.c.Chert.SigningSecret.Reveal() &&
		!slices.ContainsFunc(others(r.had, r.old.ID), func(sub chert.Subscription) bool { return sub.URL != devInbox })
}

// leaveToPeople prints the new secret and the steps that are left.
func (r *rotation) leaveToPeople(why string) error {
	steps := append(r.secretSteps(), "run: "+r.command("--delete", r.old.ID))
	if r.json {
		r.result.Next = steps
		return printJSON(r.cmd.OutOrStdout(), r.result)
	}
	return r.printCreated(fmt.Sprintf("subscription %s is created, to replace %s; the rest is up to you: %s", r.new.ID, r.old.ID, why), r.new, steps,
		"Until the last step both subscriptions deliver each event, and chertd handles it once; until then,",
		"deliveries that chertd answers with 401 are those of the new one. After it, the old secret can go.")
}

// stopped ends a rotation that failed in the middle, with what exists and what is left.
func (r *rotation) stopped(err error, steps ...string) error {
	r.result.Next = steps
	if r.json {
		err = errors.Join(err, printJSON(r.cmd.OutOrStdout(), r.result))
	}
	exists := fmt.Sprintf("subscription %s exists and its secret is line %d of %s", r.new.ID, r.result.Line, r.result.SecretsFile)
	if !r.result.Deleted {
		exists += fmt.Sprintf("; subscription %s still exists: no event is lost", r.old.ID)
	}
	if f, ok := errors.AsType[*failure](err); ok && f.hint != "" {
		exists = f.hint + "\n" + exists
	}
	return hinted(err, exists+"\n"+strings.Join(steps, "\n"))
}

// finish ends a rotation that is complete, apart from steps that may be left.
func (r *rotation) finish(steps ...string) error {
	r.result.Next = steps
	if r.json {
		return printJSON(r.cmd.OutOrStdout(), r.result)
	}
	return tell(r.cmd, false, nil, steps...)
}

// reload reloads the settings of the daemon.
func (s *subscriber) reload(ctx context.Context) (done control.Settings, err error) {
	socket, err := s.find()
	if err != nil {
		return done, err
	}
	done, err = control.Dial(socket).ReloadSettings(ctx)
	return done, explained(err)
}
