package luabind

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // containers and Windows have no zone files of their own

	"chertd/luabind/diag"
)

// LoadZone returns the time zone with an IANA name such as "Europe/Berlin" or "UTC". It
// refuses "Local", because rules must not depend on the machine, and "EST" and "MST",
// which have standard time all year, unlike the zones that people mean by them.
func LoadZone(name string) (*time.Location, error) {
	if meant, ok := winterZones[name]; ok {
		return nil, fmt.Errorf("time zone %s does not observe daylight saving time; use %q", quote(name), meant)
	}
	// A file system that ignores case would find "america/new_york", and others would not.
	known := slices.IndexFunc(zoneNames, func(zone string) bool { return strings.EqualFold(zone, name) })
	if name != "" && name != "Local" && (known < 0 || zoneNames[known] == name) {
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

// zoneNicknames maps names that people write instead of a zone's name, in lower case, to
// the zone that they most often mean.
var zoneNicknames = map[string]string{
	"pst": "America/Los_Angeles", "pdt": "America/Los_Angeles", "pt": "America/Los_Angeles", "pacific": "America/Los_Angeles",
	"mdt": "America/Denver", "mt": "America/Denver", "mountain": "America/Denver",
	"cdt": "America/Chicago", "ct": "America/Chicago", "central": "America/Chicago",
	"edt": "America/New_York", "et": "America/New_York", "eastern": "America/New_York",
	"bst": "Europe/London", "gmt": "UTC", "z": "UTC", "zulu": "UTC", "cest": "Europe/Berlin", "eest": "Europe/Helsinki",
	"ist": "Asia/Kolkata", "jst": "Asia/Tokyo", "sgt": "Asia/Singapore", "hkt": "Asia/Hong_Kong",
	"aest": "Australia/Sydney", "aedt": "Australia/Sydney", "nzst": "Pacific/Auckland", "nzdt": "Pacific/Auckland",
}

// zoneNames are the zones for suggestions: those of tzdata's zone.tab, the best known
// first.
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
	Pacific/Auckland

	Africa/Abidjan Africa/Accra Africa/Addis_Ababa Africa/Algiers Africa/Asmara Africa/Bamako Africa/Bangui Africa/Banjul Africa/Bissau Africa/Blantyre
	Africa/Brazzaville Africa/Bujumbura Africa/Casablanca Africa/Ceuta Africa/Conakry Africa/Dakar Africa/Dar_es_Salaam Africa/Djibouti Africa/Douala
	Africa/El_Aaiun Africa/Freetown Africa/Gaborone Africa/Harare Africa/Juba Africa/Kampala Africa/Khartoum Africa/Kigali Africa/Kinshasa
	Africa/Libreville Africa/Lome Africa/Luanda Africa/Lubumbashi Africa/Lusaka Africa/Malabo Africa/Maputo Africa/Maseru Africa/Mbabane Africa/Mogadishu
	Africa/Monrovia Africa/Ndjamena Africa/Niamey Africa/Nouakchott Africa/Ouagadougou Africa/Porto-Novo Africa/Sao_Tome Africa/Tripoli Africa/Tunis
	Africa/Windhoek America/Adak America/Anguilla America/Antigua America/Araguaina America/Argentina/Catamarca America/Argentina/Cordoba
	America/Argentina/Jujuy America/Argentina/La_Rioja America/Argentina/Mendoza America/Argentina/Rio_Gallegos America/Argentina/Salta
	America/Argentina/San_Juan America/Argentina/San_Luis America/Argentina/Tucuman America/Argentina/Ushuaia America/Aruba America/Asuncion
	America/Atikokan America/Bahia America/Bahia_Banderas America/Barbados America/Belem America/Belize America/Blanc-Sablon America/Boa_Vista
	America/Boise America/Cambridge_Bay America/Campo_Grande America/Cancun America/Caracas America/Cayenne America/Cayman America/Chihuahua
	America/Ciudad_Juarez America/Costa_Rica America/Coyhaique America/Creston America/Cuiaba America/Curacao America/Danmarkshavn America/Dawson
	America/Dawson_Creek America/Dominica America/Edmonton America/Eirunepe America/El_Salvador America/Fort_Nelson America/Fortaleza America/Glace_Bay
	America/Goose_Bay America/Grand_Turk America/Grenada America/Guadeloupe America/Guatemala America/Guayaquil America/Guyana America/Havana
	America/Hermosillo America/Indiana/Indianapolis America/Indiana/Knox America/Indiana/Marengo America/Indiana/Petersburg America/Indiana/Tell_City
	America/Indiana/Vevay America/Indiana/Vincennes America/Indiana/Winamac America/Inuvik America/Iqaluit America/Jamaica America/Juneau
	America/Kentucky/Louisville America/Kentucky/Monticello America/Kralendijk America/La_Paz America/Lower_Princes America/Maceio America/Managua
	America/Manaus America/Marigot America/Martinique America/Matamoros America/Mazatlan America/Menominee America/Merida America/Metlakatla
	America/Miquelon America/Moncton America/Monterrey America/Montevideo America/Montserrat America/Nassau America/Nome America/Noronha
	America/North_Dakota/Beulah America/North_Dakota/Center America/North_Dakota/New_Salem America/Nuuk America/Ojinaga America/Panama America/Paramaribo
	America/Port-au-Prince America/Port_of_Spain America/Porto_Velho America/Punta_Arenas America/Rankin_Inlet America/Recife America/Regina
	America/Resolute America/Rio_Branco America/Santarem America/Santo_Domingo America/Scoresbysund America/Sitka America/St_Barthelemy America/St_Johns
	America/St_Kitts America/St_Lucia America/St_Thomas America/St_Vincent America/Swift_Current America/Tegucigalpa America/Thule America/Tijuana
	America/Tortola America/Whitehorse America/Winnipeg America/Yakutat Antarctica/Casey Antarctica/Davis Antarctica/DumontDUrville Antarctica/Macquarie
	Antarctica/Mawson Antarctica/McMurdo Antarctica/Palmer Antarctica/Rothera Antarctica/Syowa Antarctica/Troll Antarctica/Vostok Arctic/Longyearbyen
	Asia/Aden Asia/Almaty Asia/Amman Asia/Anadyr Asia/Aqtau Asia/Aqtobe Asia/Ashgabat Asia/Atyrau Asia/Baghdad Asia/Bahrain Asia/Baku Asia/Barnaul
	Asia/Beirut Asia/Bishkek Asia/Brunei Asia/Chita Asia/Colombo Asia/Damascus Asia/Dili Asia/Dushanbe Asia/Famagusta Asia/Gaza Asia/Hebron
	Asia/Ho_Chi_Minh Asia/Hovd Asia/Irkutsk Asia/Jayapura Asia/Kabul Asia/Kamchatka Asia/Kathmandu Asia/Khandyga Asia/Krasnoyarsk Asia/Kuching
	Asia/Kuwait Asia/Macau Asia/Magadan Asia/Makassar Asia/Muscat Asia/Nicosia Asia/Novokuznetsk Asia/Novosibirsk Asia/Omsk Asia/Oral Asia/Phnom_Penh
	Asia/Pontianak Asia/Pyongyang Asia/Qatar Asia/Qostanay Asia/Qyzylorda Asia/Sakhalin Asia/Samarkand Asia/Srednekolymsk Asia/Tashkent Asia/Tbilisi
	Asia/Tehran Asia/Thimphu Asia/Tomsk Asia/Ulaanbaatar Asia/Urumqi Asia/Ust-Nera Asia/Vientiane Asia/Vladivostok Asia/Yakutsk Asia/Yangon
	Asia/Yekaterinburg Asia/Yerevan Atlantic/Azores Atlantic/Bermuda Atlantic/Canary Atlantic/Cape_Verde Atlantic/Faroe Atlantic/Madeira
	Atlantic/Reykjavik Atlantic/South_Georgia Atlantic/St_Helena Atlantic/Stanley Australia/Broken_Hill Australia/Darwin Australia/Eucla Australia/Hobart
	Australia/Lindeman Europe/Andorra Europe/Astrakhan Europe/Belgrade Europe/Bratislava Europe/Busingen Europe/Chisinau Europe/Gibraltar Europe/Guernsey
	Europe/Isle_of_Man Europe/Jersey Europe/Kaliningrad Europe/Kirov Europe/Ljubljana Europe/Luxembourg Europe/Malta Europe/Mariehamn Europe/Minsk
	Europe/Monaco Europe/Podgorica Europe/Riga Europe/Samara Europe/San_Marino Europe/Sarajevo Europe/Saratov Europe/Simferopol Europe/Skopje
	Europe/Sofia Europe/Tallinn Europe/Tirane Europe/Ulyanovsk Europe/Vaduz Europe/Vatican Europe/Vilnius Europe/Volgograd Europe/Zagreb
	Indian/Antananarivo Indian/Chagos Indian/Christmas Indian/Cocos Indian/Comoro Indian/Kerguelen Indian/Mahe Indian/Maldives Indian/Mauritius
	Indian/Mayotte Indian/Reunion Pacific/Apia Pacific/Bougainville Pacific/Chatham Pacific/Chuuk Pacific/Easter Pacific/Efate Pacific/Fakaofo
	Pacific/Fiji Pacific/Funafuti Pacific/Galapagos Pacific/Gambier Pacific/Guadalcanal Pacific/Guam Pacific/Kanton Pacific/Kiritimati Pacific/Kosrae
	Pacific/Kwajalein Pacific/Majuro Pacific/Marquesas Pacific/Midway Pacific/Nauru Pacific/Niue Pacific/Norfolk Pacific/Noumea Pacific/Pago_Pago
	Pacific/Palau Pacific/Pitcairn Pacific/Pohnpei Pacific/Port_Moresby Pacific/Rarotonga Pacific/Saipan Pacific/Tahiti Pacific/Tarawa Pacific/Tongatapu
	Pacific/Wake Pacific/Wallis`)

func suggestZone(name string) string {
	if len(name) > 64 || name == "Local" {
		return ""
	}
	if s, ok := zoneNicknames[strings.ToLower(name)]; ok {
		return s
	}
	if s := diag.Suggest(name, zoneNames); s != "" {
		return s
	}
	// The city alone, or with the wrong continent.
	city := name[strings.LastIndexByte(name, '/')+1:]
	cities := make([]string, len(zoneNames))
	for i, z := range zoneNames {
		cities[i] = z[strings.LastIndexByte(z, '/')+1:]
		if cities[i] == city {
			return z
		}
	}
	found := diag.Suggest(city, cities)
	for i, c := range cities {
		if c == found {
			return zoneNames[i]
		}
	}
	return ""
}
