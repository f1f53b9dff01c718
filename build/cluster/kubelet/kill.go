package kubelet

import (
	"context"
	"time"
)

// restartPause is about how long a kubelet takes to notice that a container has ended and to start another.
const restartPause = time.Second

// KillContainer kills the programs of a pod, as kill -9 kills those of a container; the node restarts them. The pod is
// named NAMESPACE/NAME or by its UID.
func (k *Kubelet) KillContainer(pod string) error {
	p, err := k.find(pod)
	if err != nil {
		return err
	}
	for _, port := range p.listening() {
		port.Close()
	}
	select {
	case p.killed <- struct{}{}:
	default: // a restart is already pending
	}
	return nil
}

// restart restarts a pod's programs after they have been killed. The pod is not ready meanwhile.
func (k *Kubelet) restart(ctx context.Context, p *pod, started time.Time) {
	k.patchStatus(ctx, p.object, running(p, started, false))
	if !sleep(ctx, restartPause) {
		return
	}
	if err := p.listen(); err != nil {
		k.log.Error("restart pod", "pod", p.name, "error", err)
		return
	}
	p.mu.Lock()
	p.restarts++
	p.mu.Unlock()
	k.patchStatus(ctx, p.object, running(p, started, p.readyAfter >= 0))
}

func (p *pod) restartCount() int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restarts
}
