package console_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	browserlog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium is the one browser of all tests, and how it ends.
var chromium struct {
	once sync.Once
	ctx  context.Context
	err  error
	end  func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.end != nil {
		chromium.end()
	}
	os.Exit(code)
}

// browser returns the context of a running Chromium. Without one the test is skipped,
// unless CHERTD_TEST_CHROMIUM is "required".
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	switch required := os.Getenv("CHERTD_TEST_CHROMIUM") == "required"; {
	case path == "" && required:
		t.Fatal("there is no chromium in PATH, and CHERTD_TEST_CHROMIUM=required")
	case path == "":
		t.Skip("there is no chromium in PATH: the console is not tested in a browser (apt-get install chromium)")
	}
	chromium.once.Do(func() { chromium.err = startChromium(path) })
	if chromium.err != nil {
		t.Fatalf("start %s: %v", path, chromium.err)
	}
	return chromium.ctx
}

func startChromium(path string) error {
	dir, err := os.MkdirTemp("", "chertd-chromium-")
	if err != nil {
		return err
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Env("TMPDIR="+dir))
	for _, flag := range []string{"disable-quic", "disable-component-update", "no-proxy-server"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, free := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	chromium.ctx = ctx
	chromium.end = func() {
		limited, stop := context.WithTimeout(ctx, 10*time.Second)
		_ = chromedp.Cancel(limited) // what is left ends with the allocator
		stop()
		cancel()
		free()
		// Processes of the browser may still write for a moment.
		for range 1000 {
			if os.RemoveAll(dir) == nil {
				return
			}
		}
	}
	return chromedp.Do(ctx)
}

// tab is a tab of the browser that shares nothing with other tabs.
type tab struct {
	*testing.T
	ctx context.Context

	mu   sync.Mutex
	logs []string // errors of scripts, and violations of the policy
}

// open opens an address in a new tab. In the end the test fails if a script has failed, or
// the page did something that its policy forbids.
func open(t *testing.T, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &tab{T: t, ctx: ctx}
	p.must("listen", chromedp.Listen(ctx, p.listen))
	_, err := chromedp.Call(ctx, browserlog.Enable, cdp.Empty{})
	p.must("enable the log", err)
	_, err = chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `window.violations = []; addEventListener("securitypolicyviolation", (e) => window.violations.push(e.violatedDirective + " " + e.blockedURI))`,
	})
	p.must("add a script", err)
	p.must("navigate", chromedp.Do(ctx, chromedp.Navigate(url)))
	t.Cleanup(func() {
		if all := evaluate[[]string](p, `window.violations || []`); len(all) > 0 {
			t.Errorf("the policy was violated: %q", all)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.logs) > 0 {
			t.Errorf("the browser reports:\n%s", strings.Join(p.logs, "\n"))
		}
	})
	return p
}

// listen notes what must not happen in any test. An answer that is an error is not among it.
func (p *tab) listen(event any) {
	text := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		if text = e.ExceptionDetails.Text; e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
	case *browserlog.EventEntryAdded:
		if e.Entry.Source != "network" {
			text = fmt.Sprint(e.Entry.Source, " ", e.Entry.Text)
		}
	}
	if text != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.logs = append(p.logs, text)
	}
}

func (p *tab) must(what string, err error) {
	p.Helper()
	if err != nil {
		p.Fatalf("%s: %v", what, err)
	}
}

// evaluate returns the value of an expression in the page.
func evaluate[T any](p *tab, expression string) T {
	p.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for a condition in the page. It looks again whenever something has changed
// there. (The Poll of chromedp would need a policy that permits eval.)
func (p *tab) until(condition string) {
	p.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](`new Promise((resolve, reject) => {
		const holds = () => { try { return Boolean(`+condition+`) } catch { return false } };
		if (holds()) { resolve(true); return }
		const watch = new MutationObserver(() => { if (holds()) end(resolve, true) });
		const focus = () => { if (holds()) end(resolve, true) };
		const late = setTimeout(() => end(reject, new Error("not within 30 s")), 30000);
		const end = (f, v) => { watch.disconnect(); removeEventListener("focusin", focus); clearTimeout(late); f(v) };
		watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
		addEventListener("focusin", focus);
	})`, chromedp.EvalAwaitPromise))
	if err != nil {
		text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
		p.Fatalf("wait until %s: %v; the page shows\n%s", condition, err, text)
	}
}

// shows waits until the main part has a text.
func (p *tab) shows(text string) {
	p.Helper()
	p.until(fmt.Sprintf(`document.getElementById("main").innerText.includes(%q)`, text))
}

// announced waits until a result was announced that has a text.
func (p *tab) announced(text string) {
	p.Helper()
	p.until(fmt.Sprintf(`document.getElementById("said").innerText.includes(%q)`, text))
}

func (p *tab) click(css string) {
	p.Helper()
	p.until(fmt.Sprintf(`document.querySelector(%q)`, css))
	p.must("click "+css, chromedp.Do(p.ctx, chromedp.Click(chromedp.CSS(css))))
}

func (p *tab) types(css, keys string) {
	p.Helper()
	p.until(fmt.Sprintf(`document.querySelector(%q)`, css))
	p.must("type into "+css, chromedp.Do(p.ctx, chromedp.SendKeys(chromedp.CSS(css), keys)))
}

func (p *tab) press(keys string) {
	p.Helper()
	p.must("press a key", chromedp.Do(p.ctx, chromedp.KeyEvent(keys)))
}

// visit shows a view, and waits for its heading.
func (p *tab) visit(hash, heading string) {
	p.Helper()
	evaluate[chromedp.Void](p, fmt.Sprintf(`void (location.hash = %q)`, hash))
	p.until(fmt.Sprintf(`document.querySelector("h1").innerText === %q`, heading))
}

// signIn gives the page the token.
func (p *tab) signIn(token string) {
	p.Helper()
	p.types("#token", token+"\r")
}

// axeScript returns the source of axe-core; "": it is not there.
func axeScript(t *testing.T) string {
	path := os.Getenv("CHERTD_TEST_AXE")
	if path == "" {
		return ""
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "node_modules", "axe-core", "axe.min.js")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("CHERTD_TEST_AXE: %v", err)
	}
	return string(text)
}
