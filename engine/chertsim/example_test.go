package chertsim_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
)

// A test adds a message, makes a call fail once, and finds out what the calls did.
func Example() {
	sim := chertsim.New(chertsim.Config{Seed: 1})
	defer sim.Close()
	server := httptest.NewServer(sim)
	defer server.Close()
	client, err := chert.New(chert.Config{
		BaseURL: server.URL + chertsim.BasePath, Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret,
	})
	if err != nil {
		panic(err)
	}

	sim.Receive(chertsim.Incoming{Chat: "c1", Text: "your code is 123456"})
	if err := sim.Fail(chertsim.FailRule{Route: "mark-read", Code: 4001, Times: 1}); err != nil {
		panic(err)
	}
	for range 2 {
		_, err := client.MarkRead(context.Background(), "c1")
		c, _ := sim.Chat("c1")
		fmt.Printf("failed: %t, unread: %d\n", err != nil, c.Unread)
	}
	for _, r := range sim.Receipts() {
		fmt.Println(r.Chat, r.Status, r.Effect)
	}
	// Output:
	// failed: true, unread: 1
	// failed: false, unread: 0
	// c1 502 false
	// c1 200 true
}
