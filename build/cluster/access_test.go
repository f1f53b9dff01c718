package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func appPod(t *testing.T) string {
	t.Helper()
	pods, err := shared.client(t).CoreV1().Pods("team").List(t.Context(), metav1.ListOptions{LabelSelector: "app=app"})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("%v, %d pods", err, len(pods.Items))
	}
	return pods.Items[0].Name
}

func TestUsersMayForwardInTheirNamespaceAsTheirRoleSays(t *testing.T) {
	alice := shared.restConfig(t, shared.Kubeconfig, "demo-team")
	bob := shared.restConfig(t, shared.KubeconfigToken, "demo-token")
	carol := shared.restConfig(t, shared.KubeconfigToken, "demo-reader")
	pod := appPod(t)
	for _, test := range []struct {
		user           string
		config         *rest.Config
		protocol       string
		namespace, pod string
		allowed        bool
	}{
		{"alice", alice, "websocket", "team", pod, true},
		{"alice", alice, "spdy", "team", pod, true},
		{"alice", alice, "spdy", "default", "db-0", false},
		{"alice", alice, "websocket", "default", "db-0", false},
		{"bob", bob, "websocket", "team", pod, false},
		{"bob", bob, "spdy", "team", pod, true},
		{"carol", carol, "websocket", "team", pod, false},
		{"carol", carol, "spdy", "team", pod, false},
	} {
		_, err := dial(t, test.config, test.protocol, test.namespace, test.pod)
		if test.allowed && err != nil || !test.allowed && (err == nil || !strings.Contains(err.Error(), "forbidden")) {
			t.Errorf("%s, %s, %s/%s: %v", test.user, test.protocol, test.namespace, test.pod, err)
		}
	}
}

func TestUsersMayLookInTheirNamespaceOnly(t *testing.T) {
	for kubeconfig, contextName := range map[string]string{shared.Kubeconfig: "demo-team", shared.KubeconfigToken: "demo-reader"} {
		client, err := kubernetes.NewForConfig(shared.restConfig(t, kubeconfig, contextName))
		if err != nil {
			t.Fatal(err)
		}
		options := metav1.ListOptions{}
		if _, err := client.CoreV1().Services("team").List(t.Context(), options); err != nil {
			t.Errorf("%s: services: %v", contextName, err)
		}
		if _, err := client.DiscoveryV1().EndpointSlices("team").List(t.Context(), options); err != nil {
			t.Errorf("%s: endpoint slices: %v", contextName, err)
		}
		if _, err := client.CoreV1().Pods("default").List(t.Context(), options); !apierrors.IsForbidden(err) {
			t.Errorf("%s: pods of another namespace: %v", contextName, err)
		}
		if _, err := client.CoreV1().Secrets("team").List(t.Context(), options); !apierrors.IsForbidden(err) {
			t.Errorf("%s: secrets: %v", contextName, err)
		}
	}
}

func TestNodeServesTheAPIServerAlone(t *testing.T) {
	node, err := shared.client(t).CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", fmt.Sprint(node.Status.DaemonEndpoints.KubeletEndpoint.Port))
	authority, err := os.ReadFile(filepath.Join(shared.State, "pki", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	for name, accepted := range map[string]bool{"": false, "admin": false, "alice": false, "apiserver-kubelet": true} {
		config := &tls.Config{RootCAs: pool}
		if name != "" {
			path := filepath.Join(shared.State, "pki", name)
			pair, err := tls.LoadX509KeyPair(path+".crt", path+".key")
			if err != nil {
				t.Fatal(err)
			}
			config.Certificates = []tls.Certificate{pair}
		}
		// A TLS 1.3 client learns of a refusal with its first read.
		answer, err := ask(address, config)
		if accepted != (err == nil && strings.Contains(answer, "runs at")) {
			t.Errorf("certificate %q: %q, %v", name, answer, err)
		}
	}
}

func ask(address string, config *tls.Config) (string, error) {
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET /containerLogs/default/db-0/echo HTTP/1.0\r\n\r\n"); err != nil {
		return "", err
	}
	answer := make([]byte, 4096)
	n, err := conn.Read(answer)
	return string(answer[:n]), err
}

func TestStateIsPrivate(t *testing.T) {
	err := filepath.Walk(shared.State, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if path == shared.State && info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		if strings.HasPrefix(filepath.Base(path), "kubeconfig") || path == shared.Control || strings.HasPrefix(path, filepath.Join(shared.State, "pki")) {
			if info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %v", path, info.Mode())
			}
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
}
