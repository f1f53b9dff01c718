// Package admission bounds the cost of clients that have not been authenticated yet: how many there are at a time, how
// much memory they use, how often they may guess a password, and how often the log mentions them.
package admission

import (
	"container/list"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/proxy/stream"
)

// What clients cost before they are admitted, in bytes. Their sum is bounded, because a password does not keep a client
// from connecting, and a megabyte for each of a thousand clients would be too much.
const (
	maxPending  = 32 << 20 // for all clients of a Server that have not been admitted
	pendingBase = 16 << 10 // for each of them: goroutines and small buffers
	tlsBase     = 64 << 10 // for one behind TLS: buffers and the certificates it sent
	tlsFactor   = 4        // of what a client sends in its TLS handshake, which is kept and parsed

	maxEnding   = maxPending / 2 // for those that were cut and have not ended yet; a new large head waits for them
	largeHead   = 16 << 10       // which few legitimate clients send
	endingPause = 5 * time.Millisecond
)

// surplusClients is how many clients over the limit get a place, in which they are only refused. Further clients get
// none.
const surplusClients = 64

// A Gate has places for the clients of a Server. The zero value is ready.
type Gate struct {
	// Evicted counts the clients that gave way.
	Evicted atomic.Int64

	mutex   sync.Mutex
	freed   chan struct{} // gets one when a place is free; made by the first take
	taken   int
	pending list.List // of *Place, the oldest first
	cost    int       // of those pending
	ending  int       // what those cost that were cut and have not ended yet
}

// A Place is the place of a client in a Gate. It is pending until the client is admitted: until its handshake is
// complete, with the right password if one is required. A pending client gives way when there is no place for another
// one (the oldest first) or too little memory (the most expensive first). An ordinary client is pending for
// milliseconds and costs next to nothing, so any number of others cannot keep it out.
type Place struct {
	// Surplus is set for a place over the limit, whose client is only refused.
	Surplus bool

	gate  *Gate
	conn  net.Conn
	since time.Time
	gone  chan struct{} // closed when the client gives way

	// The gate's mutex guards these.
	element    *list.Element // nil if the client is not pending
	left       bool
	evicted    bool
	base, head int // what the client costs
}

// Await takes a place for a client, which Leave returns. It waits for one if necessary, until done is closed. There are
// limit places, and some more for surplus clients; if full is true, the client is one of those. If there is no place
// left, Await returns nil.
func (g *Gate) Await(done <-chan struct{}, conn net.Conn, limit int, full bool) *Place {
	for {
		p, wait := g.take(conn, limit, full)
		if wait == 0 {
			return p
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-g.freed:
		case <-done:
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// take returns a place for a client, or how long to wait for one. If it returns neither, there is none left.
func (g *Gate) take(conn net.Conn, limit int, full bool) (p *Place, wait time.Duration) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.freed == nil {
		g.freed = make(chan struct{}, 1)
	}
	if g.ending > maxEnding {
		return nil, endingPause
	}
	now := time.Now()
	if oldest := g.oldest(); !full && g.taken >= limit && oldest != nil {
		if wait = oldest.since.Add(leastPending(limit)).Sub(now); wait > 0 {
			return nil, wait
		}
		g.evict(oldest)
	}
	surplus := full || g.taken >= limit
	if !full && g.taken >= limit+surplusClients {
		return nil, 0
	}
	p = &Place{gate: g, conn: conn, since: now, Surplus: surplus, gone: make(chan struct{})}
	g.taken++
	p.element = g.pending.PushBack(p)
	p.charge(pendingBase, 0)
	return p, 0
}

// leastPending is how long a client certainly keeps its place, which is enough for a handshake. Other clients wait that
// long, so that clients that reconnect as soon as they are cut do not keep others from finishing. It is shorter if
// there are few places, because then the queue is longer.
func leastPending(limit int) time.Duration {
	return min(time.Duration(limit)*time.Millisecond, time.Second)
}

// oldest returns the client that has been pending for longest, except for surplus ones.
func (g *Gate) oldest() *Place {
	for e := g.pending.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*Place); !p.Surplus {
			return p
		}
	}
	return nil
}

// costliest returns the pending client that costs most; among equals, the oldest.
func (g *Gate) costliest() *Place {
	var most *Place
	for e := g.pending.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*Place); most == nil || p.base+p.head > most.base+most.head {
			most = p
		}
	}
	return most
}

// evict cuts a pending client, whose place is free from now on.
func (g *Gate) evict(p *Place) {
	if p == nil {
		return
	}
	p.free()
	p.evicted = true
	g.ending += p.base + p.head
	close(p.gone)
	stream.Reset(p.conn)
	g.Evicted.Add(1)
}

// free frees a place, once. Its client may still be ending.
func (p *Place) free() {
	p.settle()
	if !p.left {
		p.left = true
		p.gate.taken--
		select {
		case p.gate.freed <- struct{}{}:
		default:
		}
	}
}

// settle makes a client no longer pending.
func (p *Place) settle() {
	if p.element != nil {
		p.gate.cost -= p.base + p.head
		p.gate.pending.Remove(p.element)
		p.element = nil
	}
}

// charge sets what a pending client costs, and cuts the most expensive ones while the sum is too large.
func (p *Place) charge(base, head int) {
	if p.element == nil {
		return
	}
	p.gate.cost += base + head - p.base - p.head
	p.base, p.head = base, head
	for p.gate.cost > maxPending {
		p.gate.evict(p.gate.costliest())
	}
}

// Leave frees the place once its client has ended altogether. It may be called for one that gave way.
func (p *Place) Leave() {
	p.gate.mutex.Lock()
	defer p.gate.mutex.Unlock()
	p.free()
	if p.evicted {
		p.evicted = false
		p.gate.ending -= p.base + p.head
	}
}

// Admit makes the client no longer pending. It returns false if the client gave way.
func (p *Place) Admit() bool {
	p.gate.mutex.Lock()
	defer p.gate.mutex.Unlock()
	p.settle()
	return !p.left
}

// chargeBase sets what a client costs apart from its request's head.
func (p *Place) chargeBase(bytes int) {
	p.gate.mutex.Lock()
	defer p.gate.mutex.Unlock()
	p.charge(bytes, p.head)
}

// ChargeHead sets what the head of a client's request costs. A large head waits while many clients that were cut have
// not ended.
func (p *Place) ChargeHead(bytes int) {
	for !p.tryChargeHead(bytes) {
		timer := time.NewTimer(endingPause)
		select {
		case <-timer.C:
		case <-p.gone:
		}
		timer.Stop()
	}
}

func (p *Place) tryChargeHead(bytes int) bool {
	p.gate.mutex.Lock()
	defer p.gate.mutex.Unlock()
	if p.element != nil && bytes > max(largeHead, p.head) && p.gate.ending > maxEnding {
		return false
	}
	p.charge(p.base, bytes)
	return true
}

// Gone is closed when the client gives way.
func (p *Place) Gone() <-chan struct{} { return p.gone }

// A Tally counts the bytes of a TLS handshake as its client's cost.
type Tally struct {
	net.Conn
	place *Place
	read  int
	done  bool
}

// Tally returns conn for a TLS handshake.
func (p *Place) Tally(conn net.Conn) *Tally { return &Tally{Conn: conn, place: p} }

func (c *Tally) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.done {
		c.read += n
		c.place.chargeBase(pendingBase + tlsFactor*c.read)
	}
	return n, err
}

// Done is called at the end of the handshake.
func (c *Tally) Done() {
	c.done = true
	c.place.chargeBase(pendingBase + tlsBase)
}
