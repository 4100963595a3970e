package main

// notYetKeys are sections of the configuration that this build does not have.
var notYetKeys = map[string]string{
	"notify": "targets of chert.notify",
}
