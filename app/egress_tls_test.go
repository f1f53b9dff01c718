package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fairlead/build/proxytest"
)

// ownImage has the flags that deploy Fairlead itself with certificates of its own. The image is of a program that the
// streaming node has; build/nodetest has Fairlead's.
func ownImage(namespace string, more ...string) []string {
	return append([]string{"deploy", "demo", "-n", namespace, "--yes", "--kind", "fairlead", "--image", ready}, more...)
}

// certificateFiles returns the files with which r uses its egress.
func (r *running) certificateFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.state, "fairlead", "egress", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The certificates of an egress are made once, its Secret is Fairlead's, and both go with it.
func TestAnEgressWithCertificatesIsItsOwnFairleadsAlone(t *testing.T) {
	namespace := egressNamespace(t, "egress-mtls", "")
	first, second := &running{state: t.TempDir()}, &running{state: t.TempDir()}
	got := first.egress(t, ownImage(namespace, "--mtls")...)
	if got.status != 0 || !strings.Contains(got.stderr, "Secret fairlead-egress") {
		t.Fatalf("deploy: %+v", got)
	}
	secret := func(path string) string {
		return kubectl(t, "get", "secret", "fairlead-egress", "-n", namespace, "-o", "jsonpath={"+path+"}")
	}
	if got := secret(`.type} {.metadata.labels.app\.kubernetes\.io/managed-by`); got != "kubernetes.io/tls fairlead" {
		t.Errorf("the Secret is %s", got)
	}
	files := first.certificateFiles(t)
	if len(files) != 3 {
		t.Fatalf("files %v", files)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		inside := strings.Contains(secret(".data"), base64.StdEncoding.EncodeToString(content))
		if isAuthority := filepath.Base(file) == "ca.crt"; inside != isAuthority {
			t.Errorf("%s is in the Secret: %t", filepath.Base(file), inside)
		}
	}
	s := first.egressStatus(t)
	if !s.Ready || !s.Own || !s.Route || s.Kind != "fairlead" || s.TLSSecret != "fairlead-egress" || s.Env != nil {
		t.Errorf("status: %+v", s)
	}
	before := objects(t, namespace)
	first.mustEgress(t, ownImage(namespace, "--mtls")...)
	first.mustEgress(t, "deploy", "demo") // what was deployed before
	if s := first.egressStatus(t); !s.Ready || !s.Route || len(first.certificateFiles(t)) != len(files) {
		t.Errorf("status: %+v", s)
	}
	if after := objects(t, namespace); after != before {
		t.Errorf("deployed again, there is\n%safter\n%s", after, before)
	}
	for _, row := range []struct {
		r     *running
		flags []string
		want  string
	}{
		{second, ownImage(namespace, "--mtls"), "Secret egress-mtls/fairlead-egress was made by another Fairlead or from a manifest"},
		{second, ownImage(namespace), "is there already, as fairlead with the certificates of Secret fairlead-egress instead of fairlead."},
		{first, []string{"deploy", "demo", "-n", namespace, "--yes", "--kind", "tinyproxy", "--image", ready}, "instead of tinyproxy."},
		{first, ownImage(namespace), "instead of fairlead."},
	} {
		if got := row.r.egress(t, row.flags...); got.status != 1 || !strings.Contains(got.stderr, row.want) {
			t.Errorf("%v: %+v, want %s", row.flags, got, row.want)
		}
	}
	if files := second.certificateFiles(t); len(files) > 0 {
		t.Errorf("a refused deployment leaves %v", files)
	}
	if after := objects(t, namespace); after != before {
		t.Errorf("refused, there is\n%safter\n%s", after, before)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if got := first.egress(t, ownImage(namespace, "--mtls")...); got.status != 1 || !strings.Contains(got.stderr, "not on this machine any more") {
		t.Errorf("without a file: %+v", got)
	}
	first.mustEgress(t, "remove", "demo")
	if left := objects(t, namespace); left != "" {
		t.Errorf("left:\n%s", left)
	}
	if files := first.certificateFiles(t); len(files) > 0 {
		t.Errorf("left: %v", files)
	}
}

// The certificates of a Secret that exists are used, and stay.
func TestAnEgressUsesTheSecretThatIsNamed(t *testing.T) {
	certificates := proxytest.NewCertificates(t, "fairlead-egress.egress-secret.svc")
	namespace := egressNamespace(t, "egress-secret", "")
	kubectl(t, "create", "secret", "generic", "proxy", "-n", namespace, "--from-file=tls.crt="+certificates.File("server.crt"),
		"--from-file=tls.key="+certificates.File("server.key"), "--from-file=ca.crt="+certificates.File("ca.crt"))
	before := objects(t, namespace)
	r := &running{state: t.TempDir()}
	deploy := ownImage(namespace, "--tls-secret", "proxy", "--cert", certificates.File("client.crt"), "--ca", certificates.File("ca.crt"), "--key")
	if got := r.egress(t, append(deploy, certificates.File("server.key"))...); got.status != 2 || !strings.Contains(got.stderr, "--key: ") {
		t.Errorf("with a key that does not fit: %+v", got)
	}
	r.mustEgress(t, append(deploy, certificates.File("client.key"))...)
	mounted := kubectl(t, "get", "deployment", "fairlead-egress", "-n", namespace, "-o", "jsonpath={.spec.template.spec.volumes[*].secret.secretName} {.spec.template.spec.containers[0].args}")
	if !strings.HasPrefix(mounted, "proxy [") || !strings.Contains(mounted, `"--client-ca","/etc/fairlead/tls/ca.crt"`) || strings.Contains(mounted, "--allow-from") {
		t.Errorf("the Pod has %s", mounted)
	}
	if s := r.egressStatus(t); !s.Ready || !s.Own || s.TLSSecret != "proxy" {
		t.Errorf("status: %+v", s)
	}
	r.mustEgress(t, "remove", "demo")
	if left := objects(t, namespace); left != before {
		t.Errorf("there is\n%safter\n%s", left, before)
	}
	if _, err := os.Stat(certificates.File("client.key")); err != nil {
		t.Errorf("the user's own file: %v", err)
	}
}

// Without certificates, Fairlead lets in the networks that clusters use, and Pods are told how to use it.
func TestAnEgressOfFairleadNeedsNoCertificates(t *testing.T) {
	namespace := egressNamespace(t, "egress-fairlead", "")
	r := &running{state: t.TempDir()}
	r.mustEgress(t, ownImage(namespace)...)
	args := kubectl(t, "get", "deployment", "fairlead-egress", "-n", namespace, "-o", "jsonpath={.spec.template.spec.containers[0].args}")
	if !strings.Contains(args, `"--allow-from","127.0.0.0/8,::1/128,10.0.0.0/8`) || strings.Contains(args, "--tls") {
		t.Errorf("args %s", args)
	}
	status := r.egressStatus(t)
	if !status.Ready || status.Kind != "fairlead" || status.TLSSecret != "" || status.Env == nil {
		t.Errorf("status: %+v", status)
	}
	// A deployment that is refused leaves the one before in use.
	if got := r.egress(t, ownImage(namespace, "--mtls")...); got.status != 1 || !strings.Contains(got.stderr, "is there already, as fairlead instead of fairlead with the certificates of Secret fairlead-egress.") {
		t.Errorf("with certificates: %+v", got)
	}
	if files := r.certificateFiles(t); len(files) > 0 {
		t.Errorf("a refused deployment leaves %v", files)
	}
	if s := r.egressStatus(t); !reflect.DeepEqual(s, status) {
		t.Errorf("status: %+v, want %+v", s, status)
	}
	kubectl(t, "delete", "deployment", "fairlead-egress", "-n", namespace)
	r.mustEgress(t, "deploy", "demo", "--yes") // with the same image, and as the same kind
	if s := r.egressStatus(t); !reflect.DeepEqual(s, status) {
		t.Errorf("deployed again: %+v, want %+v", s, status)
	}
	r.mustEgress(t, "remove", "demo")
	if left := objects(t, namespace); left != "" {
		t.Errorf("left:\n%s", left)
	}
}

// The right to make Secrets is needed for certificates alone, and a manifest has no key.
func TestCertificatesNeedTheRightToMakeSecrets(t *testing.T) {
	r := &running{state: t.TempDir()}
	deploy := []string{"deploy", "demo-team", "-n", "team", "--yes", "--kind", "fairlead", "--image", ready}
	if got := r.egress(t, deploy...); got.status != 1 || strings.Contains(got.stderr, "Secrets") {
		t.Errorf("%+v", got)
	}
	got := r.egress(t, append(deploy, "--mtls")...)
	if got.status != 1 || !strings.Contains(got.stderr, "Secrets") || strings.Contains(got.stdout, "kind: Secret") || !strings.Contains(got.stdout, "secretName: fairlead-egress") {
		t.Errorf("with --mtls: %+v", got)
	}
	if files := r.certificateFiles(t); len(files) > 0 {
		t.Errorf("a refused deployment leaves %v", files)
	}
}
