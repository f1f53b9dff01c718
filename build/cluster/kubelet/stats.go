package kubelet

import (
	"io"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
)

// Stats holds the node's counters.
type Stats struct {
	// Sessions counts the port-forward requests that arrived, by protocol: "websocket" (SPDY tunnelled through a
	// WebSocket), "websocket-v4" (the older channel protocol) and "spdy". Refused ones count too.
	Sessions map[string]int64 `json:"sessions"`
	// Pods has an entry for each pod that ever ran, in order of admission.
	Pods []PodStats `json:"pods"`
}

// PodStats holds the counters of one pod.
type PodStats struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	Address   string `json:"address"`
	// Gone reports that the pod no longer runs.
	Gone bool `json:"gone"`
	// Sessions counts port-forward sessions by protocol; SessionsOpen counts those that are open now.
	Sessions     map[string]int64 `json:"sessions"`
	SessionsOpen int64            `json:"sessionsOpen"`
	// Streams counts forwarded connections, StreamsOpen those that are open now, and Refused those to ports on which
	// nothing listens.
	Streams     int64 `json:"streams"`
	StreamsOpen int64 `json:"streamsOpen"`
	Refused     int64 `json:"refused"`
	// BytesIn counts bytes to the pod's programs, BytesOut bytes from them.
	BytesIn  int64 `json:"bytesIn"`
	BytesOut int64 `json:"bytesOut"`
}

// The protocols of a port-forward session, as indices of their counters.
const (
	protocolWebSocket = iota
	protocolWebSocketV4
	protocolSPDY
	protocolCount
)

var protocolNames = [protocolCount]string{"websocket", "websocket-v4", "spdy"}

type protocolCounts [protocolCount]atomic.Int64

func (c *protocolCounts) byName() map[string]int64 {
	counts := map[string]int64{}
	for i, name := range protocolNames {
		counts[name] = c[i].Load()
	}
	return counts
}

type counts struct {
	sessions protocolCounts

	mu   sync.Mutex
	pods []*podCounts
}

// podCounts holds the counters of one pod. It outlives the pod.
type podCounts struct {
	namespace, name, uid, address string

	gone                          atomic.Bool
	sessions                      protocolCounts
	sessionsOpen                  atomic.Int64
	streams, streamsOpen, refused atomic.Int64
	bytesIn, bytesOut             atomic.Int64
}

func (c *counts) add(object *corev1.Pod, address string) *podCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &podCounts{namespace: object.Namespace, name: object.Name, uid: string(object.UID), address: address}
	c.pods = append(c.pods, p)
	return p
}

// Stats returns the node's counters.
func (k *Kubelet) Stats() Stats {
	c := &k.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := Stats{Sessions: c.sessions.byName(), Pods: []PodStats{}}
	for _, p := range c.pods {
		stats.Pods = append(stats.Pods, PodStats{
			Namespace: p.namespace, Name: p.name, UID: p.uid, Address: p.address,
			Gone:     p.gone.Load(),
			Sessions: p.sessions.byName(), SessionsOpen: p.sessionsOpen.Load(),
			Streams: p.streams.Load(), StreamsOpen: p.streamsOpen.Load(), Refused: p.refused.Load(),
			BytesIn: p.bytesIn.Load(), BytesOut: p.bytesOut.Load(),
		})
	}
	return stats
}

// countingWriter is a writer that counts the bytes written to it. It counts a byte before it writes it, so that every
// byte that the reader has received is in the count.
type countingWriter struct {
	w     io.Writer
	count *atomic.Int64
}

func (c countingWriter) Write(p []byte) (int, error) {
	c.count.Add(int64(len(p)))
	n, err := c.w.Write(p)
	c.count.Add(int64(n - len(p)))
	return n, err
}
