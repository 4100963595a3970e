package main

import (
	"path/filepath"
	"strings"
	"time"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
	"chertd/rules"
)

// Config is chertd.yaml. Its keys are the yaml tags of the fields. A Secret may also be
// given under its key plus "_file", with the path of a file that contains it.
type Config struct {
	File        string                    `yaml:"-"` // where it was read from
	places      map[string]rules.Position `yaml:"-"` // of keys and of items of lists, by their dotted paths
	secretFiles map[string]string         `yaml:"-"` // files of secrets, relative to the working directory, by the secrets' paths

	Chert   ChertConfig   `yaml:"chert"`
	Sources SourcesConfig `yaml:"sources"`
	Rules   RulesConfig   `yaml:"rules"`
	// Notify are the targets of chert.notify, by name.
	Notify  map[string]TargetConfig `yaml:"notify"`
	Store   StoreConfig             `yaml:"store"`
	Control ControlConfig           `yaml:"control"`
	Log     LogConfig               `yaml:"log"`
	Tracing TracingConfig           `yaml:"tracing"`
}

// ChertConfig is the account at Chert and the limits on calls to it.
type ChertConfig struct {
	BaseURL       string        `yaml:"base_url"`
	Tenant        string        `yaml:"tenant"`
	Auth          string        `yaml:"auth"` // chert.AuthHMAC or chert.AuthBearer
	SigningSecret Secret        `yaml:"signing_secret"`
	Timeout       time.Duration `yaml:"timeout"`
	Concurrency   int           `yaml:"concurrency"` // calls in flight
	Rate          RateConfig    `yaml:"rate"`
}

// RateConfig limits the rate of calls.
type RateConfig struct {
	Limit    float64 `yaml:"limit"` // calls per second
	Burst    int     `yaml:"burst"`
	Adaptive bool    `yaml:"adaptive"` // find the server's own limit below it
}

// SourcesConfig lists the sources of events.
type SourcesConfig struct {
	Webhook WebhookConfig `yaml:"webhook"`
	Stream  StreamConfig  `yaml:"stream"`
	Catchup CatchupConfig `yaml:"catchup"`
}

// WebhookConfig is the address to which Chert delivers events, and its limits.
type WebhookConfig struct {
	Listen    string        `yaml:"listen"` // host:port; "": off
	Path      string        `yaml:"path"`
	Secrets   []Secret      `yaml:"secrets"`   // of the subscription, several while rotating
	Tolerance time.Duration `yaml:"tolerance"` // how far a signature's time may be off
	MaxBody   Size          `yaml:"max_body"`
	MaxHeader Size          `yaml:"max_header"` // of a request, all its headers together

	// SecretsFile is the file of secrets_file, relative to the working directory; "": none.
	SecretsFile string `yaml:"-"`
}

// StreamConfig is the events stream.
type StreamConfig struct {
	Enabled bool `yaml:"enabled"`
}

// CatchupConfig configures reading the events log.
type CatchupConfig struct {
	Enabled  bool          `yaml:"enabled"`
	Every    time.Duration `yaml:"every"`
	Lookback time.Duration `yaml:"lookback"` // for a store that has no cursor yet
	Wait     time.Duration `yaml:"wait"`     // how long due calls wait for the first pass
}

// RulesConfig is the rules directory and how it is reloaded.
type RulesConfig struct {
	Dir      Path                  `yaml:"dir"`
	Watch    bool                  `yaml:"watch"`
	Timezone string                `yaml:"timezone"` // IANA name
	Country  string                `yaml:"country"`  // of phone numbers without +, two letters of ISO 3166; "": none
	Gate     GateConfig            `yaml:"gate"`
	Packs    map[string]PackConfig `yaml:"packs"`
	Lists    map[string]ListConfig `yaml:"lists"`
}

// ListConfig is a list that rules look members up in.
type ListConfig struct {
	Writable bool `yaml:"writable"` // commands may change it
}

// GateConfig is the gate that an edit must pass to go live. Each field is enforce, warn
// or off.
type GateConfig struct {
	Specs  string `yaml:"specs"`  // the pack's specs, as chertd test runs them
	Checks string `yaml:"checks"` // the errors that chertd check finds
}

// PackConfig is the operator's configuration of one pack.
type PackConfig struct {
	Mode   string         `yaml:"mode"`  // a rules.Mode; "": that of pack.yaml
	Grant  []string       `yaml:"grant"` // capabilities granted: typing, react, send, notify
	Config map[string]any `yaml:"config"`
	Limits LimitsConfig   `yaml:"limits"`
}

// LimitsConfig limits one pack. A limit that is not given is that of pack.yaml.
type LimitsConfig struct {
	Steps  int64      `yaml:"steps"`  // VM steps of one handler
	Memory Size       `yaml:"memory"` // of a handler and what the pack keeps between events
	KV     Size       `yaml:"kv"`     // keys and values in kv
	Reads  rules.Rate `yaml:"reads"`  // calls that mark a chat as read
}

// TargetConfig is a target of chert.notify.
type TargetConfig struct {
	URL    Secret `yaml:"url"`    // incoming webhooks of chat tools have their key in it
	Secret Secret `yaml:"secret"` // signs notifications; "": they are not signed
}

// StoreConfig is the store's place and retention.
type StoreConfig struct {
	URL       string        `yaml:"url"` // sqlite:PATH
	Retention time.Duration `yaml:"retention"`
	Raw       time.Duration `yaml:"raw"` // how long message texts stay; at most Retention

	Path string `yaml:"-"` // of the URL, relative to the working directory
}

// ControlConfig is the control API, on the socket and over TCP.
type ControlConfig struct {
	Socket Path   `yaml:"socket"`
	Listen string `yaml:"listen"` // host:port; "": off
	Token  Secret `yaml:"token"`
	// InsecureToken allows a token over plain TCP off loopback.
	InsecureToken bool      `yaml:"insecure_token"`
	Hosts         []string  `yaml:"hosts"` // further names by which the daemon may be asked
	TLS           TLSConfig `yaml:"tls"`
}

// TLSConfig is a certificate and its key, PEM files.
type TLSConfig struct {
	Cert Path `yaml:"cert"`
	Key  Path `yaml:"key"`
}

// LogConfig is the log's level and format.
type LogConfig struct {
	Level  string `yaml:"level"`        // debug, info, warn or error
	Format string `yaml:"format"`       // text or json
	Text   bool   `yaml:"message_text"` // may messages' texts be logged
}

// TracingConfig is where traces of events go, and of which events there are some.
type TracingConfig struct {
	URL     string        `yaml:"url"`    // of the collector, OTLP over HTTP; "": there are none
	Sample  float64       `yaml:"sample"` // share of the events
	Timeout time.Duration `yaml:"timeout"`
	Token   Secret        `yaml:"token"`  // "": none is sent
	Header  string        `yaml:"header"` // what stands before Token: NAME: or NAME: SCHEME
}

// at returns the position of a key, or of the nearest key above it.
func (c *Config) at(path string) rules.Position {
	for ; path != ""; path = path[:max(0, strings.LastIndexByte(path, '.'))] {
		if at, ok := c.places[path]; ok {
			return at
		}
	}
	return rules.Position{File: c.File}
}

// Path is the path of a file. A relative path in the configuration is relative to the
// configuration's file.
type Path string

// Size is a number of bytes.
type Size int64

// defaultConfig returns the configuration of an empty file.
func defaultConfig() Config {
	return Config{
		Chert: ChertConfig{
			BaseURL: "https://console.trychert.com/api/v1", Auth: chert.AuthHMAC,
			Timeout: chert.DefaultTimeout, Concurrency: dispatch.DefaultConcurrency,
			Rate: RateConfig{Limit: dispatch.DefaultRate, Burst: dispatch.DefaultBurst, Adaptive: true},
		},
		Sources: SourcesConfig{
			Webhook: WebhookConfig{
				Listen: "127.0.0.1:8787", Path: "/webhooks/chert",
				Tolerance: 5 * time.Minute, MaxBody: 1 << 20, MaxHeader: 64 << 10,
			},
			Catchup: CatchupConfig{Enabled: true, Every: time.Minute, Wait: 5 * time.Minute},
		},
		Rules:   RulesConfig{Dir: "./rules", Watch: true, Timezone: "UTC", Gate: GateConfig{Specs: gateEnforce, Checks: gateEnforce}},
		Store:   StoreConfig{URL: "sqlite:./data/chertd.db", Retention: 30 * day, Raw: 7 * day},
		Control: ControlConfig{Socket: "./data/chertd.sock"},
		Log:     LogConfig{Level: "info", Format: "text"},
		Tracing: TracingConfig{Sample: 0.1, Timeout: 10 * time.Second, Header: "Authorization: Bearer"},
	}
}

const day = 24 * time.Hour

// resolve makes paths relative to the working directory instead of the configuration's
// file.
func (c *Config) resolve() {
	dir := filepath.Dir(c.File)
	for _, p := range []*Path{&c.Rules.Dir, &c.Control.Socket, &c.Control.TLS.Cert, &c.Control.TLS.Key} {
		*p = Path(relativeTo(dir, string(*p)))
	}
	c.Store.Path = relativeTo(dir, sqlitePath(c.Store.URL))
}

func relativeTo(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// location returns the default time zone of rules, which validate has checked.
func (c *Config) location() *time.Location {
	zone, err := time.LoadLocation(c.Rules.Timezone)
	if err != nil {
		return time.UTC
	}
	return zone
}
