package realnode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Labels that the kubelet sets on containers.
const (
	podNameLabel       = "io.kubernetes.pod.name"
	podNamespaceLabel  = "io.kubernetes.pod.namespace"
	containerNameLabel = "io.kubernetes.container.name"
)

// RestartContainerd restarts the container runtime, as a package upgrade does, and returns when it responds again.
// Containers keep running meanwhile.
func (n *Node) RestartContainerd(ctx context.Context) error {
	n.stop("containerd")
	return n.startContainerd(ctx)
}

// RestartKubelet stops the kubelet and starts it again.
func (n *Node) RestartKubelet(ctx context.Context) error {
	n.stop("kubelet")
	return n.startKubelet(ctx)
}

// KillContainer kills the main process of a Pod's container with SIGKILL. pod has the form NAMESPACE/NAME; container
// may be "" if the Pod has only one.
func (n *Node) KillContainer(ctx context.Context, pod, container string) error {
	id, err := n.container(ctx, pod, container)
	if err != nil {
		return err
	}
	status, err := n.runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: id, Verbose: true})
	if err != nil {
		return fmt.Errorf("container of pod %s: %w", pod, err)
	}
	var info struct {
		PID int `json:"pid"`
	}
	if err := json.Unmarshal([]byte(status.Info["info"]), &info); err != nil {
		return fmt.Errorf("container of pod %s: %w", pod, err)
	}
	if info.PID <= 1 {
		return fmt.Errorf("container of pod %s: no process", pod)
	}
	if err := syscall.Kill(info.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the container of pod %s: %w", pod, err)
	}
	return nil
}

// container returns the ID of a running container of a Pod. container may be "" if the Pod has only one.
func (n *Node) container(ctx context.Context, pod, container string) (id string, err error) {
	namespace, name, ok := strings.Cut(pod, "/")
	if !ok {
		return "", fmt.Errorf("pod %q: not NAMESPACE/NAME", pod)
	}
	labels := map[string]string{podNamespaceLabel: namespace, podNameLabel: name}
	if container != "" {
		labels[containerNameLabel] = container
	}
	list, err := n.runtime.ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{
		LabelSelector: labels, State: &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING},
	}})
	if err != nil {
		return "", fmt.Errorf("containers of pod %s: %w", pod, err)
	}
	switch len(list.Containers) {
	case 0:
		return "", fmt.Errorf("pod %q does not run here", pod)
	case 1:
		return list.Containers[0].Id, nil
	}
	return "", errors.New("pod " + pod + " has several containers: name one")
}
