package chert_test

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"chertd/engine/chert"
)

// A read receipt is one signed call. Its errors are of type *Error.
func ExampleClient_MarkRead() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
		fmt.Println(r.Header.Get("X-Chert-Signature")[:14])
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"success": false, "error": {"status": 404, "code": 2002, "message": "chat not found", "retryable": false}}`)
	}))
	defer server.Close()
	client, err := chert.New(chert.Config{
		BaseURL: server.URL + "/api/v1", Tenant: "acme-7a3f", SigningSecret: "0123456789abcdef0123456789abcdef",
		Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.MarkRead(context.Background(), "c1")
	var failure *chert.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Code == chert.CodeChatNotFound, failure.Retryable)
	}
	fmt.Println(err)

	// Output:
	// POST /api/v1/chats/c1/mark-read
	// v1,1800000000,
	// true false
	// mark chat "c1" as read: 404, code 2002: chat not found
}

// A call without a body signs the timestamp and the dot after it.
func ExampleKey_Signature() {
	signature := chert.NewKey("0123456789abcdef0123456789abcdef").Signature("1800000000", nil)
	fmt.Println(signature)

	// Output:
	// v1,1800000000,4c4ec40ae2896f3bdfef603bfd8940698c556e7b71fe695a4e68bef201e0ef7c
}

// The digest of a webhook is compared over the exact bytes that arrived.
func ExampleKey_Digest() {
	header := "t=1800000000,v1=b02d9615303345f31597ddd546693699358fa1bc5081238b9ffdc554a6dbe0e7"
	body := []byte(`{"event":"message.received"}`)

	timestamp, digest, _ := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	got, err := hex.DecodeString(digest)
	fmt.Println(err == nil && hmac.Equal(got, chert.NewKey("whsec_for_development_only").Digest(timestamp, body)))

	// Output:
	// true
}
