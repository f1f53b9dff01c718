package clustertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Door returns the objects of a Pod that connects its clients to a server of this machine, and of a Service for it on a
// port. Both have the name.
func Door(name, server string, port int) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {app: %[1]s}, annotations: {fairlead.test/door: "%[2]s"}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: door, image: demo.local/door, ports: [{name: main, containerPort: 8000}]}]
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {selector: {app: %[1]s}, ports: [{name: main, port: %[3]d, targetPort: main}]}
`, name, server, port)
}

// WaitReady waits for a ready endpoint of a Service, which appears a moment after its Pod is ready.
func (c *Cluster) WaitReady(ctx context.Context, service string) error {
	var failed error
	for {
		ready, err := c.Kubectl(ctx, "get", "endpointslices", "-l", "kubernetes.io/service-name="+service,
			"-o", "jsonpath={.items[*].endpoints[*].conditions.ready}")
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("endpoints of Service %s: none is ready: %w", service, errors.Join(context.Cause(ctx), failed))
		case err == nil && strings.Contains(string(ready), "true"):
			return nil
		}
		failed = err
	}
}
