package console_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"chertd/engine/control"
)

// answered replaces fetch: commands are noted and refused, so that each stays as the first one found the daemon, and
// what they would do is answered.
const answered = `{
	const real = window.fetch;
	window.asked = [];
	const answer = (status, body) => Promise.resolve(new Response(JSON.stringify(body), { status, headers: { Date: new Date().toUTCString() } }));
	const would = { events: 1, older: 0, ended: true, waiting: 1, matched: 1, through: 1, known_chats: 1, waiting_chats: 1 };
	window.fetch = (url, options) => {
		if (options.signal && options.signal.aborted) return Promise.reject(options.signal.reason);
		if (options.method === "GET") return real(url, options);
		if ((options.body || "").includes('"dry_run":true')) return answer(200, would);
		window.asked.push(options.method + " " + url);
		return answer(503, { error: { message: "refused by the test" } });
	};
}`

// TestEachActionIsRequested: each button that changes something sends its request once it is confirmed, and the
// dialog shows the daemon's answer to it, not an error of the page.
func TestEachActionIsRequested(t *testing.T) {
	t.Parallel()
	d := newFake()
	d.packs = append(d.packs, control.Pack{Name: "gone", Version: "89e6c98d92887913", Since: noon, Mode: "live", Gone: true, Missed: 2,
		Candidate: &control.Candidate{Version: "a1b2c3d4e5f60718", Rules: 1}})
	d.explained.Chat.Hold = &control.Hold{Chat: "7d1b2c9e", By: "operator", Until: noon.AddDate(9, 0, 0)}
	p := console(t, d)
	evaluate[chromedp.Void](p, answered)
	const buttons = `[...document.querySelectorAll("main button[data-key]")].filter((b) => b.innerText.endsWith("…")).map((b) => b.dataset.key)`
	requested := map[string]bool{}
	for _, v := range views {
		p.visit(v.hash, v.heading)
		p.shows(v.text)
		for _, key := range evaluate[[]string](p, buttons) {
			p.click(fmt.Sprintf(`main [data-key=%q]`, key))
			p.until(`document.querySelector("dialog[open]")`)
			before := evaluate[int](p, `window.asked.length`)
			evaluate[chromedp.Void](p, `void document.querySelectorAll("dialog input:not([type=checkbox])").forEach((i) => { if (!i.value) i.value = "1" })`)
			p.click(`dialog button[type="submit"]`)
			const ended = `document.querySelector("dialog[open] [role=alert]")`
			p.until(ended + ` || document.querySelector("dialog[open] button[type=submit]:enabled").innerText.startsWith("Confirm")`)
			if !evaluate[bool](p, `Boolean(`+ended+`)`) {
				p.click(`dialog button[type="submit"]`)
				p.until(ended)
			}
			shown := evaluate[string](p, ended+`.innerText`)
			asked := evaluate[[]string](p, fmt.Sprintf(`window.asked.slice(%d)`, before))
			if len(asked) != 1 || !strings.Contains(shown, "refused by the test") {
				t.Errorf("%s: the button %q sends %q, and the dialog shows %q", v.hash, key, asked, shown)
			}
			for _, a := range asked {
				requested[a] = true
			}
			p.press("\x1b")
			p.until(`!document.querySelector("dialog")`)
		}
	}
	for _, want := range []string{"DELETE /api/v1/packs/gone", "DELETE /api/v1/packs/gone/candidate", "POST /api/v1/packs/gone/retry-errors", "POST /api/v1/packs/vip/rollback", "POST /api/v1/reload", "POST /api/v1/read", "POST /api/v1/release", "POST /api/v1/dead/drop", "POST /api/v1/quarantine/drop", "POST /api/v1/waiting/now"} {
		if !requested[want] {
			t.Errorf("no button sends %s; all send %v", want, requested)
		}
	}
}

// rerunning is a daemon that runs missed events again. As the real one, it answers a dry run directly, and knows of a
// run only once one has begun.
type rerunning struct{ *fake }

func (d rerunning) RetryErrors(_ context.Context, pack string, in control.RetryErrorsRequest) (control.Retried, error) {
	return control.Retried{Pack: pack, DryRun: in.DryRun, Ended: in.DryRun, Events: 2, Older: 1}, d.note("retry-errors %s since %s, dry run %t", pack, in.Since, in.DryRun)
}

func (d rerunning) ErrorsRetried(_ context.Context, pack string, _ time.Duration) (control.Retried, error) {
	if !d.has("retry-errors " + pack + " since 24h, dry run false") {
		return control.Retried{}, &control.UserError{Status: http.StatusNotFound, Message: "no retry-errors of pack " + pack + " has been started"}
	}
	return control.Retried{Pack: pack, Ended: true, Events: 2, Ran: 1, Failed: 1, Error: "its rule is suspended"}, nil
}

// TestMissedEventsRunAgain: the dialog counts first, runs after a confirmation, and shows what became of it.
func TestMissedEventsRunAgain(t *testing.T) {
	t.Parallel()
	d := newFake()
	d.packs[0].Missed = 2
	p := console(t, rerunning{d})
	p.visit("#/packs", "Packs")
	p.click(`[data-key="retry vip"]`)
	p.click(`dialog button[type="submit"]`)
	p.until(`document.querySelector("dialog[open]").innerText.includes("2 events would run, 1 are older and stay.")`)
	p.click(`dialog button[type="submit"]`)
	p.announced("Ended early: its rule is suspended. 1 of 2 events ran, 1 failed again.")
	if want := []string{"retry-errors vip since 24h, dry run true", "retry-errors vip since 24h, dry run false"}; !slices.Equal(d.done(), want) {
		t.Errorf("the daemon was to do %q, want %q", d.done(), want)
	}
}
