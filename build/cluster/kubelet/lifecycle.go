package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// defaultGrace is the grace period of a pod that sets none (core/v1 PodSpec.terminationGracePeriodSeconds).
const defaultGrace = 30 * time.Second

// watchPods runs each pod that is bound to the node, until ctx ends.
func (k *Kubelet) watchPods(ctx context.Context) {
	// Node authorization allows listing pods only with this selector.
	bound := fields.OneTermEqualSelector("spec.nodeName", k.config.Name).String()
	pods := k.config.Client.CoreV1().Pods(metav1.NamespaceAll)
	source := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = bound
			return pods.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = bound
			return pods.Watch(ctx, options)
		},
	}, k.config.Client)
	known := map[types.UID]*pod{}
	see := func(object any) {
		seen, ok := object.(*corev1.Pod)
		if !ok {
			return
		}
		p := known[seen.UID]
		if p == nil {
			p = k.admit(ctx, seen)
			if p == nil {
				if seen.DeletionTimestamp != nil { // there is nothing to stop
					k.deleteObject(ctx, podName{seen.Namespace, seen.Name}, seen.UID)
				}
				return
			}
			known[seen.UID] = p
		}
		if seen.DeletionTimestamp != nil {
			select {
			case p.deleted <- grace(seen):
			default: // already notified
			}
		}
	}
	_, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: source,
		ObjectType:    &corev1.Pod{},
		ResyncPeriod:  5 * time.Second, // a pod whose admission failed is retried
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    see,
			UpdateFunc: func(_, object any) { see(object) },
			DeleteFunc: func(object any) {
				if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
					object = last.Obj
				}
				if seen, ok := object.(*corev1.Pod); ok && known[seen.UID] != nil {
					close(known[seen.UID].gone)
					delete(known, seen.UID)
				}
			},
		},
	})
	controller.Run(ctx.Done())
}

func grace(object *corev1.Pod) time.Duration {
	if seconds := object.DeletionGracePeriodSeconds; seconds != nil {
		return time.Duration(*seconds) * time.Second
	}
	return defaultGrace
}

// admit starts a pod. It returns nil if the pod cannot run, and writes the reason to its status.
func (k *Kubelet) admit(ctx context.Context, object *corev1.Pod) *pod {
	k.mu.Lock()
	k.addresses++
	// The first is 10.244.0.2; the counter wraps only after more pods than a test cluster ever has.
	number := k.addresses + 1
	k.mu.Unlock()
	address := fmt.Sprintf("10.244.%d.%d", number>>8, number&0xff)
	if object.Spec.HostNetwork {
		address = hostAddress
	}
	p, err := newPod(object, address)
	if err != nil {
		k.log.Warn("pod cannot run", "pod", object.Namespace+"/"+object.Name, "error", err)
		k.patchStatus(ctx, object, waiting(object, err))
		return nil
	}
	p.counts = k.counts.add(object, address)
	k.mu.Lock()
	k.pods[p.name] = p
	k.sandboxes[p.sandbox] = p
	k.mu.Unlock()
	k.work.Go(func() { k.runPod(ctx, p) })
	return p
}

// runPod runs one pod until it is gone: it makes it ready, stops its programs when it is deleted, and cuts its
// connections.
func (k *Kubelet) runPod(ctx context.Context, p *pod) {
	defer k.forget(p)
	started := time.Now()
	k.log.Info("pod runs", "pod", p.name, "address", p.address)
	var ready <-chan time.Time
	isReady := p.readyAfter == 0
	switch {
	case isReady:
		k.patchStatus(ctx, p.object, running(p, started, true))
	case p.readyAfter > 0:
		timer := time.NewTimer(p.readyAfter)
		defer timer.Stop()
		ready = timer.C
		fallthrough
	default:
		k.patchStatus(ctx, p.object, running(p, started, false))
	}
	for {
		select {
		case <-ready:
			isReady = true
			k.patchStatus(ctx, p.object, running(p, started, true))
		case <-p.report:
			k.patchStatus(ctx, p.object, running(p, started, isReady))
		case <-ctx.Done():
			return
		case <-p.killed:
			k.restart(ctx, p, started)
		case <-p.gone:
			k.tearDown(ctx, p)
			return
		case grace := <-p.deleted:
			k.terminate(ctx, p, grace)
			return
		}
	}
}

// terminate keeps the pod reachable until its programs are stopped, and gives them the grace period to finish; then it
// cuts the remaining connections and deletes the object.
func (k *Kubelet) terminate(ctx context.Context, p *pod, grace time.Duration) {
	k.log.Info("pod terminates", "pod", p.name, "grace", grace)
	end := time.NewTimer(grace)
	defer end.Stop()
	if p.stopAfter >= 0 && p.stopAfter < grace {
		stop := time.NewTimer(p.stopAfter)
		defer stop.Stop()
		select {
		case <-stop.C:
			p.stop()
			p.waitIdle(ctx, end.C)
		case <-p.gone:
		case <-ctx.Done():
		}
	} else {
		select {
		case <-end.C:
		case <-p.gone:
		case <-ctx.Done():
		}
	}
	k.tearDown(ctx, p)
	k.deleteObject(ctx, p.name, p.uid)
}

// tearDown kills the pod's programs and removes its network, in the same steps as a container runtime.
func (k *Kubelet) tearDown(ctx context.Context, p *pod) {
	p.close()
	sleep(ctx, noticed)
	p.setPhase(tearingDown)
	sleep(ctx, teardown)
	p.setPhase(networkGone)
}

// waitIdle waits until no connection is open, at most until the end of the grace period.
func (p *pod) waitIdle(ctx context.Context, end <-chan time.Time) {
	select {
	case <-p.idle():
	case <-end:
	case <-p.gone:
	case <-ctx.Done():
	}
}

// deleteObject deletes a pod's object, retrying until the API server confirms it.
func (k *Kubelet) deleteObject(ctx context.Context, name podName, uid types.UID) {
	zero := int64(0)
	for {
		err := k.config.Client.CoreV1().Pods(name.namespace).Delete(ctx, name.name, metav1.DeleteOptions{
			GracePeriodSeconds: &zero, Preconditions: &metav1.Preconditions{UID: &uid},
		})
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) || ctx.Err() != nil {
			return
		}
		k.log.Warn("delete pod", "pod", name, "error", err)
		if !sleep(ctx, retryPause) {
			return
		}
	}
}

// forget kills the pod's programs and removes it from the node. It may be called more than once.
func (k *Kubelet) forget(p *pod) {
	k.mu.Lock()
	if k.pods[p.name] == p {
		delete(k.pods, p.name)
	}
	delete(k.sandboxes, p.sandbox)
	k.mu.Unlock()
	p.close()
	p.counts.gone.Store(true)
}

// patchStatus writes a pod's status, retrying until it is accepted or the pod no longer exists.
func (k *Kubelet) patchStatus(ctx context.Context, object *corev1.Pod, status corev1.PodStatus) {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": object.UID},
		"status":   status,
	})
	if err != nil {
		k.log.Error("encode pod status", "error", err)
		return
	}
	for {
		_, err := k.config.Client.CoreV1().Pods(object.Namespace).Patch(
			ctx, object.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) || ctx.Err() != nil {
			return
		}
		k.log.Warn("pod status", "pod", object.Namespace+"/"+object.Name, "error", err)
		if !sleep(ctx, retryPause) {
			return
		}
	}
}
