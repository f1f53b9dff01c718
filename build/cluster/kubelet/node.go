package kubelet

import (
	"context"
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

const (
	leaseDuration = 40 * time.Second
	leaseRenewal  = 10 * time.Second
	retryPause    = 500 * time.Millisecond
	version       = "v1.36.3"
	// passThrough is the feature by which a node declares that it handles WebSocket upgrades itself.
	passThrough = "ExtendWebSocketsToKubelet"
	// podRange holds the addresses of the node's pods, and hostAddress is the node's own, which pods on the host
	// network have. No interface has either; the API server reaches the kubelet on the loopback interface.
	podRange    = "10.244.0.0/16"
	hostAddress = "172.30.0.1"
)

// register creates the Node object and reports it ready.
func (k *Kubelet) register(ctx context.Context) error {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:   k.config.Name,
			Labels: map[string]string{corev1.LabelHostname: k.config.Name, corev1.LabelOSStable: "linux"},
		},
		Spec: corev1.NodeSpec{PodCIDR: podRange, PodCIDRs: []string{podRange}},
	}
	_, err := k.config.Client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("register node %s: %w", k.config.Name, err)
	}
	return k.reportNode(ctx)
}

// reportNode writes the node's status; the node lifecycle controller writes to it too, so conflicts are retried.
func (k *Kubelet) reportNode(ctx context.Context) error {
	nodes := k.config.Client.CoreV1().Nodes()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := nodes.Get(ctx, k.config.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		k.describe(&node.Status)
		_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("status of node %s: %w", k.config.Name, err)
	}
	return nil
}

func (k *Kubelet) describe(status *corev1.NodeStatus) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := metav1.Now()
	resources := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("16"),
		corev1.ResourceMemory: resource.MustParse("32Gi"),
		corev1.ResourcePods:   resource.MustParse("1000"),
	}
	status.Capacity, status.Allocatable = resources, resources
	status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: "127.0.0.1"},
		{Type: corev1.NodeHostName, Address: k.config.Name},
	}
	status.DaemonEndpoints.KubeletEndpoint.Port = k.port
	status.NodeInfo.KubeletVersion = version
	status.NodeInfo.OperatingSystem = "linux"
	status.DeclaredFeatures = nil
	if k.websockets {
		status.DeclaredFeatures = []string{passThrough}
	}
	status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
		Message: "the streaming kubelet is ready", LastHeartbeatTime: now, LastTransitionTime: now,
	}}
}

// SetWebSockets sets whether the node declares that it handles WebSocket upgrades itself. Open sessions are not
// affected.
func (k *Kubelet) SetWebSockets(ctx context.Context, takes bool) error {
	k.mu.Lock()
	k.websockets = takes
	k.mu.Unlock()
	return k.reportNode(ctx)
}

// renewLease renews the node's heartbeat until ctx ends (KEP-589).
func (k *Kubelet) renewLease(ctx context.Context) {
	for {
		pause := leaseRenewal
		err := k.writeLease(ctx)
		if err == nil {
			err = k.reportAgain(ctx)
		}
		if err != nil && ctx.Err() == nil {
			k.log.Warn("node lease", "error", err)
			pause = retryPause
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// reportAgain reports the node and its pods again if the node lifecycle controller has marked the node as unknown and its
// pods as not ready, because the machine slept or the API server hung.
func (k *Kubelet) reportAgain(ctx context.Context) error {
	node, err := k.config.Client.CoreV1().Nodes().Get(ctx, k.config.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	isReady := func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	}
	if slices.ContainsFunc(node.Status.Conditions, isReady) {
		return nil
	}
	if err := k.reportNode(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.pods {
		select {
		case p.report <- struct{}{}:
		default: // already requested
		}
	}
	return nil
}

func (k *Kubelet) writeLease(ctx context.Context) error {
	leases := k.config.Client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	seconds := int32(leaseDuration / time.Second)
	now := metav1.NowMicro()
	spec := coordinationv1.LeaseSpec{HolderIdentity: &k.config.Name, LeaseDurationSeconds: &seconds, RenewTime: &now}
	lease, err := leases.Get(ctx, k.config.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: k.config.Name}, Spec: spec}
		_, err = leases.Create(ctx, lease, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	lease.Spec = spec
	_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}

// sleep waits, and reports whether the pause passed before ctx ended.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
