package storetest

import (
	"testing"
)

var roundTrips = map[string]func(*testing.T, *bench){}
