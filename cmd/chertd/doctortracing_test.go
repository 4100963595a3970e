package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// The collector of traces is connected to, and nothing is sent to it. One that is away is a warning:
// chertd works without it.
func TestDoctorConnectsToTheCollector(t *testing.T) {
	t.Parallel()
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("doctor makes a request: %s", r.Method) }))
	t.Cleanup(collector.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, test := range map[string]struct {
		tracing    string
		flags      []string
		status     string
		found, fix string
	}{
		"off":              {"", nil, statusOK, "off", ""},
		"one that listens": {"tracing: {url: '" + collector.URL + "/v1/traces', token: open-sesame}", nil, statusOK, "connected to 127.0.0.1:", ""},
		"offline":          {"tracing: {url: '" + collector.URL + "/v1/traces'}", []string{"--offline"}, statusSkipped, "--offline", ""},
		"nobody":           {"tracing: {url: 'http://" + closed.Addr().String() + "/v1/traces'}", nil, statusWarning, "can't connect to 127.0.0.1:", "check tracing.url; if it is right"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDoctorRig(t)
			s.create(hookURL)
			s.configure("rules: {dir: ./rules}", "rules: {dir: ./rules}\n"+test.tracing)
			s.doctor(0, test.flags...).expect(t, "traces", test.status, test.found, test.fix)
		})
	}
}
