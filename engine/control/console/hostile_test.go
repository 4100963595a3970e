package console_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"chertd/engine/control"
)

// hostile is what somebody may write into a message, a rule or a file's name: it would
// become an element, an attribute, a script or an address if anything read it as HTML, and
// it changes colours, ends lines, turns text around and hides some.
const hostile = "\"'><img src=x onerror=\"window.pwned=1\"><script>window.pwned=2</script><svg onload=window.pwned=3></svg>" +
	"<style>body{display:none}</style><a href=\"javascript:window.pwned=4\">x</a></script></title><base href=//evil.example>${window.pwned=5}{{7*7}}" +
	"h\x1b[31m\r\nFORGED\x00\x07\x7f\u0085\u009b\u200e\u061c\u202e\u2066\u2028\u2029\u200b\u2060\ufeff\U000e0041"

// named are hostile as names of what JavaScript has already.
var named = []string{"constructor", "__proto__", "toString", "hasOwnProperty"}

// hostileDaemon answers hostile texts only.
type hostileDaemon struct {
	control.Daemon
	text string
}

func (d hostileDaemon) Status(context.Context) (control.Status, error) {
	s := filled[control.Status](d.text)
	s.Draining, s.Unknown = false, ""
	return s, nil
}
func (d hostileDaemon) Packs(context.Context) ([]control.Pack, error) {
	return filled[[]control.Pack](d.text), nil
}
func (d hostileDaemon) Rules(context.Context, control.RulesQuery) (control.Rules, error) {
	return filled[control.Rules](d.text), nil
}
func (d hostileDaemon) Dead(context.Context, control.DeadQuery) (control.Dead, error) {
	return filled[control.Dead](d.text), nil
}
func (d hostileDaemon) Quarantined(context.Context, int, bool) (control.Quarantine, error) {
	return filled[control.Quarantine](d.text), nil
}
func (d hostileDaemon) Waiting(context.Context, control.WaitingQuery) (control.Waiting, error) {
	return filled[control.Waiting](d.text), nil
}
func (d hostileDaemon) Explain(context.Context, control.ExplainQuery) (control.Explained, error) {
	return filled[control.Explained](d.text), nil
}
func (d hostileDaemon) Differences(context.Context, string, int) (control.Differences, error) {
	return filled[control.Differences](d.text), nil
}
func (d hostileDaemon) Lists(context.Context) ([]control.List, error) {
	return filled[[]control.List](d.text), nil
}
func (d hostileDaemon) List(context.Context, string, control.ListQuery) (control.ListShown, error) {
	return filled[control.ListShown](d.text), nil
}
func (d hostileDaemon) ListHistory(context.Context, string, int) (control.ListHistory, error) {
	return filled[control.ListHistory](d.text), nil
}
func (d hostileDaemon) Hold(context.Context, control.HoldRequest) (control.Held, error) {
	return control.Held{}, &control.UserError{Message: d.text, Hint: d.text}
}
func (d hostileDaemon) Release(context.Context, control.ReleaseRequest) (control.Released, error) {
	return control.Released{Chat: d.text, Held: true}, nil
}
func (d hostileDaemon) Tail(context.Context, control.TailQuery) (control.TailLines, error) {
	lines := make(chan control.Tailed, 4)
	for _, kind := range []string{control.TailNote, control.TailCall, control.TailAction, control.TailEvent} {
		line := filled[control.Tailed](d.text)
		line.Kind = kind
		lines <- line
	}
	return &tailed{lines: lines}, nil
}

// TestHostileTextStaysText: whatever the daemon answers, no element is made of it, no script
// runs, the policy has nothing to forbid, and no hidden character reaches the reader.
func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	p := console(t, hostileDaemon{text: hostile})
	for _, v := range append(views[:len(views):len(views)], struct{ hash, heading, text string }{"#/chat/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "Why was it read, or not?", ""}) {
		if v.hash == "#/lists/vips" {
			continue // its name is not the daemon's
		}
		p.visit(v.hash, v.heading)
		p.shows(`<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>`)
		for _, unfold := range []string{"main details", "main button[data-key^=differences]"} {
			evaluate[bool](p, fmt.Sprintf(`(() => { for (const d of document.querySelectorAll(%q)) d.tagName === "DETAILS" ? d.open = true : d.click(); return true })()`, unfold))
		}
		holdsOnlyText(p, v.hash)
	}
	p.visit("#/holds", "Holds")
	p.click(`[data-key="hold"]`)
	p.types("#field-chat", "c1\r")
	p.until(`document.querySelector("dialog[open] [role=alert]").innerText.includes("hint: \"'><img")`)
	holdsOnlyText(p, "a dialog")
	p.press("\x1b")
	p.until(`!document.querySelector("dialog")`)
	p.click(`[aria-label="Held chats"] button`)
	p.click(`dialog button[type="submit"]`)
	p.announced(`<img src=x`)
	holdsOnlyText(p, "an announcement")
}

func holdsOnlyText(p *tab, where string) {
	p.Helper()
	type found struct {
		Pwned    any
		Elements []string
		Links    []string
		Hidden   string
	}
	f := evaluate[found](p, `(() => ({
		Pwned: window.pwned ?? null,
		Elements: [...document.querySelectorAll("img, iframe, object, embed, base, script, style, [onerror], [onload], [style]")].map((e) => e.tagName),
		Links: [...document.querySelectorAll("a")].map((a) => a.getAttribute("href")).filter((h) => !/^#(main|\/)/.test(h)),
		Hidden: (document.body.textContent.match(/[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\u{e0041}/u) || [""])[0],
	}))()`)
	if f.Pwned != nil {
		p.Errorf("%s: a script ran: %v", where, f.Pwned)
	}
	if got := fmt.Sprint(f.Elements); got != "[STYLE SCRIPT]" {
		p.Errorf("%s: the page has the elements %s", where, got)
	}
	if len(f.Links) > 0 {
		p.Errorf("%s: the page has links to %q", where, f.Links)
	}
	if f.Hidden != "" {
		p.Errorf("%s: the page shows %+q", where, f.Hidden)
	}
}

// TestNamesOfJavaScriptAreTexts: a pack, rule or status may be named like what each object
// of JavaScript has.
func TestNamesOfJavaScriptAreTexts(t *testing.T) {
	t.Parallel()
	for _, name := range named {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := console(t, hostileDaemon{text: name})
			for _, v := range views {
				if v.hash == "#/lists/vips" {
					continue
				}
				p.visit(v.hash, v.heading)
				p.shows(name)
			}
		})
	}
}

// filled returns a value all of whose texts are a text, and whose numbers are not 0.
func filled[T any](text string) T {
	var v T
	fillValue(reflect.ValueOf(&v).Elem(), text, 0)
	return v
}

func fillValue(v reflect.Value, text string, depth int) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(noon))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Pointer:
		if depth < 12 {
			v.Set(reflect.New(v.Type().Elem()))
			fillValue(v.Elem(), text, depth+1)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(text))
			return
		}
		if depth < 12 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fillValue(v.Index(0), text, depth+1)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fillValue(key, text, depth+1)
		fillValue(value, text, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Interface:
		v.Set(reflect.ValueOf(text))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fillValue(v.Field(i), text, depth+1)
			}
		}
	}
}
