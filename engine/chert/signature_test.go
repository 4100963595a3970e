package chert

import "testing"

// The digests were made by openssl, not by this code:
//
//	printf '1779586534.' | openssl dgst -sha256 -hmac 000102030405060708090a0b0c0d0e0f
func TestSignature(t *testing.T) {
	t.Parallel()
	const secret = "000102030405060708090a0b0c0d0e0f"
	tests := []struct{ name, body, want string }{
		{"no body: the text ends in the dot", "", "6c5eb85855b4e1d8394092e17cbabb082a6587696a6f9347cd2436e9531765ae"},
		{"JSON", `{"state":"typing"}`, "4dbce1e6fb1edb93a17b7aa5a5ca4bb56108d385cca3525fcaf7464777390464"},
		{"any bytes", "\x00\xff\n", "ff669672b0df775c89935cb8ef27c9d95185016a1186a73cc7d8f01214298b06"},
	}
	for _, tt := range tests {
		if got, want := NewKey(secret).Signature("1779586534", []byte(tt.body)), "v1,1779586534,"+tt.want; got != want {
			t.Errorf("%s: got %s, want %s", tt.name, got, want)
		}
	}
}
