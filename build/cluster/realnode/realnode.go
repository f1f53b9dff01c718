// Package realnode runs an ordinary node of a Kubernetes cluster: the real kubelet with containerd, runc and a CNI
// bridge. It runs in its own namespaces (package isolation), so that it leaves nothing behind.
package realnode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"fairlead/build/cluster/image"
	"fairlead/build/cluster/process"
	"fairlead/build/cluster/program"
)

const (
	pollInterval = 50 * time.Millisecond
	// stopGrace is how long a part may take to end before it is killed.
	stopGrace = 10 * time.Second
	// repository is the prefix of the images' names.
	repository = "demo.local/"
	pauseImage = repository + "pause:1"
	// imageNamespace is the containerd namespace that the kubelet uses.
	imageNamespace = "k8s.io"
)

var errClosed = errors.New("the node is closed")

// Config configures a node. All fields except ContainerdDir and WebSockets are required.
type Config struct {
	// Name is the node's name, and Address the address by which the API server reaches it.
	Name, Address string
	// State is the cluster's directory, with its credentials and logs.
	State string
	// Executable contains the kubelet, which runs when argv[0] is its name.
	Executable string
	// Program is the static executable in the images (package program/run).
	Program string
	// ContainerdDir is the directory of containerd's programs; "" means PATH.
	ContainerdDir string
	// Cgroup is the parent control group of Pods.
	Cgroup string
	// WebSockets declares that the node handles WebSocket upgrades itself.
	WebSockets bool
	// Client returns a client of the cluster's administrator.
	Client func() (kubernetes.Interface, error)
}

// Node is a running node.
type Node struct {
	config  Config
	tools   tools
	dir     string // in memory: images, containers, Pods
	runtime cri.RuntimeServiceClient
	conn    *grpc.ClientConn

	starts chan func()
	over   chan struct{} // closed by Close
	ended  chan error

	mu    sync.Mutex
	parts map[string]*process.Child
}

// Dir returns the directory of the node's data below a cluster's directory. It should be in memory.
func Dir(state string) string { return filepath.Join(state, "node") }

// New returns a node that does nothing until Start is called. The caller must call Close.
func New(config Config) (*Node, error) {
	n := &Node{
		config: config, dir: Dir(config.State),
		starts: make(chan func()), over: make(chan struct{}), ended: make(chan error, 8), parts: map[string]*process.Child{},
	}
	var err error
	if n.tools, err = findTools(config.ContainerdDir); err != nil {
		return nil, err
	}
	n.conn, err = grpc.NewClient("unix://"+n.socket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("client of containerd: %w", err)
	}
	n.runtime = cri.NewRuntimeServiceClient(n.conn)
	return n, nil
}

// Start starts the container runtime and imports the images into it.
func (n *Node) Start(ctx context.Context) error {
	if err := n.writeConfiguration(); err != nil {
		return fmt.Errorf("configuration of the node: %w", err)
	}
	go n.keepThread()
	if err := n.startContainerd(ctx); err != nil {
		return err
	}
	return n.importImages(ctx)
}

// Close stops the node's processes, except those that containerd started: containers and their shims end with the
// namespaces.
func (n *Node) Close() error {
	n.mu.Lock()
	children := n.parts
	n.parts = nil
	n.mu.Unlock()
	close(n.over)
	for _, child := range children {
		child.Stop(0)
	}
	return n.conn.Close()
}

// Join starts the kubelet, and returns when the API server reports the node ready.
func (n *Node) Join(ctx context.Context) error {
	if err := n.startKubelet(ctx); err != nil {
		return err
	}
	client, err := n.config.Client()
	if err != nil {
		return err
	}
	return n.poll(ctx, "the node to be ready", func(ctx context.Context) bool {
		node, err := client.CoreV1().Nodes().Get(ctx, n.config.Name, metav1.GetOptions{})
		if err != nil {
			return false
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				return condition.Status == corev1.ConditionTrue
			}
		}
		return false
	})
}

// Ended returns a channel with the error of each part that ends without having been stopped.
func (n *Node) Ended() <-chan error { return n.ended }

func (n *Node) socket() string { return filepath.Join(n.dir, "containerd.sock") }

// keepThread starts the node's processes on one thread that it keeps: they die with the thread that started them.
func (n *Node) keepThread() {
	runtime.LockOSThread()
	for {
		select {
		case start := <-n.starts:
			start()
		case <-n.over:
			return
		}
	}
}

// start starts a part of the node. If the part ends before it is stopped, its error goes to Ended.
func (n *Node) start(ctx context.Context, name, executable string, argv ...string) error {
	type result struct {
		child *process.Child
		err   error
	}
	started := make(chan result, 1)
	start := func() {
		child, err := process.Start(process.Config{
			Executable: executable, Argv: append([]string{name}, argv...), Dir: n.config.State,
			Log: filepath.Join(n.config.State, name+".log"), Env: append(os.Environ(), "PATH="+n.tools.path),
		})
		started <- result{child, err}
	}
	select {
	case n.starts <- start:
	case <-n.over:
		return errClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r := <-started
	if r.err != nil {
		return r.err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.parts == nil {
		r.child.Stop(0)
		return errClosed
	}
	n.parts[name] = r.child
	go func() {
		<-r.child.Done()
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.parts[name] == r.child {
			n.ended <- r.child.Err()
		}
	}()
	return nil
}

// stop stops a part, whose end is then no error.
func (n *Node) stop(name string) {
	n.mu.Lock()
	child := n.parts[name]
	delete(n.parts, name)
	n.mu.Unlock()
	if child != nil {
		child.Stop(stopGrace)
	}
}

func (n *Node) startContainerd(ctx context.Context) error {
	if err := n.start(ctx, "containerd", n.tools.containerd, "--config", filepath.Join(n.dir, "containerd.toml")); err != nil {
		return err
	}
	return n.poll(ctx, "containerd", func(ctx context.Context) bool {
		_, err := n.runtime.Version(ctx, &cri.VersionRequest{})
		return err == nil
	})
}

func (n *Node) startKubelet(ctx context.Context) error {
	return n.start(ctx, "kubelet", n.config.Executable,
		"--config="+filepath.Join(n.dir, "kubelet.yaml"),
		"--kubeconfig="+filepath.Join(n.config.State, "pki", "kubelet.kubeconfig"),
		"--hostname-override="+n.config.Name, "--node-ip="+n.config.Address,
		"--root-dir="+filepath.Join(n.dir, "kubelet"), "--cert-dir="+filepath.Join(n.dir, "kubelet-certificates"), "--v=2")
}

// poll waits until holds returns true, or returns the reason why that cannot happen.
func (n *Node) poll(ctx context.Context, what string, holds func(context.Context) bool) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !holds(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		case err := <-n.ended:
			return fmt.Errorf("wait for %s: %w", what, err)
		case <-ticker.C:
		}
	}
	return nil
}

// importImages makes an image of each program, and the pause image that holds a Pod's namespaces.
func (n *Node) importImages(ctx context.Context) error {
	images := []image.Image{{Names: []string{pauseImage}, Entrypoint: []string{image.Executable, "pause"}}}
	for _, name := range program.Names() {
		images = append(images, image.Image{
			Names:      []string{repository + name + ":1", repository + name + ":latest"},
			Entrypoint: []string{image.Executable, name},
		})
	}
	path := filepath.Join(n.dir, "images.tar")
	archive, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("images: %w", err)
	}
	if err := errors.Join(image.Write(archive, n.config.Program, images), archive.Close()); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, n.tools.ctr, "--address", n.socket(), "--namespace", imageNamespace, "images", "import", path)
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("import images: %w: %s", err, strings.TrimSpace(string(output)))
	}
	return os.Remove(path)
}
