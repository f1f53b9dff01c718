//go:build node

package nodetest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/spdystream/spdy"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"fairlead/build/clustertest"
)

// wire is the client's end of one SPDY session of a port-forward. It records every frame that it receives.
type wire struct {
	t      testing.TB
	conn   *tls.Conn
	framer *spdy.Framer

	writing sync.Mutex
	next    spdy.StreamId

	mu      sync.Mutex
	changed chan struct{} // closed when a frame has arrived
	pairs   []*pair
	streams map[spdy.StreamId]*pair
	pings   int
	ended   bool
}

// pair is one forwarded connection: an error stream and a data stream.
type pair struct {
	opened time.Time
	events []event
	data   bytes.Buffer
	text   bytes.Buffer
	error  spdy.StreamId
	stream spdy.StreamId
}

// event is something that was received on a pair. Consecutive bytes are one event.
type event struct {
	what string
	at   time.Duration // since the pair was opened
}

// dialWire opens a session to a pod of the namespace default.
func dialWire(t *testing.T, c *clustertest.Cluster, pod string) *wire {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		t.Fatal(err)
	}
	tlsConfig.NextProtos = []string{"http/1.1"}
	address := strings.TrimPrefix(config.Host, "https://")
	conn, err := tls.Dial("tcp", address, tlsConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	request, err := http.NewRequest(http.MethodPost, config.Host+"/api/v1/namespaces/default/pods/"+pod+"/portforward", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "SPDY/3.1")
	request.Header.Set("X-Stream-Protocol-Version", "portforward.k8s.io")
	if err := request.Write(conn); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade to SPDY: %s", response.Status)
	}
	w := &wire{t: t, conn: conn, next: 1, changed: make(chan struct{}), streams: map[spdy.StreamId]*pair{}}
	if w.framer, err = spdy.NewFramer(conn, reader); err != nil {
		t.Fatal(err)
	}
	go w.read()
	return w
}

// open opens a pair to a port and sends the first bytes, if any.
func (w *wire) open(port int, first string) *pair {
	w.t.Helper()
	w.writing.Lock()
	defer w.writing.Unlock()
	w.mu.Lock()
	p := &pair{opened: time.Now(), error: w.next, stream: w.next + 2}
	request := len(w.pairs)
	w.next += 4
	w.pairs = append(w.pairs, p)
	w.streams[p.error], w.streams[p.stream] = p, p
	w.mu.Unlock()
	for _, half := range []struct {
		kind  string
		id    spdy.StreamId
		flags spdy.ControlFlags
	}{{"error", p.error, spdy.ControlFlagFin}, {"data", p.stream, 0}} {
		w.write(&spdy.SynStreamFrame{
			StreamId: half.id, CFHeader: spdy.ControlFrameHeader{Flags: half.flags},
			Headers: http.Header{
				"streamtype": {half.kind}, "port": {strconv.Itoa(port)}, "requestid": {strconv.Itoa(request)},
			},
		})
	}
	if first != "" {
		w.write(&spdy.DataFrame{StreamId: p.stream, Data: []byte(first)})
	}
	return p
}

// send sends bytes on a pair's data stream, and ends it if fin is set.
func (w *wire) send(p *pair, data string, fin bool) {
	w.t.Helper()
	w.writing.Lock()
	defer w.writing.Unlock()
	frame := &spdy.DataFrame{StreamId: p.stream, Data: []byte(data)}
	if fin {
		frame.Flags = spdy.DataFlagFin
	}
	w.write(frame)
}

func (w *wire) ping(id uint32) {
	w.t.Helper()
	w.writing.Lock()
	defer w.writing.Unlock()
	w.write(&spdy.PingFrame{Id: id})
}

func (w *wire) write(frame spdy.Frame) {
	w.t.Helper()
	if err := w.conn.SetWriteDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	if err := w.framer.WriteFrame(frame); err != nil {
		w.t.Fatalf("write a frame: %v", err)
	}
}

// read records frames until the session ends.
func (w *wire) read() {
	for {
		frame, err := w.framer.ReadFrame()
		w.mu.Lock()
		if err != nil {
			w.ended = true
			for _, p := range w.pairs {
				p.add("session ends")
			}
		} else {
			w.note(frame)
		}
		close(w.changed)
		w.changed = make(chan struct{})
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (w *wire) note(frame spdy.Frame) {
	switch frame := frame.(type) {
	case *spdy.SynReplyFrame:
		w.on(frame.StreamId, "reply", frame.CFHeader.Flags&spdy.ControlFlagFin != 0)
	case *spdy.DataFrame:
		p := w.streams[frame.StreamId]
		if p == nil {
			return
		}
		if len(frame.Data) > 0 {
			if frame.StreamId == p.error {
				p.text.Write(frame.Data)
				p.add("error text")
			} else {
				p.data.Write(frame.Data)
				p.add("data bytes")
			}
		}
		if frame.Flags&spdy.DataFlagFin != 0 {
			w.on(frame.StreamId, "fin", false)
		}
	case *spdy.RstStreamFrame:
		w.on(frame.StreamId, fmt.Sprintf("rst %d", frame.Status), false)
	case *spdy.GoAwayFrame:
		for _, p := range w.pairs {
			p.add("goaway")
		}
	case *spdy.PingFrame:
		w.pings++
	}
}

func (w *wire) on(id spdy.StreamId, what string, fin bool) {
	p := w.streams[id]
	if p == nil {
		return
	}
	kind := "data "
	if id == p.error {
		kind = "error "
	}
	p.add(kind + what)
	if fin {
		p.add(kind + "fin")
	}
}

func (p *pair) add(what string) {
	if last := len(p.events) - 1; last >= 0 && p.events[last].what == what {
		return // more bytes
	}
	p.events = append(p.events, event{what, time.Since(p.opened)})
}

// await waits until the condition holds, for at most patience, and reports whether it does.
func (w *wire) await(patience time.Duration, holds func() bool) bool {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		w.mu.Lock()
		changed, ok := w.changed, holds()
		w.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// has reports whether an event has been recorded. The caller must hold the wire's lock.
func (p *pair) has(what string) bool {
	for _, e := range p.events {
		if e.what == what {
			return true
		}
	}
	return false
}

// The parts of a text that differ from Pod to Pod.
var (
	sandboxName   = regexp.MustCompile(`[0-9a-f]{64}`)
	namespacePath = regexp.MustCompile(`/var/run/netns/cni-[0-9a-f-]+`)
)

func normal(text string) string {
	text = sandboxName.ReplaceAllString(text, "SANDBOX")
	return namespacePath.ReplaceAllString(text, "NETNS")
}
