package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"fairlead/build/bench/report"
	"fairlead/build/bench/row"
	"fairlead/build/clustertest"
)

// checkNode returns an error if the flags about the node are wrong.
func (p parameters) checkNode() error {
	switch p.Containerd {
	case clustertest.Containerd16, clustertest.Containerd22:
	default:
		return &usageError{fmt.Sprintf("no containerd %q: there are %s and %s", p.Containerd, clustertest.Containerd16, clustertest.Containerd22)}
	}
	switch p.Node {
	case clustertest.StreamingNode:
		if p.Beside != "" {
			return &usageError{"--beside goes with --node real"}
		}
		return nil
	case clustertest.RealNode:
	default:
		return &usageError{fmt.Sprintf("no node %q: there are %s and %s", p.Node, clustertest.StreamingNode, clustertest.RealNode)}
	}
	for _, r := range row.All() {
		if r.Number == p.Row && r.Streaming != "" {
			return &usageError{fmt.Sprintf("row %d needs the streaming node: %s", r.Number, r.Streaming)}
		}
	}
	return nil
}

// realNodeNote describes what differs on the real node in addition to the node itself.
const realNodeNote = "real node: the far side's programs run in a container, every connection with the API server passes one more relay, into the " +
	"namespaces that the node and the API server are in, and sessions are counted by the API server's metrics."

// nodes returns the kinds of node to measure on, in order.
func (p parameters) nodes() []string {
	switch {
	case p.Node == clustertest.StreamingNode:
		return []string{clustertest.StreamingNode}
	case p.Beside != "":
		return []string{clustertest.RealNode}
	}
	return []string{clustertest.StreamingNode, clustertest.RealNode}
}

// rows returns the rows to run on a node: if a table compares two nodes, those that can run on both.
func (p parameters) rows() []row.Row {
	var rows []row.Row
	for _, r := range row.All() {
		if (p.Row == 0 || p.Row == r.Number) && (p.Node == clustertest.StreamingNode || r.Streaming == "") {
			rows = append(rows, r)
		}
	}
	return rows
}

// nodeName returns the name of a node in the report.
func (p parameters) nodeName(node string) string {
	if node == clustertest.RealNode {
		return node + ", containerd " + p.Containerd
	}
	return node
}

// prepareRealNode builds what the real node needs, and returns the path of the program for its Pod.
func prepareRealNode(ctx context.Context, p parameters) (string, error) {
	if _, err := clustertest.NodeArgs(ctx, p.Containerd, os.Stderr); err != nil {
		return "", err
	}
	path := filepath.Join(p.Dir, "pod")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "fairlead/build/bench")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build the program of the Pod: %w", err)
	}
	return path, nil
}

// pod returns the manifest of the Pod with the far side's programs, which also listen on a port of this machine.
func (p parameters) pod(node string, port int) string {
	if node == clustertest.RealNode {
		return containerPod(p.Programs)
	}
	return doorPod(port)
}

// sessions returns a function that counts the port-forward sessions with the Pod: with the streaming node's counter or,
// as the real node has none, the API server's.
func sessions(node string, cluster *clustertest.Cluster, admin kubectl, pod row.Pod) func(context.Context) (int, error) {
	if node == clustertest.RealNode {
		return admin.sessions
	}
	return func(ctx context.Context) (int, error) {
		stats, err := cluster.Stats(ctx)
		return int(stats.Pod(pod.Namespace, pod.Name).SessionsOpen), err
	}
}

// sessions returns the number of open port-forwards of the API server.
func (k kubectl) sessions(ctx context.Context) (int, error) {
	text, err := k.run(ctx, "", "get", "--raw", "/metrics")
	if err != nil {
		return 0, err
	}
	return parseSessions(text)
}

// parseSessions adds up the port-forwards among the long-running requests of an API server's metrics.
func parseSessions(metrics string) (int, error) {
	total := 0
	for scanner := bufio.NewScanner(strings.NewReader(metrics)); scanner.Scan(); {
		line := scanner.Text()
		if !strings.HasPrefix(line, "apiserver_longrunning_requests{") || !strings.Contains(line, `subresource="portforward"`) {
			continue
		}
		n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("metrics of the API server: %w", err)
		}
		total += int(n)
	}
	return total, nil
}

// readRun reads the JSON of an earlier run.
func readRun(path string) (report.Run, error) {
	var run report.Run
	text, err := os.ReadFile(path)
	if err != nil {
		return run, err
	}
	if err := json.Unmarshal(text, &run); err != nil {
		return run, fmt.Errorf("%s: %w", path, err)
	}
	return run, nil
}
