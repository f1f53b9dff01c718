package main

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// makePod makes a pod with one program behind one port, and removes it at the end.
func makePod(t *testing.T, program string, annotations map[string]string, grace int64, port int32) string {
	t.Helper()
	pods := shared.client(t).CoreV1().Pods("default")
	made, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Annotations: annotations},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &grace,
			Containers: []corev1.Container{{
				Name: "main", Image: "demo.local/" + program, Ports: []corev1.ContainerPort{{ContainerPort: port}},
			}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		zero := int64(0)
		err := pods.Delete(context.WithoutCancel(t.Context()), made.Name, metav1.DeleteOptions{GracePeriodSeconds: &zero})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("remove the pod: %v", err)
		}
	})
	return made.Name
}

func runPod(t *testing.T, program string, annotations map[string]string, grace int64, port int32) string {
	t.Helper()
	name := makePod(t, program, annotations, grace, port)
	eventually(t, "the pod is ready", func() bool { return isReady(t, name) })
	return name
}

func isReady(t *testing.T, name string) bool {
	t.Helper()
	pod, err := shared.client(t).CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func exists(t *testing.T, name string) bool {
	t.Helper()
	_, err := shared.client(t).CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

func deletePod(t *testing.T, name string) {
	t.Helper()
	if err := shared.client(t).CoreV1().Pods("default").Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestDeletedPodIsReachableForItsGracePeriodAndIsThenCut(t *testing.T) {
	overBoth(t, func(t *testing.T, protocol string) {
		t.Parallel()
		name := runPod(t, "echo", nil, 6, 7000)
		s := mustDial(t, shared, protocol, name)
		old := s.open(7000)
		old.send("before")
		old.receive(len("before"))
		began := time.Now()
		deletePod(t, name)
		late := s.open(7000)
		late.send("after")
		if got := late.receive(len("after")); got != "after" {
			t.Errorf("a new connection while the pod terminates: %q", got)
		}
		old.send("still")
		if got := old.receive(len("still")); got != "still" {
			t.Errorf("an old connection while the pod terminates: %q", got)
		}
		old.rest()
		if took := time.Since(began); took < 5900*time.Millisecond {
			t.Errorf("cut after %v of a grace period of 6 s", took)
		}
		eventually(t, "the object goes", func() bool { return !exists(t, name) })
		if failure := s.refusal(7000); !strings.Contains(failure, "failed to find sandbox") {
			t.Errorf("a connection to a pod that is gone: %q", failure)
		}
		stats := shared.podStats(t, "default/"+name)
		if !stats.Gone || stats.StreamsOpen != 0 {
			t.Errorf("%+v", stats)
		}
	})
}

func TestProgramToldToStopRefusesNewConnectionsAndFinishesOldOnes(t *testing.T) {
	name := runPod(t, "echo", map[string]string{"fairlead.test/stop-after": "0s"}, 600, 7000)
	s := mustDial(t, shared, "spdy", name)
	old := s.open(7000)
	old.send("open")
	old.receive(len("open"))
	deletePod(t, name)
	eventually(t, "new connections are refused", func() bool {
		return strings.Contains(s.refusal(7000), "connection refused")
	})
	old.send("finish")
	if got := old.receive(len("finish")); got != "finish" {
		t.Errorf("%q", got)
	}
	old.data.Close()
	// The pod is idle long before its ten minutes of grace.
	eventually(t, "the pod goes", func() bool { return !exists(t, name) })
}

func TestPodDeletedByForceIsCutAtOnce(t *testing.T) {
	name := runPod(t, "echo", nil, 600, 7000)
	f := mustDial(t, shared, "websocket", name).open(7000)
	f.send("open")
	f.receive(len("open"))
	zero := int64(0)
	err := shared.client(t).CoreV1().Pods("default").Delete(t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: &zero})
	if err != nil {
		t.Fatal(err)
	}
	f.rest()
}

func TestReadinessFollowsTheAnnotation(t *testing.T) {
	if isReady(t, "not-ready") {
		t.Error("not-ready is ready")
	}
	began := time.Now()
	runPod(t, "http", map[string]string{"fairlead.test/ready-after": "1500ms"}, 1, 8080)
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("ready after %v", took)
	}
}
