package kubelet

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// running returns the status of a pod whose programs run.
func running(p *pod, started time.Time, ready bool) corev1.PodStatus {
	start := metav1.NewTime(started)
	status := corev1.PodStatus{
		Phase:     corev1.PodRunning,
		HostIP:    hostAddress,
		HostIPs:   []corev1.HostIP{{IP: hostAddress}},
		PodIP:     p.address,
		PodIPs:    []corev1.PodIP{{IP: p.address}},
		StartTime: &start,
	}
	for _, kind := range []corev1.PodConditionType{
		corev1.PodInitialized, corev1.PodScheduled, corev1.ContainersReady, corev1.PodReady,
	} {
		met := ready || kind == corev1.PodInitialized || kind == corev1.PodScheduled
		condition := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}
		if !met {
			condition.Status, condition.Reason = corev1.ConditionFalse, "ContainersNotReady"
		}
		status.Conditions = append(status.Conditions, condition)
	}
	for _, container := range p.object.Spec.Containers {
		isStarted := true
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, ImageID: container.Image,
			ContainerID: "program://" + p.sandbox, Ready: ready, Started: &isStarted, RestartCount: p.restartCount(),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: start}},
		})
	}
	return status
}

// waiting returns the status of a pod that cannot run, with the reason in each container's state.
func waiting(object *corev1.Pod, reason error) corev1.PodStatus {
	status := corev1.PodStatus{Phase: corev1.PodPending}
	for _, container := range object.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
				Reason: "CreateContainerError", Message: reason.Error(),
			}},
		})
	}
	return status
}
