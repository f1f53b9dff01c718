//go:build node

package nodetest

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/build/clustertest"
)

// gatewayImage is the image that "task image" makes, as the node knows it.
const gatewayImage = "lab.local/fairlead-gateway:1"

// importImage hands the archive of an image to the node.
func importImage(t *testing.T, c *clustertest.Cluster, archive string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	socket := filepath.Join(c.State, "node", "containerd.sock") // in a file system that exists inside only
	command, err := c.Inside(ctx, "ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", archive)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("import %s: %v\n%s", archive, err, out)
	}
}

// Fairlead's own image is deployed where Pods must be restricted, with certificates that it makes, and leads its context
// to a host that only Pods reach. No other client gets through it, and nothing is left when it is removed.
func TestFairleadDeploysItselfAsTheWayOut(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "fairlead.oci.tar")
	if out, err := exec.CommandContext(t.Context(), "go", "run", "fairlead/build/image", "-ref", gatewayImage, "-o", archive).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		importImage(t, c, archive)
		farHost(t, c)
		apply(t, c, `{apiVersion: v1, kind: Namespace, metadata: {name: own-image, labels: {pod-security.kubernetes.io/enforce: restricted}}}`)
		const far = "http://" + farAddress + ":8080/conf"
		for _, carrier := range carriers {
			t.Run(carrier, func(t *testing.T) {
				p := serveWith(t, c, carrier, "  outside: refuse\n")
				if got := page(t, "http://"+p.address, far); got == farPage {
					t.Fatal("the far host is reached without an egress")
				}
				said, err := p.run("egress", "deploy", "demo", "--yes", "-n", "own-image", "--kind", "fairlead", "--image", gatewayImage, "--mtls")
				if err != nil {
					t.Fatalf("%v\n%s\n%s", err, said, kubectl(t, c, "describe", "-n", "own-image", "pods"))
				}
				for _, scheme := range []string{"http", "socks5h"} {
					if got := page(t, scheme+"://"+p.address, far); got != farPage {
						t.Errorf("by %s: %s", scheme, got)
					}
				}
				files := ownCertificates(t, p)
				askGateway(t, c, files, far)
				if said, err := p.run("egress", "remove", "demo"); err != nil {
					t.Fatalf("%v\n%s", err, said)
				}
				if left := kubectl(t, c, "get", "deployments,replicasets,pods,services,secrets", "-n", "own-image", "-o", "name"); left != "" {
					t.Errorf("left in the cluster: %s", left)
				}
				if _, err := os.Stat(files); !os.IsNotExist(err) {
					t.Errorf("the certificates are left: %v", err)
				}
				if got := page(t, "http://"+p.address, far); got == farPage {
					t.Error("the far host is reached after the egress was removed")
				}
			})
		}
	})
}

// ownCertificates returns the folder of the client's certificate, and fails if other users can read what is in it.
func ownCertificates(t *testing.T, p *product) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(p.state, "egress", "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("folders of certificates: %v, %v", found, err)
	}
	want := map[string]fs.FileMode{".": 0o700, "ca.crt": 0o600, "client.crt": 0o600, "client.key": 0o600}
	err = filepath.WalkDir(found[0], func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(found[0], path)
		if mode, ok := want[name]; !ok || info.Mode().Perm() != mode {
			t.Errorf("%s: %s", path, info.Mode())
		}
		delete(want, name)
		return err
	})
	if err != nil || len(want) > 0 {
		t.Errorf("%v, and %v are missing", err, want)
	}
	return found[0]
}

// askGateway asks the gateway from within the Pods' network, with its client's certificate and without.
func askGateway(t *testing.T, c *clustertest.Cluster, files, url string) {
	t.Helper()
	at := kubectl(t, c, "get", "pods", "-n", "own-image", "-o", "jsonpath={.items[0].status.podIP}")
	const name = "fairlead-egress.own-image.svc:8888"
	tls := []string{"--proxy", "https://" + name, "--resolve", name + ":" + at, "--proxy-cacert", filepath.Join(files, "ca.crt")}
	for _, try := range []struct {
		what    string
		args    []string
		through bool
	}{
		{"with the certificate", append(tls, "--proxy-cert", filepath.Join(files, "client.crt"), "--proxy-key", filepath.Join(files, "client.key")), true},
		{"without a certificate", tls, false},
		{"without TLS", []string{"--proxy", "http://" + at + ":8888"}, false},
		{"by SOCKS without TLS", []string{"--proxy", "socks5h://" + at + ":8888"}, false},
	} {
		got, err := inside(t, c, append([]string{"curl", "-sS", "--noproxy", "", "-m", "20", url}, try.args...)...).CombinedOutput()
		if through := err == nil && strings.TrimSpace(string(got)) == farPage; through != try.through {
			t.Errorf("%s: %v, %s", try.what, err, got)
		}
	}
}
