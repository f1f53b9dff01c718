package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"fairlead/build/bench/row"
	"fairlead/build/clustertest"
)

const (
	crowdNamespaceSize = 100 // Services in each namespace
	crowdWithin        = 2 * time.Minute
)

// startCrowd starts the big cluster. It has no controllers, so that Fairlead makes the only requests. startCrowd
// returns when the real Pods run.
func startCrowd(ctx context.Context, p parameters, say func(string, ...any)) (crowd row.Crowd, stop func() error, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, crowdWithin, fmt.Errorf("the big cluster is not ready after %s", crowdWithin))
	defer cancel()
	say("start a cluster of %d Services and %d Pods, written straight into its etcd", row.CrowdServices, 2*row.CrowdServices)
	cluster, err := clustertest.Launch(ctx, clustertest.Options{NoControllers: true, Audit: true, Crowd: row.CrowdServices})
	if err != nil {
		return row.Crowd{}, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, cluster.Stop())
		}
	}()
	admin := kubectl{command: []string{p.Cluster, "kubectl"}, kubeconfig: cluster.Kubeconfig}
	crowd = row.Crowd{
		Kubeconfig: cluster.Kubeconfig, Audit: filepath.Join(cluster.State, "audit.log"), Namespaces: row.CrowdServices / crowdNamespaceSize,
	}
	if err := poll(ctx, func() error {
		stats, err := cluster.Stats(ctx)
		if err == nil && len(stats.Pods) < row.CrowdPods {
			err = fmt.Errorf("%d of %d Pods run", len(stats.Pods), row.CrowdPods)
		}
		return err
	}); err != nil {
		return row.Crowd{}, nil, err
	}
	const namespace, service = "crowd-000", "svc-000"
	if crowd.Service, err = admin.run(ctx, "", "--namespace", namespace, "get", "service", service, "--output", "jsonpath={.spec.clusterIP}"); err != nil {
		return row.Crowd{}, nil, err
	}
	if err := poll(ctx, func() error {
		crowd.Pod, err = admin.run(ctx, "", "--namespace", namespace, "get", "pod", service+"-0", "--output", "jsonpath={.status.podIP}")
		if err == nil && !strings.HasPrefix(crowd.Pod, "10.244.") {
			err = fmt.Errorf("the node has not reported the Pod's address yet (%s)", crowd.Pod)
		}
		return err
	}); err != nil {
		return row.Crowd{}, nil, err
	}
	say("%d of its Pods are real, and run", row.CrowdPods)
	return crowd, cluster.Stop, nil
}
