package handle_test

import (
	"errors"
	"fmt"

	"chertd/engine/event/handle"
)

func ExampleParse() {
	for _, written := range []string{"(415) 555-0123", "22395", "Jo@Example.com", "jo@"} {
		h, err := handle.Parse(written, "US")
		var malformed *handle.Error
		if errors.As(err, &malformed) {
			fmt.Println(malformed.Problem)
			continue
		}
		fmt.Println(h.Kind, h.Text)
	}

	// Output:
	// phone +14155550123
	// short_code 22395
	// email jo@example.com
	// "jo@" is not an email address: there is nothing after @
}
