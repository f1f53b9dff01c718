package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fairlead/build/clustertest"
)

// A deployment is a Deployment with its Service, and the faults that are injected into its Pods.
type deployment struct {
	name string
	// grace is the Pods' grace period in seconds; with finishes their programs stop immediately when they are deleted,
	// and finish open connections within it.
	grace    int
	finishes bool
	// With fails a connection may fail during a fault; with ends it may then also end in order, since a program that
	// dies closes its connections as one that has finished.
	fails, ends bool
	fault       func(ctx context.Context, t *testbed, s *deployment, pod string) (fault, error)
	every       time.Duration // from the end of one fault to the next

	faults []fault
}

const (
	namespace = "default"
	replicas  = 3
	closed    = 9 // a port of the Pods on which nothing listens
)

func deployments(pace time.Duration) []*deployment {
	return []*deployment{
		{name: "finishing", grace: 60, finishes: true, fault: deletePod, every: pace},
		{name: "dying", fails: true, ends: true, fault: deletePod, every: 2 * pace},
		{name: "cut", grace: 1, fails: true, fault: cut, every: pace},
		{name: "silent", grace: 1, fails: true, fault: silence, every: 2 * pace},
	}
}

func (s *deployment) open() string { return s.name + "." + namespace + ":80" }
func (s *deployment) shut() string { return s.name + "." + namespace + ":81" }

// manifest is a Deployment whose Pods connect their port to the programs, with a Service on whose second port nothing
// listens.
const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  replicas: %[3]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata:
      labels: {app: %[1]s}
      annotations: {fairlead.test/door: "%[4]s"%[5]s}
    spec:
      terminationGracePeriodSeconds: %[6]d
      containers:
      - name: door
        image: demo.local/door:1
        ports: [{name: main, containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  selector: {app: %[1]s}
  ports: [{name: main, port: 80, targetPort: main}, {name: closed, port: 81, targetPort: %[7]d}]
---
`

func (s *deployment) manifest(programs string) string {
	annotation := ""
	if s.finishes {
		annotation = `, fairlead.test/stop-after: "0s"`
	}
	return fmt.Sprintf(manifest, s.name, namespace, replicas, programs, annotation, s.grace, closed)
}

// A testbed is the cluster with all deployments.
type testbed struct {
	cluster     *clustertest.Cluster
	deployments []*deployment
}

const setWithin = time.Minute

// create creates the deployments and waits until all their Pods are ready.
func (t *testbed) create(ctx context.Context, dir, programs string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, setWithin, fmt.Errorf("the Pods are not ready after %s", setWithin))
	defer cancel()
	var all strings.Builder
	for _, s := range t.deployments {
		all.WriteString(s.manifest(programs))
	}
	file := filepath.Join(dir, "deployments.yaml")
	if err := os.WriteFile(file, []byte(all.String()), 0o600); err != nil {
		return err
	}
	if _, err := t.cluster.Kubectl(ctx, "apply", "--filename", file); err != nil {
		return err
	}
	for _, s := range t.deployments {
		if _, err := t.waitReady(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// ready returns the names of the ready Pods of the Service.
func (t *testbed) ready(ctx context.Context, s *deployment) ([]string, error) {
	text, err := t.cluster.Kubectl(ctx, "--namespace", namespace, "get", "endpointslices", "--selector", "kubernetes.io/service-name="+s.name,
		"--output", `jsonpath={range .items[0].endpoints[?(@.conditions.ready==true)]}{.targetRef.name}{" "}{end}`)
	return strings.Fields(string(text)), err
}

// waitReady waits until all replicas are ready, so that more than one remains when a fault hits a Pod, and returns their
// names.
func (t *testbed) waitReady(ctx context.Context, s *deployment) ([]string, error) {
	for {
		pods, err := t.ready(ctx, s)
		if err == nil && len(pods) == replicas {
			return pods, nil
		}
		if waited := sleep(ctx, 500*time.Millisecond); waited != nil {
			return nil, errors.Join(fmt.Errorf("wait for the Pods of %s: %w", s.name, waited), err)
		}
	}
}
