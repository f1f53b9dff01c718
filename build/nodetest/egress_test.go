//go:build node

package nodetest

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"fairlead/build/clustertest"
)

// nameServer is the environment variable that makes the test program serve DNS: it knows farName alone.
const nameServer = "NODETEST_DNS"

// clusterDNS is the address of the cluster's DNS.
const clusterDNS = "10.96.0.10"

// farDNS serves the cluster's DNS, by which Pods find the far host, until the test ends.
func farDNS(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	addAddress(t, c, clusterDNS)
	startSelf(t, c, nameServer+"="+clusterDNS)
}

// serveNames answers questions for names at an address.
func serveNames(address string) error {
	conn, err := net.ListenPacket("udp", net.JoinHostPort(address, "53"))
	if err != nil {
		return err
	}
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		var message dnsmessage.Message
		if err := message.Unpack(buffer[:n]); err != nil || len(message.Questions) != 1 {
			continue
		}
		q := message.Questions[0]
		message.Response, message.Additionals = true, nil
		switch {
		case q.Name.String() != farName+".":
			message.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			message.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(farAddress).As4()},
			}}
		}
		answer, err := message.Pack()
		if err == nil {
			_, err = conn.WriteTo(answer, from)
		}
		if err != nil {
			return err
		}
	}
}

// A forward proxy that the command deploys leads to a host that only Pods reach, by a name that only the cluster's DNS
// knows, and is removed with nothing left. The namespace enforces the Pod Security level restricted.
func TestAnEgressIsDeployedAndRemoved(t *testing.T) {
	archive := imageOf(t, "docker.io/vimagick/tinyproxy:latest", "/usr/bin/tinyproxy", "/usr/share/tinyproxy/default.html")
	onEachCluster(t, func(t *testing.T, c *clustertest.Cluster) {
		farHost(t, c)
		farDNS(t, c)
		importImage(t, c, archive)
		apply(t, c, "{apiVersion: v1, kind: Namespace, metadata: {name: by-tinyproxy, labels: {pod-security.kubernetes.io/enforce: restricted}}}")
		p := serveWith(t, c, carriers[0], "")
		const far = "http://" + farName + ":8080/conf"
		if got := page(t, "socks5h://"+p.address, far); got == farPage {
			t.Fatal("the far host is reached without a proxy in the cluster")
		}
		said, err := p.run("egress", "deploy", "demo", "-n", "by-tinyproxy", "--yes")
		if err != nil || !strings.Contains(said, "hosts outside go through by-tinyproxy/fairlead-egress") {
			logs, _ := c.Kubectl(t.Context(), "logs", "-n", "by-tinyproxy", "deployment/fairlead-egress")
			t.Fatalf("%v: %s\n%s", err, said, logs)
		}
		for _, scheme := range []string{"http", "socks5h"} {
			for _, host := range []string{farName, farAddress} {
				if got := page(t, scheme+"://"+p.address, "http://"+host+":8080/conf"); got != farPage {
					t.Errorf("%s by %s: %s", host, scheme, got)
				}
			}
		}
		if got := page(t, "http://"+p.address, "http://multi:9000/"); !strings.Contains(got, ":9100") {
			t.Errorf("a Service: %s", got)
		}
		if status, err := p.run("egress", "status", "demo"); err != nil || !strings.Contains(status, "value: http://fairlead-egress.by-tinyproxy.svc:8888\n") || !strings.Contains(status, "ready, context demo") {
			t.Errorf("status: %v\n%s", err, status)
		}
		if said, err := p.run("egress", "remove", "demo"); err != nil || !strings.Contains(said, "egress removed") {
			t.Fatalf("%v: %s", err, said)
		}
		if left := kubectl(t, c, "get", "services,deployments,replicasets,pods,endpointslices", "-n", "by-tinyproxy", "-o", "name"); left != "" {
			t.Errorf("left:\n%s", left)
		}
		if got := page(t, "socks5h://"+p.address, far); got == farPage {
			t.Error("the far host is still reached")
		}
	})
}
