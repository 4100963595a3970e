package source

import (
	"net/http"
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

		{name: "none", header: http.Header{}, want: RefusedMissing},
		{name: "twice", header: current(good, good), want: RefusedDuplicate},
		{name: "legacy twice", header: old(legacy, legacy), want: RefusedDuplicate},
		{name: "both names, different", header: both(good, legacy), want: RefusedDuplicate},
		{name: "good legacy beside a wrong one", header: both("v1,"+testTimestamp+","+zeros, legacy), want: RefusedDuplicate},

		{name: "empty", header: current(""), want: RefusedMalformed},
		{name: "digest alone", header: current(testDigest), want: RefusedMalformed},
		{name: "current form, legacy name", header: old(good), want: RefusedMalformed},
		{name: "no timestamp", header: current("v1=" + testDigest), want: RefusedMalformed},
		{name: "no digest", header: current("t=" + testTimestamp), want: RefusedMalformed},
		{name: "two timestamps", header: current("t=" + testTimestamp + "," + good), want: RefusedMalformed},
		{name: "signed timestamp", header: current("t=+" + testTimestamp + ",v1=" + testDigest), want: RefusedMalformed},
		{name: "timestamp in hex", header: current("t=0x6A12,v1=" + testDigest), want: RefusedMalformed},
		{name: "endless timestamp", header: current("t=" + strings.Repeat("1", 30) + ",v1=" + testDigest), want: RefusedMalformed},
		{name: "short digest", header: current("t=" + testTimestamp + ",v1=" + testDigest[2:]), want: RefusedMalformed},
		{name: "digest not hex", header: current("t=" + testTimestamp + ",v1=" + strings.Repeat("z", 64)), want: RefusedMalformed},
		{name: "too many digests", header: current("t=" + testTimestamp + strings.Repeat(",v1="+testDigest, 9)), want: RefusedMalformed},
		{name: "trailing comma", header: current(good + ","), want: RefusedMalformed},
		{name: "another version", header: current("v2," + testTimestamp + "," + testDigest), want: RefusedMalformed},
		{name: "legacy with more", header: old(legacy + "," + testDigest), want: RefusedMalformed},
		{name: "joined by a proxy", header: old(legacy + ", " + legacy), want: RefusedMalformed},
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
			if got := verify(tt.header, []byte(body), secrets, 5*time.Minute, testNow.Add(tt.skew)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.want == "" {
				if got := verify(tt.header, []byte(body), secrets[:1], 5*time.Minute, testNow); got != RefusedWrong {
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
		if verify(h, []byte(testBody), []string{testSecret}, 5*time.Minute, testNow) != "" {
			return
		}
		said := strings.ToLower(current + legacy)
		sig, _ := readSignature(h)
		if want := chert.Signature(testSecret, sig.timestamp, []byte(testBody)); !strings.Contains(said, want[len(want)-64:]) {
			t.Fatalf("%q, %q passed", current, legacy)
		}
	})
}
