package luabind

import (
	"reflect"
	"testing"
)

// Names of lists are found wherever a file writes them, so that a typo prevents loading.
// What can't be found is noticed.
func TestListUses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		source string
		uses   []ListUse
		others bool
	}{
		{`chert.on("x", { from = chert.list("vips") }, function() end)`, []ListUse{{"vips", 1, 24}}, false},
		{"local a = chert.list 'vips'\nlocal b = chert.list([[friends]])", []ListUse{{"vips", 1, 11}, {"friends", 2, 11}}, false},
		{`local n = "vips" local a = chert.list(n)`, nil, true},
		{`local a = chert.list("vi" .. "ps")`, nil, true},
		{`local list = chert.list`, nil, true},
		{`local a = chert["list"]("vips")`, nil, true},
		{`local c = chert`, nil, true},
		{`local a = _G.chert.list("vips")`, nil, true},
		{`local a = chert["li" .. "st"]("vips")`, nil, true},
		{`local k = "list" local a = chert[k]("vips")`, nil, true},
		{`local a = chert["now"]()`, nil, false},
		{`local list = { "vips" } log.info(list[1], kv.list("a")) print(chert.now)`, nil, false},
		{`-- chert.list("vips")`, nil, false},
	} {
		p, err := Compile("a.lua", []byte(c.source))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(p.Lists, c.uses) || p.AnyList != c.others {
			t.Errorf("%s\nhas the lists %v, others %t; want %v, %t", c.source, p.Lists, p.AnyList, c.uses, c.others)
		}
	}
}

// A where names its lists; nobody can read one while a file loads.
func TestListsInWhere(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `chert.on("x", { from = { chert.list("vips"), "+14155550100" }, except = { chat = chert.list("quiet") } }, function() end)`)
	want := map[string]any{"from": []any{ListRef{"vips"}, "+14155550100"}, "except": map[string]any{"chat": ListRef{"quiet"}}}
	if got := r.subs[0].Where; !reflect.DeepEqual(got, want) {
		t.Errorf("where is %v, want %v", got, want)
	}
}
