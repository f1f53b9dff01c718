package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/client-go/kubernetes"

	"fairlead/build/cluster/controlplane"
	"fairlead/build/cluster/isolation"
	"fairlead/build/cluster/realnode"
)

// With a real node the whole cluster runs in its own namespaces: the launcher starts itself again inside them (confine)
// and waits. The launcher inside inherits two listeners on the machine's loopback interface, one for the API server and
// one for the middlebox, so that the cluster is reached as if it ran outside.
const (
	apiListener       = 3
	middleboxListener = 4
)

// confineGrace is how long the launcher inside may take to end before all of it is killed.
const confineGrace = 5 * time.Second

// confine runs the cluster in namespaces until it ends or ctx does.
func confine(ctx context.Context, o options, args []string, s *state) error {
	if err := realnode.Check(o.containerdDir, o.containerd); err != nil {
		return err
	}
	var listeners []*os.File
	defer func() {
		for _, listener := range listeners {
			listener.Close()
		}
	}()
	for range 2 {
		listener, err := listenerFile()
		if err != nil {
			return err
		}
		listeners = append(listeners, listener)
	}
	config := isolation.Config{
		Argv: append(append([]string{"cluster"}, args...), "--state="+s.dir), Files: listeners, Keep: []string{s.dir, filepath.Dir(o.program)},
	}
	if o.containerdDir != "" {
		config.Keep = append(config.Keep, o.containerdDir)
	}
	if s.made {
		config.Remove = s.dir
	}
	confined, err := isolation.Start(config)
	if err != nil {
		return err
	}
	err = os.WriteFile(s.path("init.pid"), []byte(strconv.Itoa(confined.PID())), 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // it has already ended, and the directory is removed
	}
	if err == nil {
		select {
		case <-confined.Done():
			if err := confined.Err(); err != nil {
				return fmt.Errorf("the cluster in its namespaces ended: %w", err)
			}
			return nil
		case <-ctx.Done():
		}
	}
	confined.Stop(confineGrace)
	return errors.Join(err, confined.Err())
}

// listenerFile listens on a free loopback port and returns the socket.
func listenerFile() (*os.File, error) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("listen for the cluster: %w", err)
	}
	defer listener.Close() // the file keeps listening
	file, err := listener.File()
	if err != nil {
		return nil, fmt.Errorf("listen for the cluster: %w", err)
	}
	return file, nil
}

// inside is the state of a launcher that was started by confine.
type inside struct {
	launcher       int // the process id of the launcher outside
	api, middlebox net.Listener
	node           *realnode.Node
	prepared       chan error
}

// enter returns what this process inherited from confine, or nil if it was not started by confine.
func enter() (*inside, error) {
	launcher, confined := isolation.Parent()
	if !confined {
		return nil, nil
	}
	i := &inside{launcher: launcher, prepared: make(chan error, 1)}
	var err error
	if i.api, err = isolation.Listener(apiListener); err != nil {
		return nil, fmt.Errorf("listener of the API server: %w", err)
	}
	if i.middlebox, err = isolation.Listener(middleboxListener); err != nil {
		return nil, fmt.Errorf("listener of the middlebox: %w", err)
	}
	return i, nil
}

// port returns the API server's port, the same inside as outside.
func (i *inside) port() uint16 {
	address, ok := i.api.Addr().(*net.TCPAddr)
	if !ok {
		return 0
	}
	return uint16(address.Port)
}

// runInside is the launcher inside the namespaces: it starts a cluster with a real node and runs until it is stopped.
func runInside(ctx context.Context, o options, confined *inside) error {
	s := &state{dir: o.state}
	if err := os.Mkdir(realnode.Dir(s.dir), 0o700); err != nil {
		return fmt.Errorf("node's directory: %w", err)
	}
	if err := isolation.MountMemory(realnode.Dir(s.dir)); err != nil {
		return err
	}
	l := &launcher{options: o, state: s, inside: confined, began: time.Now(), failed: make(chan error, 8)}
	err := l.run(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil // stopped by a signal
	}
	return err
}

// prepareRealNode starts the container runtime, which needs no API server, and the relay of connections from outside.
func (l *launcher) prepareRealNode(ctx, innerCtx context.Context, executable string) error {
	node, err := realnode.New(realnode.Config{
		Name: controlplane.NodeName, Address: isolation.NodeAddress, State: l.state.dir, Executable: executable,
		Program: l.options.program, ContainerdDir: l.options.containerdDir,
		Cgroup: isolation.Cgroup(), WebSockets: l.options.webSockets == "passthrough",
		Client: func() (kubernetes.Interface, error) { return l.newClient("kubeconfig") },
	})
	if err != nil {
		return err
	}
	l.inside.node = node
	l.startPart("real node", func() error {
		defer node.Close() // it ends with the namespaces in any case
		select {
		case err := <-node.Ended():
			return err
		case <-innerCtx.Done():
			return nil
		}
	})
	l.startPart("relay", func() error {
		return isolation.Relay(innerCtx, l.inside.api, l.inside.api.Addr().String(), l.log)
	})
	l.startPart("container runtime", func() error {
		l.inside.prepared <- node.Start(ctx)
		return nil
	})
	return nil
}

// startRealNode returns when the node is ready.
func (l *launcher) startRealNode(ctx context.Context) error {
	return l.runStep(ctx, func(ctx context.Context) error {
		select {
		case err := <-l.inside.prepared:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		l.progress("containerd is ready, starting the kubelet")
		return l.inside.node.Join(ctx)
	})
}
