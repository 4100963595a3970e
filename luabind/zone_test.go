package luabind

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestZonesAreEmbedded: an image from scratch and Windows have no zone files, and rules of
// other time zones than UTC must load there. This machine has them, so LoadZone can't show it.
func TestZonesAreEmbedded(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Fields(string(out)), "time/tzdata") {
		t.Error("luabind does not import time/tzdata")
	}
}

// TestZoneNamesHaveOneCase: a name in another case loads where the file system ignores case,
// and not where the rules run.
func TestZoneNamesHaveOneCase(t *testing.T) {
	t.Parallel()
	for _, name := range zoneNames {
		if loc, err := LoadZone(name); err != nil || loc.String() != name {
			t.Errorf("LoadZone(%q) = %v, %v", name, loc, err)
		}
		if lower := strings.ToLower(name); lower != name {
			if _, err := LoadZone(lower); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("LoadZone(%q) = %v; want an error that names %s", lower, err, name)
			}
		}
	}
	if loc, err := LoadZone("US/Eastern"); err != nil {
		t.Errorf("LoadZone(US/Eastern), an alias: %v, %v", loc, err)
	}
}
