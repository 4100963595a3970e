package main

import (
	"os"
	"path/filepath"
)

// credentialsVariable is the environment variable by which systemd names the folder with the
// secrets of a service (LoadCredential=). Only the service has it.
const credentialsVariable = "CREDENTIALS_DIRECTORY"

// unsetHint returns what to do about an environment variable that is not set.
func unsetHint(name string) string {
	if name == credentialsVariable {
		return "systemd sets it for the service (LoadCredential=); for a command, name the folder of the secrets: sudo CREDENTIALS_DIRECTORY=/etc/chertd/secrets chertd doctor"
	}
	return "export " + name + " before starting chertd"
}

// secretReload returns the command after which the daemon has a secret that was written into
// file; reload is the one that reloads its settings. systemd copies credentials when the service
// starts, so that a reload does not read them again.
func secretReload(file, reload string) string {
	dir := os.Getenv(credentialsVariable)
	if dir == "" || file == "" || filepath.Dir(filepath.Clean(file)) != filepath.Clean(dir) {
		return reload
	}
	return "sudo systemctl restart chertd"
}
