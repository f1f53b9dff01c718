package proxy

import (
	"container/list"
	"errors"
	"net"
	"sync"
	"time"

	"fairlead/proxy/stream"
)

// What clients cost that nothing is known of yet, in bytes. Their sum is bounded, however many there may be: a password
// keeps nobody from connecting, and a megabyte for each would be too much for a thousand of them.
const (
	maxPending  = 32 << 20 // for all clients of a Server that have not been admitted
	pendingBase = 16 << 10 // for each of them: goroutines and small buffers
	tlsBase     = 64 << 10 // for one behind TLS: buffers and the certificates it sent
	tlsFactor   = 4        // of what a client sends in its TLS handshake, which is kept and parsed

	maxEnding   = maxPending / 2 // for those that were cut and have not ended yet; what is new and large waits for them
	largeHead   = 16 << 10       // as few clients that mean well send
	endingPause = 5 * time.Millisecond
)

// errGaveWay is a client that was cut before it was admitted.
var errGaveWay = errors.New("cut before it had asked for anything it may have: too many other clients did the same")

// A place is a client's in the gate. It is pending until the client is admitted: until its handshake is complete and, where
// a password is wanted, it has given the right one. A pending client gives way to others when there is no place for them,
// the oldest first, or no memory, the most expensive first: one that knows what it wants is pending for milliseconds and
// costs next to nothing, so that no number of others keeps it out.
type place struct {
	gate    *gate
	conn    net.Conn
	surplus bool // it is over Config.Connections
	since   time.Time
	gone    chan struct{} // closed when the client gives way

	// The gate's mutex guards these.
	element    *list.Element // nil when the client is not pending
	left       bool
	evicted    bool
	base, head int // what the client costs
}

// places are the clients of a Server.
type places struct {
	mutex   sync.Mutex
	taken   int
	pending list.List // of *place, the oldest first
	cost    int       // of those pending
	ending  int       // what those cost that were cut and have not ended yet
	freed   chan struct{}
}

// maxEntering is how many connections are accepted that have no place yet. Others wait in the listener's queue.
const maxEntering = 16

// take returns a place for a client, which leave gives back, or how long to wait for one. With full it is a surplus one.
// With neither there is none left.
func (g *gate) take(conn net.Conn, limit int, full bool) (p *place, wait time.Duration) {
	g.places.mutex.Lock()
	defer g.places.mutex.Unlock()
	if g.places.ending > maxEnding {
		return nil, endingPause
	}
	now := time.Now()
	if oldest := g.oldest(); !full && g.places.taken >= limit && oldest != nil {
		if wait = oldest.since.Add(leastPending(limit)).Sub(now); wait > 0 {
			return nil, wait
		}
		g.evict(oldest)
	}
	surplus := full || g.places.taken >= limit
	if !full && g.places.taken >= limit+surplusClients {
		return nil, 0
	}
	p = &place{gate: g, conn: conn, since: now, surplus: surplus, gone: make(chan struct{})}
	g.places.taken++
	p.element = g.places.pending.PushBack(p)
	p.charge(pendingBase, 0)
	return p, 0
}

// leastPending is how long a client keeps its place for certain, which is enough for a handshake. Others wait as long, so
// that clients which come back as soon as they are cut keep nobody from finishing. It is shorter where there are few places,
// for the wait of the last in a queue is what counts.
func leastPending(limit int) time.Duration {
	return min(time.Duration(limit)*time.Millisecond, time.Second)
}

// await takes a place for a client, and waits for one if need be. Only so many wait at a time; see serving.accept.
func (c *connection) await(conn net.Conn) *place {
	gate := &c.server.gate
	for {
		p, wait := gate.take(conn, c.config.Connections, c.full != nil)
		if wait == 0 {
			return p
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-gate.places.freed:
		case <-c.stopping.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// oldest returns the client that has been pending for longest, except for those that are only told that there is no place.
func (g *gate) oldest() *place {
	for e := g.places.pending.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*place); !p.surplus {
			return p
		}
	}
	return nil
}

// costliest returns the pending client that costs most, of equals the oldest.
func (g *gate) costliest() *place {
	var most *place
	for e := g.places.pending.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*place); most == nil || p.base+p.head > most.base+most.head {
			most = p
		}
	}
	return most
}

// evict cuts a pending client, whose place is free from now on.
func (g *gate) evict(p *place) {
	if p == nil {
		return
	}
	p.free()
	p.evicted = true
	g.places.ending += p.base + p.head
	close(p.gone)
	stream.Reset(p.conn)
	g.evicted.Add(1)
}

// free gives a place back, once. Its client may still be ending.
func (p *place) free() {
	p.settle()
	if !p.left {
		p.left = true
		p.gate.places.taken--
		select {
		case p.gate.places.freed <- struct{}{}:
		default:
		}
	}
}

// settle ends a client's time as a pending one.
func (p *place) settle() {
	if p.element != nil {
		p.gate.places.cost -= p.base + p.head
		p.gate.places.pending.Remove(p.element)
		p.element = nil
	}
}

// charge sets what a pending client costs, and cuts the most expensive ones while all together cost too much.
func (p *place) charge(base, head int) {
	if p.element == nil {
		return
	}
	p.gate.places.cost += base + head - p.base - p.head
	p.base, p.head = base, head
	for p.gate.places.cost > maxPending {
		p.gate.evict(p.gate.costliest())
	}
}

// leave gives the place back when all of its client has ended. It may be called for one that gave way.
func (p *place) leave() {
	p.gate.places.mutex.Lock()
	defer p.gate.places.mutex.Unlock()
	p.free()
	if p.evicted {
		p.evicted = false
		p.gate.places.ending -= p.base + p.head
	}
}

// admit ends the client's time as a pending one. It returns false for one that gave way.
func (p *place) admit() bool {
	p.gate.places.mutex.Lock()
	defer p.gate.places.mutex.Unlock()
	p.settle()
	return !p.left
}

// chargeBase sets what a client costs apart from its request's head.
func (p *place) chargeBase(bytes int) {
	p.gate.places.mutex.Lock()
	defer p.gate.places.mutex.Unlock()
	p.charge(bytes, p.head)
}

// chargeHead sets what the head of a client's request costs. A large one waits while many that were cut have not ended.
func (p *place) chargeHead(bytes int) {
	for !p.tryChargeHead(bytes) {
		timer := time.NewTimer(endingPause)
		select {
		case <-timer.C:
		case <-p.gone:
		}
		timer.Stop()
	}
}

func (p *place) tryChargeHead(bytes int) bool {
	p.gate.places.mutex.Lock()
	defer p.gate.places.mutex.Unlock()
	if p.element != nil && bytes > max(largeHead, p.head) && p.gate.places.ending > maxEnding {
		return false
	}
	p.charge(p.base, bytes)
	return true
}

// sayEvicted logs now and then how many clients gave way.
func (c *connection) sayEvicted() {
	gate := &c.server.gate
	if gate.evicted.Load() == 0 {
		return
	}
	if _, ok := gate.crowded.admit(time.Now()); ok {
		c.config.Log.Warn().Int64("clients", gate.evicted.Swap(0)).Msg("cut clients that had not asked for anything yet, to serve others")
	}
}

// A tallyConn counts the bytes of a TLS handshake as its client's cost.
type tallyConn struct {
	net.Conn
	place *place
	read  int
	done  bool
}

func (c *tallyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.done {
		c.read += n
		c.place.chargeBase(pendingBase + tlsFactor*c.read)
	}
	return n, err
}
