package clustertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Protocols of a port-forward session.
const (
	WebSocket = "websocket" // SPDY tunnelled through a WebSocket
	SPDY      = "spdy"
)

// Stats holds the counters of the cluster's node.
type Stats struct {
	// Sessions counts the port-forward requests that arrived at the node, by protocol; refused ones count too. With
	// WebSockets translated by the API server all arrive as SPDY.
	Sessions map[string]int64
	// Pods has an entry for each pod that ever ran, in order of admission.
	Pods []PodStats
}

// PodStats holds the counters of one pod.
type PodStats struct {
	Namespace, Name, UID, Address string
	// Gone reports that the pod no longer runs.
	Gone bool
	// Sessions counts port-forward sessions by protocol; SessionsOpen counts those that are open now.
	Sessions     map[string]int64
	SessionsOpen int64
	// Streams counts forwarded connections; StreamsOpen counts those that are open now, Refused those to ports on which
	// nothing listens.
	Streams, StreamsOpen, Refused int64
	// BytesIn counts bytes to the pod's programs, BytesOut bytes from them.
	BytesIn, BytesOut int64
}

// Pod returns the counters of the latest pod in a namespace whose name is name or begins with name and a dash, as for a
// Deployment; the zero value if there is none.
func (s Stats) Pod(namespace, name string) PodStats {
	for i := len(s.Pods) - 1; i >= 0; i-- {
		p := s.Pods[i]
		if p.Namespace == namespace && (p.Name == name || strings.HasPrefix(p.Name, name+"-")) {
			return p
		}
	}
	return PodStats{}
}

// StreamsOpen returns the number of open connections of all pods.
func (s Stats) StreamsOpen() int64 {
	var open int64
	for _, p := range s.Pods {
		open += p.StreamsOpen
	}
	return open
}

// SessionsOpen returns the number of open sessions of all pods.
func (s Stats) SessionsOpen() int64 {
	var open int64
	for _, p := range s.Pods {
		open += p.SessionsOpen
	}
	return open
}

// Stats returns the node's counters.
func (c *Cluster) Stats(ctx context.Context) (Stats, error) {
	var stats Stats
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://cluster/stats", nil)
	if err != nil {
		return stats, fmt.Errorf("stats: %w", err)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return stats, fmt.Errorf("stats: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return stats, fmt.Errorf("stats: %s; the real node counts nothing", response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&stats); err != nil {
		return stats, fmt.Errorf("stats: %w", err)
	}
	return stats, nil
}

// DropStreams resets every open connection to a pod, named NAMESPACE/NAME or by its UID, as if its programs had
// crashed. The sessions stay open.
func (c *Cluster) DropStreams(ctx context.Context, pod string) error {
	return c.post(ctx, "drop-streams", map[string]any{"pod": pod})
}

// DropSessions closes the connections between the API server and the node below a pod's sessions, or below all sessions
// if the pod is "".
func (c *Cluster) DropSessions(ctx context.Context, pod string) error {
	return c.post(ctx, "drop-sessions", map[string]any{"pod": pod})
}

// RefuseUpgrades makes the node answer every session of a protocol with an HTTP status; 0 ends that.
func (c *Cluster) RefuseUpgrades(ctx context.Context, protocol string, status int) error {
	return c.post(ctx, "refuse-upgrades", map[string]any{"protocol": protocol, "status": status})
}

// RefuseAtMiddlebox makes the middlebox, which KubeconfigMiddlebox connects through, answer every upgrade to a protocol
// with an HTTP status; 0 ends that.
func (c *Cluster) RefuseAtMiddlebox(ctx context.Context, protocol string, status int) error {
	return c.post(ctx, "middlebox", map[string]any{"protocol": protocol, "status": status})
}

// Delay slows down a pod NAMESPACE/NAME, or every pod if it is "": upgrade delays the answer to a session, connect a
// stream's connection to its program.
func (c *Cluster) Delay(ctx context.Context, pod string, upgrade, connect time.Duration) error {
	return c.post(ctx, "delay", map[string]any{
		"pod": pod, "upgradeMilliseconds": upgrade.Milliseconds(), "connectMilliseconds": connect.Milliseconds(),
	})
}

// Blackhole stops or resumes all bytes of a pod's sessions, or of all sessions if the pod is "", without closing them.
func (c *Cluster) Blackhole(ctx context.Context, pod string, on bool) error {
	return c.post(ctx, "blackhole", map[string]any{"pod": pod, "on": on})
}

// Heal ends all refusals, delays and black holes.
func (c *Cluster) Heal(ctx context.Context) error { return c.post(ctx, "heal", map[string]any{}) }

// PassWebSockets sets whether new WebSocket sessions are passed through to the node, or translated by the API server.
func (c *Cluster) PassWebSockets(ctx context.Context, on bool) error {
	return c.post(ctx, "websockets", map[string]any{"on": on})
}

// RestartContainerd restarts the real node's container runtime, as an upgrade of its package does, and returns when it
// answers again. Containers keep running meanwhile.
func (c *Cluster) RestartContainerd(ctx context.Context) error {
	return c.post(ctx, "restart-containerd", map[string]any{})
}

// RestartKubelet stops the real node's kubelet and starts it again.
func (c *Cluster) RestartKubelet(ctx context.Context) error {
	return c.post(ctx, "restart-kubelet", map[string]any{})
}

// KillContainer kills the main process of a container, as kill -9 does; the node restarts it. The pod is named
// NAMESPACE/NAME; the container may be "" if the pod has one. The streaming node kills all of a pod's.
func (c *Cluster) KillContainer(ctx context.Context, pod, container string) error {
	return c.post(ctx, "kill-container", map[string]any{"pod": pod, "container": container})
}

// Inside returns a command, ready to be started, in the namespaces of a cluster with a real node: it sees the node's
// processes, mounts and network. The program ends with the command's process, which is only its parent: it is in another
// namespace of processes.
func (c *Cluster) Inside(ctx context.Context, args ...string) (*exec.Cmd, error) {
	pid, err := os.ReadFile(filepath.Join(c.State, "init.pid"))
	if err != nil {
		return nil, fmt.Errorf("namespaces of the cluster: %w", err)
	}
	enter := []string{"--target", strings.TrimSpace(string(pid)), "--mount", "--pid", "--net", "--ipc", "--uts", "--", "setpriv", "--pdeathsig", "KILL"}
	command := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	command.WaitDelay = stopTimeout
	return command, nil
}

func (c *Cluster) post(ctx context.Context, what string, body map[string]any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://cluster/"+what, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		reason, err := io.ReadAll(io.LimitReader(response.Body, 1<<12))
		if err != nil {
			return fmt.Errorf("%s: %s: %w", what, response.Status, err)
		}
		return fmt.Errorf("%s: %s: %s", what, response.Status, bytes.TrimSpace(reason))
	}
	return nil
}
