package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"fairlead/build/bench/row"
)

// kubectl sets up the cluster as a user would.
type kubectl struct {
	command    []string
	kubeconfig string
}

// run returns the output of kubectl.
func (k kubectl) run(ctx context.Context, stdin string, args ...string) (string, error) {
	args = append(append(k.command[1:len(k.command):len(k.command)], "--kubeconfig", k.kubeconfig), args...)
	cmd := exec.CommandContext(ctx, k.command[0], args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args[len(k.command)+1:], " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// server returns the API server's address.
func (k kubectl) server(ctx context.Context) (string, error) {
	text, err := k.run(ctx, "", "config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
	if err != nil {
		return "", err
	}
	server, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	return server.Host, nil
}

// kubeconfigFor writes a copy of the kubeconfig into dir with another address of its servers. Their certificates are
// still verified, with their original name.
func (k kubectl) kubeconfigFor(ctx context.Context, dir, address string) (string, error) {
	text, err := k.run(ctx, "", "config", "view", "--raw", "--flatten")
	if err != nil {
		return "", err
	}
	host, _, _ := strings.Cut(address, ":")
	copied := kubectl{k.command, filepath.Join(dir, "kubeconfig-"+host)}
	if err := os.WriteFile(copied.kubeconfig, []byte(text), 0o600); err != nil {
		return "", err
	}
	names, err := copied.run(ctx, "", "config", "view", "-o", "jsonpath={.clusters[*].name}")
	if err != nil {
		return "", err
	}
	for _, name := range strings.Fields(names) {
		if _, err := copied.run(ctx, "", "config", "set-cluster", name, "--server=https://"+address, "--tls-server-name=localhost"); err != nil {
			return "", err
		}
	}
	return copied.kubeconfig, nil
}

const (
	podName      = "bench"
	podNamespace = "default"
	podPort      = 8080
)

// doorPod returns the manifest of a Pod of the streaming node whose port connects to a port of this machine.
func doorPod(port int) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata:
  name: %[1]s
  namespace: %[2]s
  labels: {app: %[1]s}
  annotations: {fairlead.test/door: "127.0.0.1:%[3]d"}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: door
    image: demo.local/door:1
    ports: [{name: main, containerPort: %[4]d}]
`, podName, podNamespace, port, podPort)
}

// containerPod returns the manifest of a Pod of the real node with the far side's programs in a container. Their
// executable is a statically linked build of this program at a path of this machine; the image only has to exist.
func containerPod(executable string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata:
  name: %[1]s
  namespace: %[2]s
  labels: {app: %[1]s}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: programs
    image: demo.local/sink:1
    imagePullPolicy: Never
    command: [/bench, %[5]s, "%[4]d"]
    securityContext: {runAsUser: 0}
    ports: [{name: main, containerPort: %[4]d}]
    volumeMounts: [{name: bench, mountPath: /bench, readOnly: true}]
  volumes: [{name: bench, hostPath: {path: %[3]q, type: File}}]
`, podName, podNamespace, executable, podPort, rolePod)
}

// service is the Service of either Pod.
var service = fmt.Sprintf(`
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  selector: {app: %[1]s}
  ports: [{name: main, port: 80, targetPort: main}]
`, podName, podNamespace)

const standWithin = 30 * time.Second

// createPod creates a Pod with its Service, and waits until both are ready.
func (k kubectl) createPod(ctx context.Context, pod string) (row.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, standWithin)
	defer cancel()
	k = k.as("demo")
	if err := k.apply(ctx, pod+service, podName, 1); err != nil {
		return row.Pod{}, err
	}
	ip, err := k.run(ctx, "", "--namespace", podNamespace, "get", "pod", podName, "-o", "jsonpath={.status.podIP}")
	return row.Pod{Namespace: podNamespace, Name: podName, IP: ip, Port: podPort, Service: podName + "." + podNamespace + ":80"}, err
}

// apply creates objects, and waits until a Service among them has that many ready endpoints.
func (k kubectl) apply(ctx context.Context, manifest, service string, endpoints int) error {
	// No Pod can be created before the namespace's service account exists.
	if err := poll(ctx, func() error {
		_, err := k.run(ctx, manifest, "apply", "-f", "-")
		return err
	}); err != nil {
		return err
	}
	return poll(ctx, func() error {
		text, err := k.run(ctx, "", "--namespace", podNamespace, "get", "endpointslices", "-l", "kubernetes.io/service-name="+service,
			"-o", "jsonpath={.items[*].endpoints[*].conditions.ready}")
		if ready := strings.Count(text, "true"); err == nil && ready < endpoints {
			err = fmt.Errorf("the Service %s has %d of %d ready endpoints", service, ready, endpoints)
		}
		return err
	})
}

// as returns kubectl in the context of that name.
func (k kubectl) as(name string) kubectl {
	k.command = append(k.command[:len(k.command):len(k.command)], "--context", name)
	return k
}

// poll calls try until it succeeds or ctx ends, and then returns the last error.
func poll(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}
