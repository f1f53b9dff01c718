package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// A fault is a period in which connections to one deployment may fail.
type fault struct {
	what     string
	from, to time.Time
}

// settled is the time from the end of a fault until all programs involved have noticed, even on a slow machine.
const settled = 2 * time.Second

// injectFaults injects faults into a deployment from time to time until during ends; it completes the last one. It
// calls made after each.
func (t *testbed) injectFaults(ctx, during context.Context, s *deployment, made func()) error {
	for sleep(during, s.every) == nil {
		pods, err := t.waitReady(during, s)
		if err != nil {
			if during.Err() != nil {
				return nil
			}
			return err
		}
		fault, err := s.fault(ctx, t, s, pods[rand.IntN(len(pods))])
		if err != nil {
			return fmt.Errorf("fault for %s: %w", s.name, err)
		}
		s.faults = append(s.faults, fault)
		made()
	}
	return nil
}

// deletePod deletes a Pod with kubectl, and waits until it no longer runs unless its programs finish their connections.
func deletePod(ctx context.Context, t *testbed, s *deployment, pod string) (fault, error) {
	made := fault{what: "Pod " + pod + " deleted", from: time.Now()}
	if _, err := t.cluster.Kubectl(ctx, "--namespace", namespace, "delete", "pod", pod, "--wait=false"); err != nil {
		return made, err
	}
	for !s.finishes {
		stats, err := t.cluster.Stats(ctx)
		if err != nil {
			return made, err
		}
		if stats.Pod(namespace, pod).Gone {
			break
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return made, err
		}
	}
	made.to = time.Now().Add(settled)
	return made, nil
}

// cut drops the sessions of a Pod, or resets the connections in them.
func cut(ctx context.Context, t *testbed, _ *deployment, pod string) (fault, error) {
	drop, made := t.cluster.DropSessions, fault{what: "sessions of Pod " + pod + " cut", from: time.Now()}
	if rand.IntN(3) == 0 {
		drop, made.what = t.cluster.DropStreams, "connections of Pod "+pod+" reset"
	}
	err := drop(ctx, namespace+"/"+pod)
	made.to = time.Now().Add(settled)
	return made, err
}

// silentFor is longer than it takes to detect a dead session, and shorter than any client's timeout.
const silentFor = 3 * time.Second

// silence holds back all bytes of a Pod's sessions for a while, as a network path that fails silently and recovers.
func silence(ctx context.Context, t *testbed, _ *deployment, pod string) (fault, error) {
	made := fault{what: "sessions of Pod " + pod + " silent", from: time.Now()}
	err := t.cluster.Blackhole(ctx, namespace+"/"+pod, true)
	if err == nil {
		err = errors.Join(sleep(ctx, silentFor), t.cluster.Blackhole(context.WithoutCancel(ctx), namespace+"/"+pod, false))
	}
	made.to = time.Now().Add(settled)
	return made, err
}
