package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The example is valid, and each of these changes makes it invalid.
func TestMistakesAreFound(t *testing.T) {
	text, err := os.ReadFile("../../docs/install/kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ old, new, want string }{
		{"replicas: 1", "replicas: 1", ""},
		{"replicas: 1", "replica: 1", `unknown field "replica"`},
		{"replicas: 1", "replicas: one", "cannot unmarshal string"},
		{"runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot != true"},
		{"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "allowPrivilegeEscalation != false"},
		{"seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}", "seccompProfile"},
		{"drop: [ALL]", "drop: [NET_RAW]", "unrestricted capabilities"},
		{"configMap: {name: chertd-rules}", "configMap: {name: rules}", `no ConfigMap "rules"`},
		{"name: tmp, mountPath", "name: temp, mountPath", `no volume "temp"`},
		{"path: /-/ready, port: control", "path: /-/ready, port: http", `the readiness probe asks port "http"`},
		{"selector: {app.kubernetes.io/name: chertd}", "selector: {app: chertd}", "selects no pod"},
		{"port: {name: webhook}", "port: {name: http}", "there is no port http"},
		{"serviceName: chertd", "serviceName: headless", `no Service "headless"`},
	} {
		if !strings.Contains(string(text), test.old) {
			t.Fatalf("the example has no %q", test.old)
		}
		file := filepath.Join(t.TempDir(), "kubernetes.yaml")
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), test.old, test.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := check(file)
		if err != nil {
			got := err.Error()
			if test.want == "" || !strings.Contains(got, test.want) {
				t.Errorf("%s: %s", test.new, got)
			}
		} else if test.want != "" {
			t.Errorf("%s: no error", test.new)
		}
	}
}
