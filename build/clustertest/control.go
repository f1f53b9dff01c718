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

// Stats is what happened at the cluster's node so far.
type Stats struct {
	// Sessions counts the port-forward requests that arrived at the node, by protocol; refused ones count too. With
	// WebSockets translated by the API server all arrive as SPDY.
	Sessions map[string]int64
	// Pods has an entry for each pod that ever ran, in the order they came.
	Pods []PodStats
}

// PodStats is what happened at one pod.
type PodStats struct {
	Namespace, Name, UID, Address string
	// Gone says that the pod runs no more.
	Gone bool
	// Sessions counts port-forward sessions by protocol; SessionsOpen are those that are open now.
	Sessions     map[string]int64
	SessionsOpen int64
	// Streams counts forwarded connections; StreamsOpen are those open now, Refused those that found nobody listening.
	Streams, StreamsOpen, Refused int64
	// BytesIn went to the pod's programs, BytesOut came from them.
	BytesIn, BytesOut int64
}

// Pod finds the latest pod of that namespace and name whose name is name or begins with name and a dash, as those of
// Deployments do; the zero value if there is none.
func (s Stats) Pod(namespace, name string) PodStats {
	for i := len(s.Pods) - 1; i >= 0; i-- {
		p := s.Pods[i]
		if p.Namespace == namespace && (p.Name == name || strings.HasPrefix(p.Name, name+"-")) {
			return p
		}
	}
	return PodStats{}
}

// StreamsOpen counts the connections that are open now, over all pods.
func (s Stats) StreamsOpen() int64 {
	var open int64
	for _, p := range s.Pods {
		open += p.StreamsOpen
	}
	return open
}

// SessionsOpen counts the sessions that are open now, over all pods.
func (s Stats) SessionsOpen() int64 {
	var open int64
	for _, p := range s.Pods {
		open += p.SessionsOpen
	}
	return open
}

// Stats counts what happened so far.
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

// DropStreams resets every connection that is open to a pod, named NAMESPACE/NAME or by its UID, as if its programs had
// crashed. The sessions live on.
func (c *Cluster) DropStreams(ctx context.Context, pod string) error {
	return c.order(ctx, "drop-streams", map[string]any{"pod": pod})
}

// DropSessions closes the connections between the API server and the node that a pod's sessions run over, or all if the
// pod is "".
func (c *Cluster) DropSessions(ctx context.Context, pod string) error {
	return c.order(ctx, "drop-sessions", map[string]any{"pod": pod})
}

// RefuseUpgrades makes the node answer every session of a protocol with an HTTP status; 0 ends that.
func (c *Cluster) RefuseUpgrades(ctx context.Context, protocol string, status int) error {
	return c.order(ctx, "refuse-upgrades", map[string]any{"protocol": protocol, "status": status})
}

// RefuseAtMiddlebox makes the middlebox that KubeconfigMiddlebox leads through answer every upgrade to a protocol with
// an HTTP status; 0 ends that.
func (c *Cluster) RefuseAtMiddlebox(ctx context.Context, protocol string, status int) error {
	return c.order(ctx, "middlebox", map[string]any{"protocol": protocol, "status": status})
}

// Delay makes a pod NAMESPACE/NAME, or every pod if it is "", slow: upgrade passes before a session is answered, connect
// before a stream reaches its program.
func (c *Cluster) Delay(ctx context.Context, pod string, upgrade, connect time.Duration) error {
	return c.order(ctx, "delay", map[string]any{
		"pod": pod, "upgradeMilliseconds": upgrade.Milliseconds(), "connectMilliseconds": connect.Milliseconds(),
	})
}

// Blackhole stops every byte of a pod's sessions, or of all if the pod is "", without closing them, or lets them go on.
func (c *Cluster) Blackhole(ctx context.Context, pod string, on bool) error {
	return c.order(ctx, "blackhole", map[string]any{"pod": pod, "on": on})
}

// Heal ends all refusals, delays and black holes.
func (c *Cluster) Heal(ctx context.Context) error { return c.order(ctx, "heal", map[string]any{}) }

// PassWebSockets says whether new WebSocket sessions are passed through to the node, or translated by the API server.
func (c *Cluster) PassWebSockets(ctx context.Context, on bool) error {
	return c.order(ctx, "websockets", map[string]any{"on": on})
}

// RestartContainerd stops the real node's container runtime, as an upgrade of its package does, and returns when it
// answers again. Containers go on meanwhile.
func (c *Cluster) RestartContainerd(ctx context.Context) error {
	return c.order(ctx, "restart-containerd", map[string]any{})
}

// RestartKubelet stops the real node's kubelet and starts it again.
func (c *Cluster) RestartKubelet(ctx context.Context) error {
	return c.order(ctx, "restart-kubelet", map[string]any{})
}

// KillContainer kills the main process of a container, as kill -9 does; the node starts it again. The pod is named
// NAMESPACE/NAME; the container may be "" if the pod has one. The streaming node kills all of a pod's.
func (c *Cluster) KillContainer(ctx context.Context, pod, container string) error {
	return c.order(ctx, "kill-container", map[string]any{"pod": pod, "container": container})
}

// Inside is a command in the namespaces of a cluster with a real node, ready to be started: it sees the node's
// processes, mounts and network.
func (c *Cluster) Inside(ctx context.Context, args ...string) (*exec.Cmd, error) {
	pid, err := os.ReadFile(filepath.Join(c.State, "init.pid"))
	if err != nil {
		return nil, fmt.Errorf("namespaces of the cluster: %w", err)
	}
	enter := []string{"--target", strings.TrimSpace(string(pid)), "--mount", "--pid", "--net", "--ipc", "--uts", "--"}
	command := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	command.WaitDelay = stopTimeout
	return command, nil
}

func (c *Cluster) order(ctx context.Context, what string, body map[string]any) error {
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
