package luabind

import (
	"fmt"
	"strings"
	"time"
)

// LoadZone is the time zone of an IANA name such as "Europe/Berlin" or "UTC".
// "Local" is refused: rules must not depend on the machine they run on. So are
// "EST" and "MST", which are winter time all year, and nobody means them.
func LoadZone(name string) (*time.Location, error) {
	if meant, ok := winterZones[name]; ok {
		return nil, fmt.Errorf("time zone %s has no summer time: write %q", quote(name), meant)
	}
	if name != "" && name != "Local" {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc, nil
		}
	}
	if s := suggestZone(name); s != "" {
		return nil, fmt.Errorf("unknown time zone %s: did you mean %q?", quote(name), s)
	}
	return nil, fmt.Errorf(`unknown time zone %s: expected a name like "America/New_York", "Europe/Berlin" or "UTC"`, quote(name))
}

var winterZones = map[string]string{"EST": "America/New_York", "MST": "America/Denver"}

// zoneNicknames are what people write instead of a zone's name. Abbreviations
// that name several zones stand for the one most often meant.
var zoneNicknames = map[string]string{
	"pst": "America/Los_Angeles", "pdt": "America/Los_Angeles", "pt": "America/Los_Angeles", "pacific": "America/Los_Angeles",
	"mdt": "America/Denver", "mt": "America/Denver", "mountain": "America/Denver",
	"cdt": "America/Chicago", "ct": "America/Chicago", "central": "America/Chicago",
	"edt": "America/New_York", "et": "America/New_York", "eastern": "America/New_York",
	"bst": "Europe/London", "gmt": "UTC", "z": "UTC", "zulu": "UTC", "cest": "Europe/Berlin", "eest": "Europe/Helsinki",
	"ist": "Asia/Kolkata", "jst": "Asia/Tokyo", "sgt": "Asia/Singapore", "hkt": "Asia/Hong_Kong",
	"aest": "Australia/Sydney", "aedt": "Australia/Sydney", "nzst": "Pacific/Auckland", "nzdt": "Pacific/Auckland",
}

// zoneNames are the zones a suggestion is taken from; far more are known.
var zoneNames = strings.Fields(`
	UTC
	America/New_York America/Chicago America/Denver America/Los_Angeles America/Phoenix America/Anchorage America/Detroit
	America/Toronto America/Vancouver America/Halifax America/Mexico_City America/Bogota America/Lima America/Santiago
	America/Sao_Paulo America/Argentina/Buenos_Aires America/Puerto_Rico Pacific/Honolulu
	Europe/London Europe/Dublin Europe/Lisbon Europe/Madrid Europe/Paris Europe/Brussels Europe/Amsterdam Europe/Berlin
	Europe/Zurich Europe/Vienna Europe/Rome Europe/Prague Europe/Warsaw Europe/Budapest Europe/Copenhagen Europe/Oslo
	Europe/Stockholm Europe/Helsinki Europe/Athens Europe/Bucharest Europe/Kyiv Europe/Istanbul Europe/Moscow
	Africa/Cairo Africa/Lagos Africa/Nairobi Africa/Johannesburg
	Asia/Jerusalem Asia/Dubai Asia/Riyadh Asia/Karachi Asia/Kolkata Asia/Dhaka Asia/Bangkok Asia/Jakarta Asia/Singapore
	Asia/Kuala_Lumpur Asia/Manila Asia/Hong_Kong Asia/Shanghai Asia/Taipei Asia/Seoul Asia/Tokyo
	Australia/Perth Australia/Adelaide Australia/Brisbane Australia/Sydney Australia/Melbourne Australia/Lord_Howe
	Pacific/Auckland`)

func suggestZone(name string) string {
	if len(name) > 64 {
		return ""
	}
	if s, ok := zoneNicknames[strings.ToLower(name)]; ok {
		return s
	}
	if s := Suggest(name, zoneNames); s != "" {
		return s
	}
	// The city alone, or under the wrong continent.
	city := name[strings.LastIndexByte(name, '/')+1:]
	cities := make([]string, len(zoneNames))
	for i, z := range zoneNames {
		cities[i] = z[strings.LastIndexByte(z, '/')+1:]
		if cities[i] == city {
			return z
		}
	}
	found := Suggest(city, cities)
	for i, c := range cities {
		if c == found {
			return zoneNames[i]
		}
	}
	return ""
}
