package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// A trouble is a period in which connections to one stage may fail.
type trouble struct {
	what     string
	from, to time.Time
}

// settled is the time from the end of a fault until all programs involved have noticed, even on a slow machine.
const settled = 2 * time.Second

// vex injects faults into a stage from time to time until during ends; it completes the last one. It calls made after
// each.
func (t *theatre) vex(ctx, during context.Context, s *stage, made func()) error {
	for sleep(during, s.every) == nil {
		pods, err := t.whole(during, s)
		if err != nil {
			if during.Err() != nil {
				return nil
			}
			return err
		}
		trouble, err := s.trouble(ctx, t, s, pods[rand.IntN(len(pods))])
		if err != nil {
			return fmt.Errorf("trouble for %s: %w", s.name, err)
		}
		s.troubles = append(s.troubles, trouble)
		made()
	}
	return nil
}

// deletePod deletes a Pod with kubectl, and waits until it no longer runs unless its programs finish their connections.
func deletePod(ctx context.Context, t *theatre, s *stage, pod string) (trouble, error) {
	made := trouble{what: "Pod " + pod + " deleted", from: time.Now()}
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
func cut(ctx context.Context, t *theatre, _ *stage, pod string) (trouble, error) {
	order, made := t.cluster.DropSessions, trouble{what: "sessions of Pod " + pod + " cut", from: time.Now()}
	if rand.IntN(3) == 0 {
		order, made.what = t.cluster.DropStreams, "connections of Pod "+pod+" reset"
	}
	err := order(ctx, namespace+"/"+pod)
	made.to = time.Now().Add(settled)
	return made, err
}

// silentFor is longer than it takes to detect a dead session, and shorter than any client's timeout.
const silentFor = 3 * time.Second

// silence holds back all bytes of a Pod's sessions for a while, as a network path that fails silently and recovers.
func silence(ctx context.Context, t *theatre, _ *stage, pod string) (trouble, error) {
	made := trouble{what: "sessions of Pod " + pod + " silent", from: time.Now()}
	err := t.cluster.Blackhole(ctx, namespace+"/"+pod, true)
	if err == nil {
		err = errors.Join(sleep(ctx, silentFor), t.cluster.Blackhole(context.WithoutCancel(ctx), namespace+"/"+pod, false))
	}
	made.to = time.Now().Add(settled)
	return made, err
}
