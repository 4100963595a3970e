package source

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
)

// A delivery and its digest, which openssl made:
//
//	printf '%s.%s' "$timestamp" "$body" | openssl dgst -sha256 -hmac "$secret"
const (
	testSecret    = "whsec_test_1"
	testTimestamp = "1779586534"
	testBody      = `{"event":"message.received","event_id":"e1","partner_id":"acme-7a3f","data":{"chat":{"id":"c1"}}}`
	testDigest    = "caf67098612ab732bd3736b18ff797887887f4aef762dfa54b76a3faaf9a510a"
)

var testNow = time.Date(2026, 5, 24, 1, 35, 34, 0, time.UTC)

func TestVerify(t *testing.T) {
	t.Parallel()
	const (
		good   = "t=" + testTimestamp + ",v1=" + testDigest
		legacy = "v1," + testTimestamp + "," + testDigest
	)
	const stale = "t=1779580000,v1=5661d09ffd0caf9a337d9492633c0d55acf9b131a1673012411defdc1d070e87"
	zeros := strings.Repeat("0", 64)
	current := func(values ...string) http.Header { return http.Header{headerSignature: values} }
	old := func(values ...string) http.Header { return http.Header{headerLegacySignature: values} }
	both := func(a, b string) http.Header {
		return http.Header{headerSignature: {a}, headerLegacySignature: {b}}
	}
	tests := []struct {
		name   string
		header http.Header
		body   string // default testBody
		skew   time.Duration
		want   Refusal
	}{
		{name: "current form", header: current(good)},
		{name: "legacy form, current name", header: current(legacy)},
		{name: "legacy form, legacy name", header: old(legacy)},
		{name: "both names, the same", header: both(legacy, legacy)},
		{name: "elements in another order", header: current("v1=" + testDigest + ",t=" + testTimestamp)},
		{name: "space after the comma", header: current("t=" + testTimestamp + ", v1=" + testDigest)},
		{name: "digest in capitals", header: current("t=" + testTimestamp + ",v1=" + strings.ToUpper(testDigest))},
		{name: "several digests, the last good", header: current("t=" + testTimestamp + ",v1=" + zeros + ",v1=" + testDigest)},
		{name: "versions to come", header: current(good + ",v2=xyz")},
		// One valid signature is enough, whatever else the headers say.
		{name: "twice", header: current(good, good)},
		{name: "legacy twice", header: old(legacy, legacy)},
		{name: "both names, each in its form", header: both(good, legacy)},
		{name: "good legacy beside a wrong one", header: both("v1,"+testTimestamp+","+zeros, legacy)},
		{name: "good beside an empty legacy", header: both(good, "")},
		{name: "good legacy beside an empty one", header: both("", legacy)},
		{name: "good beside a malformed one", header: both(good, "v1,x,y,z")},
		{name: "good beside one of an old secret", header: both(good, "v1,"+testTimestamp+","+zeros)},
		{name: "good beside a stale one", header: current(stale, good)},
		{name: "current form, legacy name", header: old(good)},
		{name: "two timestamps", header: current("t=1," + good)},
		{name: "many digests, the last good", header: current("t=" + testTimestamp + strings.Repeat(",v1="+zeros, 50) + ",v1=" + testDigest)},
		{name: "trailing comma", header: current(good + ",")},
		{name: "legacy with more", header: old(legacy + "," + testDigest)},
		{name: "joined by a proxy", header: old(legacy + ", " + legacy)},
		{name: "both forms joined by a proxy", header: current("v1," + testTimestamp + "," + zeros + ", " + good)},
		{name: "behind many old ones", header: current(append(slices.Repeat([]string{"t=1,v1=" + zeros, "t=2,v1=" + zeros, "t=3,v1=" + zeros, "t=4,v1=" + zeros, "t=5,v1=" + zeros, "t=6,v1=" + zeros, "t=7,v1=" + zeros, "t=8,v1=" + zeros, "t=9,v1=" + zeros}, 3), good)...)},

		{name: "at the edge of the window, late", header: current(good), skew: 5 * time.Minute},
		{name: "at the edge of the window, early", header: current(good), skew: -5 * time.Minute},

		{name: "late", header: current(good), skew: 5*time.Minute + 1, want: RefusedStale},
		{name: "early", header: current(good), skew: -5*time.Minute - 1, want: RefusedStale},
		{name: "wrong and late", header: current("t=" + testTimestamp + ",v1=" + zeros), skew: time.Hour, want: RefusedWrong},
		{name: "another body", header: current(good), body: testBody + "\n", want: RefusedWrong},
		{name: "no body", header: current(good), body: "-", want: RefusedWrong},
		{name: "wrong digest", header: current("t=" + testTimestamp + ",v1=" + zeros), want: RefusedWrong},
		{name: "timestamp changed", header: current("t=1779586535,v1=" + testDigest), want: RefusedWrong},
		{name: "timestamp with a zero before", header: current("t=0" + testTimestamp + ",v1=" + testDigest), want: RefusedWrong},

		{name: "none", header: http.Header{}, want: refusedMissing},
		{name: "empty", header: current(""), want: RefusedMalformed},
		{name: "digest alone", header: current(testDigest), want: RefusedMalformed},
		{name: "no timestamp", header: current("v1=" + testDigest), want: RefusedMalformed},
		{name: "no digest", header: current("t=" + testTimestamp), want: RefusedMalformed},
		{name: "signed timestamp", header: current("t=+" + testTimestamp + ",v1=" + testDigest), want: RefusedMalformed},
		{name: "timestamp in hex", header: current("t=0x6A12,v1=" + testDigest), want: RefusedMalformed},
		{name: "endless timestamp", header: current("t=" + strings.Repeat("1", 30) + ",v1=" + testDigest), want: RefusedMalformed},
		{name: "timestamp in milliseconds", header: current("t=1779586534000,v1=" + testDigest), want: RefusedMalformed},
		{name: "short digest", header: current("t=" + testTimestamp + ",v1=" + testDigest[2:]), want: RefusedMalformed},
		{name: "digest not hex", header: current("t=" + testTimestamp + ",v1=" + strings.Repeat("z", 64)), want: RefusedMalformed},
		{name: "another version", header: current("v2," + testTimestamp + "," + testDigest), want: RefusedMalformed},
		{name: "digest of another version", header: current("t=" + testTimestamp + ",v2=" + testDigest), want: RefusedMalformed},
		{name: "timestamp of another name", header: current("x=" + testTimestamp + ",v1=" + testDigest), want: RefusedMalformed},
		{name: "legacy form without its version", header: old(testTimestamp + "," + testDigest), want: RefusedMalformed},
		{name: "legacy form, version behind", header: old(testTimestamp + "," + testDigest + ",v1"), want: RefusedMalformed},
		{name: "legacy form, the digest named otherwise", header: old("v1," + testTimestamp + ",x=" + testDigest), want: RefusedMalformed},
		{name: "legacy form, the timestamp named otherwise", header: old("v1,x=" + testTimestamp + "," + testDigest), want: RefusedMalformed},
		{name: "another version behind the legacy form's", header: old("v1," + testTimestamp + ",v2," + testDigest), want: RefusedMalformed},
		{name: "another version beside a stale one", header: current("v2,"+testTimestamp+","+testDigest, stale), want: RefusedStale},
		{name: "a stale one among wrong ones", header: both(stale, "v1,"+testTimestamp+","+zeros), want: RefusedStale},
		{name: "wrong ones among malformed ones", header: current("", "t="+testTimestamp+",v1="+zeros, "x"), want: RefusedWrong},
		{name: "a digest without its timestamp beside another's", header: current("v1="+testDigest, "t="+testTimestamp), want: RefusedMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := testBody
			switch tt.body {
			case "":
			case "-":
				body = ""
			default:
				body = tt.body
			}
			secrets := []string{"another secret", testSecret}
			v := newVerifier(secrets, "", 5*time.Minute)
			if got := v.verify(tt.header, []byte(body), testNow.Add(tt.skew)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.want == "" {
				v.secrets = v.secrets[:1]
				if got := v.verify(tt.header, []byte(body), testNow); got != RefusedWrong {
					t.Errorf("without the secret: got %q, want %q", got, RefusedWrong)
				}
			}
		})
	}
}

// Whatever the header, only a digest of the body made with the secret passes.
func FuzzVerify(f *testing.F) {
	f.Add("t="+testTimestamp+",v1="+testDigest, "")
	f.Add("", "v1,"+testTimestamp+","+testDigest)
	f.Add("t=,v1=", "v1,,")
	f.Fuzz(func(t *testing.T, current, legacy string) {
		h := http.Header{}
		if current != "" {
			h.Set(headerSignature, current)
		}
		if legacy != "" {
			h.Set(headerLegacySignature, legacy)
		}
		v := newVerifier([]string{testSecret}, "", 5*time.Minute)
		if v.verify(h, []byte(testBody), testNow) != "" {
			return
		}
		said := strings.ToLower(current + legacy)
		sigs, _ := readSignatures(h)
		if !slices.ContainsFunc(sigs, func(s signature) bool {
			want := chert.NewKey(testSecret).Signature(s.timestamp, []byte(testBody))
			return strings.Contains(said, want[len(want)-64:])
		}) {
			t.Fatalf("%q, %q passed", current, legacy)
		}
	})
}

// TestVerifyByEitherClock: a delivery is fresh if it is by one of the clocks.
func TestVerifyByEitherClock(t *testing.T) {
	t.Parallel()
	h := http.Header{headerSignature: {"t=" + testTimestamp + ",v1=" + testDigest}}
	v := newVerifier([]string{testSecret}, "", 5*time.Minute)
	for name, test := range map[string]struct {
		local, chert time.Duration
		want         Refusal
	}{
		"both right":          {0, 0, ""},
		"the local one wrong": {time.Hour, 0, ""},
		"the learned wrong":   {0, -time.Hour, ""},
		"both wrong":          {time.Hour, time.Hour, RefusedStale},
		"wrong to both sides": {time.Hour, -time.Hour, RefusedStale},
		"just within of one":  {5*time.Minute + 1, 5 * time.Minute, ""},
		"just beyond of both": {5*time.Minute + 1, -5*time.Minute - 1, RefusedStale},
	} {
		if got := v.verify(h, []byte(testBody), testNow.Add(test.local), testNow.Add(test.chert)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestSigningSecretCountsInTheLegacyHeader: the account's signing secret signs
// X-Chert-Signature, and nothing else.
func TestSigningSecretCountsInTheLegacyHeader(t *testing.T) {
	t.Parallel()
	legacy := "v1," + testTimestamp + "," + testDigest // by testSecret
	current := "t=" + testTimestamp + ",v1=" + testDigest
	for name, test := range map[string]struct {
		signing string
		header  http.Header
		want    Refusal
	}{
		"legacy by the signing secret":                  {testSecret, http.Header{headerLegacySignature: {legacy}}, ""},
		"legacy by it, in the current form":             {testSecret, http.Header{headerLegacySignature: {current}}, ""},
		"legacy by it, beside a wrong current one":      {testSecret, http.Header{headerLegacySignature: {legacy}, headerSignature: {"t=" + testTimestamp + ",v1=" + strings.Repeat("0", 64)}}, ""},
		"current by the signing secret":                 {testSecret, http.Header{headerSignature: {current}}, RefusedWrong},
		"current header in the legacy form by it":       {testSecret, http.Header{headerSignature: {legacy}}, RefusedWrong},
		"current by it, beside a legacy one of another": {testSecret, http.Header{headerSignature: {current}, headerLegacySignature: {"v1," + testTimestamp + "," + strings.Repeat("0", 64)}}, RefusedWrong},
		"legacy by another":                             {"other", http.Header{headerLegacySignature: {legacy}}, RefusedWrong},
		"legacy without a signing secret":               {"", http.Header{headerLegacySignature: {legacy}}, RefusedWrong},
	} {
		v := newVerifier([]string{"whsec"}, test.signing, time.Minute)
		if got := v.verify(test.header, []byte(testBody), testNow); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	empty := http.Header{headerLegacySignature: {chert.NewKey("").Signature(testTimestamp, []byte(testBody))}}
	if got := newVerifier([]string{"whsec"}, "", time.Minute).verify(empty, []byte(testBody), testNow); got != RefusedWrong {
		t.Errorf("a signature by the empty secret: %q", got)
	}
}
