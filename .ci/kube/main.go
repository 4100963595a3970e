// Kube checks Kubernetes manifests without a cluster: each document is decoded strictly as its type of
// k8s.io/api, so that an unknown or repeated field is an error, names that refer to each other must match, and pods must pass the
// "restricted" level of Pod Security.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// kinds has the types of the documents that a manifest may have.
var kinds = map[string]func() any{
	"v1 ConfigMap":                       func() any { return new(corev1.ConfigMap) },
	"v1 Secret":                          func() any { return new(corev1.Secret) },
	"v1 Service":                         func() any { return new(corev1.Service) },
	"apps/v1 StatefulSet":                func() any { return new(appsv1.StatefulSet) },
	"apps/v1 Deployment":                 func() any { return new(appsv1.Deployment) },
	"networking.k8s.io/v1 Ingress":       func() any { return new(networkingv1.Ingress) },
	"networking.k8s.io/v1 NetworkPolicy": func() any { return new(networkingv1.NetworkPolicy) },
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: kube FILE ...")
		os.Exit(2)
	}
	failed := false
	for _, file := range os.Args[1:] {
		n, err := check(file)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
			failed = true
			continue
		}
		fmt.Printf("%s: %d documents, all valid; pods pass Pod Security \"restricted\"\n", file, n)
	}
	if failed {
		os.Exit(1)
	}
}

// check checks the documents of a file and returns their number.
func check(file string) (n int, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	docs := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
	defer docs.Close()
	var errs []error
	var all []any
	buf := make([]byte, len(text)+1)
	for {
		size, err := docs.Read(buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, err
		}
		n++
		v, err := decode(buf[:size])
		if err != nil {
			errs = append(errs, fmt.Errorf("document %d: %w", n, err))
			continue
		}
		all = append(all, v)
	}
	if len(errs) == 0 {
		errs = related(all) // what is not decoded would be missing
	}
	if n == 0 {
		errs = append(errs, errors.New("it has no documents"))
	}
	return n, errors.Join(errs...)
}

// decode decodes a document strictly, and checks the pods of a workload.
func decode(doc []byte) (any, error) {
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal(doc, &meta); err != nil {
		return nil, err
	}
	made, ok := kinds[meta.APIVersion+" "+meta.Kind]
	if !ok {
		return nil, fmt.Errorf("%s %s is not known here", meta.APIVersion, meta.Kind)
	}
	v := made()
	if err := yaml.UnmarshalStrict(doc, v); err != nil {
		return nil, fmt.Errorf("%s: %w", meta.Kind, err)
	}
	var pod *corev1.PodTemplateSpec
	switch v := v.(type) {
	case *appsv1.StatefulSet:
		pod = &v.Spec.Template
	case *appsv1.Deployment:
		pod = &v.Spec.Template
	}
	if pod == nil {
		return v, nil
	}
	all, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(all.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
	if !result.Allowed {
		return nil, fmt.Errorf("%s: Pod Security %q forbids it: %s", meta.Kind, restricted.Level, result.ForbiddenDetail())
	}
	return v, nil
}

// related returns what refers to something that is not there. A Secret may be made by hand.
func related(all []any) (errs []error) {
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	maps, services, labels := map[string]bool{}, map[string]*corev1.Service{}, []map[string]string{}
	ports := map[string]bool{}
	for _, v := range all {
		switch v := v.(type) {
		case *corev1.ConfigMap:
			maps[v.Name] = true
		case *corev1.Service:
			services[v.Name] = v
		case *appsv1.StatefulSet:
			labels = append(labels, v.Spec.Template.Labels)
			for _, c := range v.Spec.Template.Spec.Containers {
				for _, p := range c.Ports {
					ports[p.Name] = true
				}
			}
		}
	}
	for _, v := range all {
		switch v := v.(type) {
		case *corev1.Service:
			found := false
			for _, have := range labels {
				found = found || includes(have, v.Spec.Selector)
			}
			if !found {
				wrong("Service %s selects no pod", v.Name)
			}
			for _, p := range v.Spec.Ports {
				if name := p.TargetPort.StrVal; name != "" && !ports[name] {
					wrong("Service %s: no container has a port %q", v.Name, name)
				}
			}
		case *networkingv1.Ingress:
			for _, r := range v.Spec.Rules {
				for _, p := range r.HTTP.Paths {
					if s := services[p.Backend.Service.Name]; s == nil || !has(s, p.Backend.Service.Port.Name) {
						wrong("Ingress %s: there is no port %s of a Service %s", v.Name, p.Backend.Service.Port.Name, p.Backend.Service.Name)
					}
				}
			}
		case *appsv1.StatefulSet:
			errs = append(errs, pod(v, maps, services)...)
		}
	}
	return errs
}

// pod returns what is wrong among the names within a StatefulSet.
func pod(v *appsv1.StatefulSet, maps map[string]bool, services map[string]*corev1.Service) (errs []error) {
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("StatefulSet "+v.Name+": "+format, args...))
	}
	if !includes(v.Spec.Template.Labels, v.Spec.Selector.MatchLabels) {
		wrong("its selector does not match its pods")
	}
	if services[v.Spec.ServiceName] == nil {
		wrong("there is no Service %q", v.Spec.ServiceName)
	}
	volumes := map[string]bool{}
	for _, vol := range v.Spec.Template.Spec.Volumes {
		volumes[vol.Name] = true
		if c := vol.ConfigMap; c != nil && !maps[c.Name] {
			wrong("there is no ConfigMap %q", c.Name)
		}
	}
	for _, c := range v.Spec.VolumeClaimTemplates {
		volumes[c.Name] = true
	}
	for _, c := range v.Spec.Template.Spec.Containers {
		ports := map[string]bool{}
		for _, p := range c.Ports {
			ports[p.Name] = true
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				wrong("there is no volume %q", m.Name)
			}
		}
		for kind, p := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
			if p == nil || p.HTTPGet == nil {
				wrong("it has no %s probe", kind)
			} else if name := p.HTTPGet.Port.StrVal; !ports[name] || !strings.HasPrefix(p.HTTPGet.Path, "/-/") {
				wrong("the %s probe asks port %q for %s", kind, name, p.HTTPGet.Path)
			}
		}
	}
	return errs
}

// includes reports whether labels have all that a selector wants.
func includes(labels, selector map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return len(selector) > 0
}

// has reports whether a Service has a port of a name.
func has(s *corev1.Service, port string) bool {
	for _, p := range s.Spec.Ports {
		if p.Name == port {
			return true
		}
	}
	return false
}
