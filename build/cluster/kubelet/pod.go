package kubelet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead/build/cluster/program"
)

// Annotations of a pod, each of which changes what its programs do.
const (
	// AnnotationProgram names the program of every container; without it the program is the last part of the image's
	// name, as "echo" of demo.local/echo:1.
	AnnotationProgram = "fairlead.test/program"
	// AnnotationBytes is the number of bytes that a source sends.
	AnnotationBytes = "fairlead.test/bytes"
	// AnnotationDoor is the loopback address that a door connects to, as 127.0.0.1:8080.
	AnnotationDoor = "fairlead.test/door"
	// AnnotationWork is how long a web server works on each request, as 5ms.
	AnnotationWork = "fairlead.test/work"
	// AnnotationReadyAfter is how long after its start the pod becomes ready, as 3s, or "never".
	AnnotationReadyAfter = "fairlead.test/ready-after"
	// AnnotationStopAfter is how long after its deletion the pod's programs are stopped, so that they refuse new
	// connections; by default that is at the end of the grace period, or immediately for the programs made for
	// rollouts.
	AnnotationStopAfter = "fairlead.test/stop-after"
)

// errCut is the cause with which the streams of a pod that is gone end.
var errCut = errors.New("pod is gone")

type podName struct{ namespace, name string }

func (n podName) String() string { return n.namespace + "/" + n.name }

// pod is a pod that runs on the node.
type pod struct {
	name    podName
	uid     types.UID
	sandbox string
	address string
	object  *corev1.Pod
	counts  *podCounts

	readyAfter time.Duration // negative means never
	stopAfter  time.Duration // negative means at the end of the grace period

	// alive is cancelled, with errCut as its cause, when the pod ends.
	alive context.Context
	cut   context.CancelCauseFunc
	// deleted receives the grace period once deletion has been requested; gone is closed when the object no longer
	// exists.
	deleted chan time.Duration
	gone    chan struct{}
	// report requests that the status be written again.
	report chan struct{}
	// killed signals that the programs have been killed and are to be restarted.
	killed   chan struct{}
	settings program.Settings

	mu       sync.Mutex
	ports    map[int32]*program.Port
	restarts int32
	phase    phase
	dropping chan struct{}
	forwards int
	drained  chan struct{}
}

func newPod(object *corev1.Pod, address string) (*pod, error) {
	p := &pod{
		name:      podName{object.Namespace, object.Name},
		uid:       object.UID,
		sandbox:   fmt.Sprintf("%x", sha256.Sum256([]byte(object.UID))),
		address:   address,
		object:    object,
		stopAfter: -1,
		deleted:   make(chan time.Duration, 1),
		report:    make(chan struct{}, 1),
		gone:      make(chan struct{}),
		killed:    make(chan struct{}, 1),
		ports:     map[int32]*program.Port{},
		dropping:  make(chan struct{}),
	}
	p.alive, p.cut = context.WithCancelCause(context.Background())
	settings := &p.settings
	var err error
	for key, value := range object.Annotations {
		switch key {
		case AnnotationBytes:
			settings.Bytes, err = strconv.ParseInt(value, 10, 64)
		case AnnotationDoor:
			settings.Door = value
		case AnnotationWork:
			settings.Work, err = time.ParseDuration(value)
		case AnnotationReadyAfter:
			p.readyAfter, err = program.ParseReadyAfter(value)
		case AnnotationStopAfter:
			p.stopAfter, err = time.ParseDuration(value)
		}
		if err != nil {
			return nil, fmt.Errorf("annotation %s of %s: %w", key, p.name, err)
		}
	}
	settings.ReadyAfter = p.readyAfter
	if err := p.listen(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// listen starts a program on each port that the pod's containers declare.
func (p *pod) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, container := range p.object.Spec.Containers {
		name := p.object.Annotations[AnnotationProgram]
		if name == "" {
			name, _, _ = strings.Cut(path.Base(container.Image), ":")
		}
		if !program.Known(name) {
			return fmt.Errorf("container %s of %s: no program %q", container.Name, p.name, name)
		}
		if _, says := p.object.Annotations[AnnotationStopAfter]; !says && program.HeedsStop(name) {
			p.stopAfter = 0
		}
		for _, declared := range container.Ports {
			self := program.Self{
				Namespace: p.name.namespace, Name: p.name.name, Address: p.address, Port: declared.ContainerPort,
			}
			port, err := program.Listen(name, self, p.settings)
			if err != nil {
				return err
			}
			p.ports[declared.ContainerPort] = port
		}
	}
	return nil
}

// dial connects to a port on the pod's localhost, with the runtime's errors.
func (k *Kubelet) dial(ctx context.Context, p *pod, number int32) (net.Conn, error) {
	p.mu.Lock()
	port := p.ports[number]
	p.mu.Unlock()
	err := error(syscall.ECONNREFUSED)
	if port != nil {
		var conn net.Conn
		if conn, err = port.Dial(ctx); err == nil {
			return conn, nil
		}
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil, p.unreachable(number, err.Error())
	}
	if refused := k.faults.refusedBy(number); refused != nil {
		return nil, refused
	}
	return nil, p.unreachable(number, "connect: connection refused")
}

// unreachable returns containerd's error for a port of localhost that it cannot connect to.
func (p *pod) unreachable(number int32, reason string) error {
	return fmt.Errorf("failed to execute portforward in network namespace %q: failed to connect to localhost:%d "+
		"inside namespace %q, IPv4: dial tcp4 127.0.0.1:%d: %s IPv6 dial tcp6 [::1]:%d: %s ",
		p.namespace(), number, p.sandbox, number, reason, number, reason)
}

// A phase is how far the termination of a Pod has come, as the container runtime sees it.
type phase int

const (
	serving     phase = iota
	tearingDown       // its programs have ended; a connection gets no answer
	networkGone       // its network namespace is closed
)

// enter counts a forwarded connection as open.
func (p *pod) enter() (dropped <-chan struct{}, now phase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forwards++
	return p.dropping, p.phase
}

// leave counts a forwarded connection as closed.
func (p *pod) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forwards--
	if p.forwards == 0 && p.drained != nil {
		close(p.drained)
		p.drained = nil
	}
}

// idle returns a channel that is closed when no forwarded connection is open. One caller at a time may wait for it.
func (p *pod) idle() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := make(chan struct{})
	if p.forwards == 0 {
		close(idle)
	} else {
		p.drained = idle
	}
	return idle
}

// drop resets every open connection; new ones are accepted.
func (p *pod) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.dropping)
	p.dropping = make(chan struct{})
}

// stop stops the programs, as SIGTERM does.
func (p *pod) stop() {
	for _, port := range p.listening() {
		port.Stop()
	}
}

// close kills the programs. Forwarded connections end as those of killed programs do, which takes the runtime a second.
func (p *pod) close() {
	p.cut(errCut)
	for _, port := range p.listening() {
		port.Close()
	}
}

// listening returns the pod's ports.
func (p *pod) listening() []*program.Port {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.ports))
}

// setPhase sets the Pod's phase.
func (p *pod) setPhase(next phase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = max(p.phase, next)
}

// namespace returns the path of the Pod's network namespace, for error messages.
func (p *pod) namespace() string { return "/var/run/netns/cni-" + string(p.uid) }
