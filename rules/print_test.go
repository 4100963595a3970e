package rules

import (
	"fmt"
	"slices"
	"testing"
)

// What a pack prints while it is loaded is passed on once, however many shards
// make VMs of it later.
func TestPrintWhileLoading(t *testing.T) {
	t.Parallel()
	var said []string
	o := Options{Shards: 2, Print: func(pack, level, msg string, fields map[string]any) {
		said = append(said, fmt.Sprint(pack, " ", level, " ", msg, " ", fields))
	}}
	set, diags := loadDir(tree(t, map[string]string{"a.lua": "print(\"hello\", 1)\nlog.warn(\"careful\", { n = 2 })\n" + version("v")}), o)
	if set == nil {
		t.Fatal(diags)
	}
	for shard := range 2 {
		if _, _, err := set.Pack("a").vm(shard); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"a info hello\t1 map[]", "a warn careful map[n:2]"}; !slices.Equal(said, want) {
		t.Errorf("it said %q, want %q", said, want)
	}
}
