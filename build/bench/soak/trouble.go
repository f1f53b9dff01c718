package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// A trouble is a stretch of time in which connections to one stage may be hurt.
type trouble struct {
	what     string
	from, to time.Time
}

// settled is what passes from the end of a trouble until everyone on the way has noticed, on a slow machine too.
const settled = 2 * time.Second

// vex makes trouble for a stage from time to time until during ends. What it began then it brings to its end. It calls made
// after each.
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

// deletePod deletes a Pod as anyone would, and waits until it runs no more.
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

// cut cuts the sessions of a Pod, or resets the connections in them.
func cut(ctx context.Context, t *theatre, _ *stage, pod string) (trouble, error) {
	order, made := t.cluster.DropSessions, trouble{what: "sessions of Pod " + pod + " cut", from: time.Now()}
	if rand.IntN(3) == 0 {
		order, made.what = t.cluster.DropStreams, "connections of Pod "+pod+" reset"
	}
	err := order(ctx, namespace+"/"+pod)
	made.to = time.Now().Add(settled)
	return made, err
}

// silentFor is longer than it takes to find a dead session, and shorter than any patience.
const silentFor = 3 * time.Second

// silence keeps every byte of a Pod's sessions back for a while, as a path does that died without a word and came back.
func silence(ctx context.Context, t *theatre, _ *stage, pod string) (trouble, error) {
	made := trouble{what: "sessions of Pod " + pod + " silent", from: time.Now()}
	err := t.cluster.Blackhole(ctx, namespace+"/"+pod, true)
	if err == nil {
		err = errors.Join(sleep(ctx, silentFor), t.cluster.Blackhole(context.WithoutCancel(ctx), namespace+"/"+pod, false))
	}
	made.to = time.Now().Add(settled)
	return made, err
}
