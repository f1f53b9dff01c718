package kubelet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Delay holds the delays that a node adds.
type Delay struct {
	// Upgrade delays the answer to a session, Connect a stream's connection to its program.
	Upgrade, Connect time.Duration
}

// faults holds the faults that a test injects. The zero value is a healthy node.
type faults struct {
	mu sync.Mutex
	// refusals holds the HTTP status by protocol; 0 means that the protocol is accepted.
	refusals [protocolCount]int
	delays   map[podName]Delay
	frozen   map[podName]bool
	runtime  string
}

// runtimes holds the container runtimes that a node can imitate, with the error each reports for a port that refuses.
var runtimes = map[string]func(port int32) error{
	"containerd": nil,
	// cri-dockerd and old CRI-O enter the Pod's network with nsenter and run socat there; the error is the last line of
	// its output.
	"socat": func(port int32) error {
		return fmt.Errorf("exit status 1: 2026/01/01 00:00:00 socat[4711] E connect(5, AF=2 127.0.0.1:%d, 16): Connection refused", port)
	},
	"no-socat": func(int32) error {
		return errors.New("unable to do port forwarding: socat not found")
	},
	// The newest containerd dials the Pod's own addresses from the node when its localhost refuses.
	"pod-address": func(port int32) error {
		return fmt.Errorf("failed to connect to localhost:%d inside namespace and to Pod addresses: "+
			"dial tcp4 127.0.0.1:%d: connect: connection refused; dial tcp 10.244.0.2:%d: connect: connection refused", port, port, port)
	},
}

// SetRuntime makes the node report refused ports as another container runtime does: "containerd", "socat", "no-socat"
// or "pod-address".
func (k *Kubelet) SetRuntime(name string) error {
	if _, ok := runtimes[name]; !ok {
		return fmt.Errorf("runtime %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(runtimes)), ", "))
	}
	k.faults.mu.Lock()
	defer k.faults.mu.Unlock()
	k.faults.runtime = name
	return nil
}

// refusedBy returns the runtime's error for a port that refuses, or nil if the runtime is containerd.
func (f *faults) refusedBy(port int32) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if words := runtimes[f.runtime]; words != nil {
		return words(port)
	}
	return nil
}

// RefuseUpgrades makes the node answer every session of one protocol ("websocket", "websocket-v4" or "spdy") with an
// HTTP status; 0 ends that. The node itself refuses; for refusals in front of the API server see package middlebox.
func (k *Kubelet) RefuseUpgrades(protocol string, status int) error {
	index := slices.Index(protocolNames[:], protocol)
	if index < 0 {
		return fmt.Errorf("protocol %q: there are %s", protocol, strings.Join(protocolNames[:], ", "))
	}
	if status != 0 && (status < 400 || status > 599) {
		return fmt.Errorf("status %d: not an HTTP error", status)
	}
	k.faults.mu.Lock()
	defer k.faults.mu.Unlock()
	k.faults.refusals[index] = status
	return nil
}

// Delay sets the delays of a pod, or of every pod without its own if the pod is "".
func (k *Kubelet) Delay(pod string, delay Delay) error {
	name, err := parsePodName(pod)
	if err != nil {
		return err
	}
	k.faults.mu.Lock()
	defer k.faults.mu.Unlock()
	if k.faults.delays == nil {
		k.faults.delays = map[podName]Delay{}
	}
	k.faults.delays[name] = delay
	return nil
}

// Blackhole stops or resumes all bytes of a pod's sessions, open and new ones, as a network path that silently drops
// packets would; "" means every pod.
func (k *Kubelet) Blackhole(pod string, on bool) error {
	name, err := parsePodName(pod)
	if err != nil {
		return err
	}
	k.faults.mu.Lock()
	if k.faults.frozen == nil {
		k.faults.frozen = map[podName]bool{}
	}
	k.faults.frozen[name] = on
	k.faults.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	for s := range k.sessions {
		s.conn.freeze(k.faults.isFrozen(s.pod))
	}
	return nil
}

// DropStreams resets every open connection to a pod, as if its programs had crashed; the sessions stay open. The
// pod is named NAMESPACE/NAME or by its UID.
func (k *Kubelet) DropStreams(pod string) error {
	p, err := k.find(pod)
	if err != nil {
		return err
	}
	p.drop()
	return nil
}

// DropSessions closes the connections below a pod's sessions, or below all sessions if the pod is "", as if the node
// had crashed.
func (k *Kubelet) DropSessions(pod string) error {
	if pod == "" {
		k.dropSessions(func(*session) bool { return true })
		return nil
	}
	p, err := k.find(pod)
	if err != nil {
		return err
	}
	k.dropSessions(func(s *session) bool { return s.pod == p.name })
	return nil
}

// Heal ends every delay, refusal and black hole.
func (k *Kubelet) Heal() {
	k.faults.mu.Lock()
	k.faults.refusals = [protocolCount]int{}
	k.faults.delays, k.faults.frozen, k.faults.runtime = nil, nil, ""
	k.faults.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	for s := range k.sessions {
		s.conn.freeze(false)
	}
}

func (f *faults) refusalOf(protocol int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusals[protocol]
}

func (f *faults) delayOf(name podName) Delay {
	f.mu.Lock()
	defer f.mu.Unlock()
	if delay, ok := f.delays[name]; ok {
		return delay
	}
	return f.delays[podName{}]
}

func (f *faults) isFrozen(name podName) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.frozen[name] || f.frozen[podName{}]
}

func (k *Kubelet) find(which string) (*pod, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, p := range k.pods {
		if name.String() == which || string(p.uid) == which {
			return p, nil
		}
	}
	return nil, fmt.Errorf("pod %q does not run here", which)
}

func parsePodName(text string) (podName, error) {
	if text == "" {
		return podName{}, nil
	}
	namespace, name, ok := strings.Cut(text, "/")
	if !ok || namespace == "" || name == "" {
		return podName{}, fmt.Errorf("pod %q: not NAMESPACE/NAME", text)
	}
	return podName{namespace, name}, nil
}
