// Package admission bounds what clients cost of which nothing is known yet: how many there are at a time, what memory they
// take, how often they may guess a password, and how often the log speaks of them.
package admission

import (
	"container/list"
	"net"
	"sync"
	"sync/atomic"
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

// surplusClients is how many clients over the limit have a place to be told that there is none; those over that have none.
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

// A Place is a client's in a Gate. It is pending until the client is admitted: until its handshake is complete and, where
// a password is wanted, it has given the right one. A pending client gives way to others when there is no place for them,
// the oldest first, or no memory, the most expensive first: one that knows what it wants is pending for milliseconds and
// costs next to nothing, so that no number of others keeps it out.
type Place struct {
	// Surplus is a place over the limit, whose client is only told that there is no other.
	Surplus bool

	gate  *Gate
	conn  net.Conn
	since time.Time
	gone  chan struct{} // closed when the client gives way

	// The gate's mutex guards these.
	element    *list.Element // nil when the client is not pending
	left       bool
	evicted    bool
	base, head int // what the client costs
}

// Await takes a place for a client, which Leave gives back, and waits for one if need be, until done. There are limit of
// them, and some more for surplus clients; with full, the client is one of those. Without any left, Await returns nil.
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

// take returns a place for a client, or how long to wait for one. With neither there is none left.
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

// leastPending is how long a client keeps its place for certain, which is enough for a handshake. Others wait as long, so
// that clients which come back as soon as they are cut keep nobody from finishing. It is shorter where there are few places,
// for the wait of the last in a queue is what counts.
func leastPending(limit int) time.Duration {
	return min(time.Duration(limit)*time.Millisecond, time.Second)
}

// oldest returns the client that has been pending for longest, except for those that are only told that there is no place.
func (g *Gate) oldest() *Place {
	for e := g.pending.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*Place); !p.Surplus {
			return p
		}
	}
	return nil
}

// costliest returns the pending client that costs most, of equals the oldest.
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

// settle ends a client's time as a pending one.
func (p *Place) settle() {
	if p.element != nil {
		p.gate.cost -= p.base + p.head
		p.gate.pending.Remove(p.element)
		p.element = nil
	}
}

// charge sets what a pending client costs, and cuts the most expensive ones while all together cost too much.
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

// Leave frees the place when all of its client has ended. It may be called for one that gave way.
func (p *Place) Leave() {
	p.gate.mutex.Lock()
	defer p.gate.mutex.Unlock()
	p.free()
	if p.evicted {
		p.evicted = false
		p.gate.ending -= p.base + p.head
	}
}

// Admit ends the client's time as a pending one. It returns false for one that gave way.
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

// ChargeHead sets what the head of a client's request costs. A large one waits while many that were cut have not ended.
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

// Done ends the handshake.
func (c *Tally) Done() {
	c.done = true
	c.place.chargeBase(pendingBase + tlsBase)
}
