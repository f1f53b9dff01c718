package main

import (
	"context"
	"fmt"
	"strings"

	"fairlead/build/bench/row"
	"fairlead/build/clustertest"
)

const (
	pairName  = "pair"
	pairPorts = 8100 // the first
	pairSize  = 2
)

// createPair creates two Pods, each with many ports that connect to a port of this machine, and their Service.
func (k kubectl) createPair(ctx context.Context, port int) (row.Pair, error) {
	ctx, cancel := context.WithTimeout(ctx, standWithin)
	defer cancel()
	pair := row.Pair{Service: pairName + "." + podNamespace}
	var containerPorts, servicePorts []string
	for i := range row.NewPorts + 1 {
		number := pairPorts + i
		pair.Ports = append(pair.Ports, number)
		containerPorts = append(containerPorts, fmt.Sprintf("{name: p%d, containerPort: %[1]d}", number))
		servicePorts = append(servicePorts, fmt.Sprintf("{name: p%d, port: %[1]d, targetPort: p%[1]d}", number))
	}
	manifest := fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: %s}, spec: {selector: {app: %[1]s}, ports: [%[3]s]}}`,
		pairName, podNamespace, strings.Join(servicePorts, ", "))
	for i := range pairSize {
		name := fmt.Sprintf("%s-%d", pairName, i)
		pair.Pods = append(pair.Pods, name)
		manifest += fmt.Sprintf(`
---
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, labels: {app: %s}, annotations: {fairlead.test/door: "127.0.0.1:%d"}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: door, image: "demo.local/door:1", ports: [%s]}]
`, name, podNamespace, pairName, port, strings.Join(containerPorts, ", "))
	}
	return pair, k.as("demo").apply(ctx, manifest, pairName, pairSize)
}

// streams returns the number of connections that each of the Pods has had, from the streaming node's counters.
func streams(ctx context.Context, cluster *clustertest.Cluster, pods []string) (map[string]int64, error) {
	stats, err := cluster.Stats(ctx)
	if err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	for _, pod := range pods {
		counts[pod] = stats.Pod(podNamespace, pod).Streams
	}
	return counts, nil
}
