package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"chertd/engine"
	"chertd/engine/chert"
	"chertd/luabind/diag"
)

// loadAccount reads the configuration for a command that makes calls with the account's
// credentials. Other sections may have errors: the webhook's secret does not exist before
// the subscription does, and the shell usually lacks the daemon's environment.
func loadAccount(file string) (*Config, error) {
	file, err := findConfig(file)
	if err != nil {
		return nil, fail(exitFailure, err)
	}
	text, err := readConfig(file)
	if err != nil {
		return nil, fail(exitFailure, err)
	}
	c, diags := parseConfig(file, text, os.LookupEnv, use{events: true})
	if c == nil {
		return nil, fail(exitFailure, diags)
	}
	for _, d := range diags {
		if d.Severity == diag.SeverityError && c.concernsAccount(d.Message) {
			return nil, fail(exitFailure, diags)
		}
	}
	return c, nil
}

// concernsAccount reports whether an error of the configuration matters to a command that
// uses the account. A message begins with the key that it is about.
func (c *Config) concernsAccount(message string) bool {
	for _, key := range []string{"chert.", "chert:", `unknown key "chert`, "unknown key chert", "sources.webhook.path", "sources.webhook:", "sources:"} {
		if strings.HasPrefix(message, key) {
			return true
		}
	}
	return strings.HasPrefix(message, "sources.webhook.secrets_file") && c.Sources.Webhook.SecretsFile == ""
}

// client returns a client of the account.
func (c *Config) client() (*chert.Client, error) {
	return chert.New(c.daemon(nil).API)
}

// callError adds to an error of a call its cause and the fix.
func (c *Config) callError(err error) error {
	e, ok := errors.AsType[*chert.Error](err)
	if !ok {
		return err
	}
	cause, fix := engine.Explain(e, c.Chert.BaseURL)
	switch {
	case cause != "":
		return hinted(fmt.Errorf("%w; %s", err, cause), fix)
	case e.Status == 0:
		return hinted(err, "check the network, chert.base_url, and the proxy of HTTPS_PROXY if there is one")
	case e.RetryAfter > 0:
		return hinted(err, "try again in "+diag.Duration(e.RetryAfter))
	case e.Retryable:
		return hinted(err, "try again")
	}
	return hinted(err, "the message of Chert says what it does not accept; its support finds the call by the trace")
}
