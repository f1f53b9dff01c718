package admission

import (
	"net"
	"testing"
	"time"
)

// client returns a client's connection.
func client(t *testing.T) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near
}

// isGone reports whether a place's client gave way.
func isGone(p *Place) bool {
	select {
	case <-p.Gone():
		return true
	default:
		return false
	}
}

func TestThePendingGiveWayTheOldestFirst(t *testing.T) {
	var gate Gate
	var places []*Place
	for range 3 {
		p := gate.Await(nil, client(t), 3, false)
		if p == nil || p.Surplus {
			t.Fatalf("place %+v", p)
		}
		places = append(places, p)
	}
	if !places[0].Admit() {
		t.Fatal("the first client is not admitted")
	}
	next := gate.Await(nil, client(t), 3, false)
	if next.Surplus || isGone(places[0]) || !isGone(places[1]) || isGone(places[2]) || gate.Evicted.Load() != 1 {
		t.Errorf("gone %t, %t, %t; evicted %d", isGone(places[0]), isGone(places[1]), isGone(places[2]), gate.Evicted.Load())
	}
	if places[1].Admit() {
		t.Error("a client that gave way is admitted")
	}
	for _, p := range append(places, next) {
		p.Leave()
	}
	if gate.taken != 0 || gate.cost != 0 || gate.ending != 0 {
		t.Errorf("when all have left, %d places are taken, for %d and %d bytes", gate.taken, gate.cost, gate.ending)
	}
}

func TestClientsOverTheLimitHaveASurplusPlace(t *testing.T) {
	var gate Gate
	first := gate.Await(nil, client(t), 1, false)
	first.Admit()
	for i := range surplusClients {
		if p := gate.Await(nil, client(t), 1, false); p == nil || !p.Surplus {
			t.Fatalf("client %d has place %+v", i, p)
		}
	}
	if p := gate.Await(nil, client(t), 1, false); p != nil {
		t.Errorf("one more has place %+v", p)
	}
}

func TestTheMostExpensiveGiveWay(t *testing.T) {
	var gate Gate
	modest := gate.Await(nil, client(t), 10, false)
	var large []*Place
	for range 3 {
		p := gate.Await(nil, client(t), 10, false)
		p.ChargeHead(maxPending / 3)
		large = append(large, p)
	}
	if isGone(modest) || !isGone(large[0]) || isGone(large[2]) || gate.cost > maxPending {
		t.Errorf("gone: modest %t, large %t %t %t; %d bytes", isGone(modest), isGone(large[0]), isGone(large[1]), isGone(large[2]), gate.cost)
	}
}

func TestABurstIsOneLine(t *testing.T) {
	var b Burst
	at := time.Now()
	if held, ok := b.Admit(at); held != 0 || !ok {
		t.Errorf("the first: %d, %t", held, ok)
	}
	for range 5 {
		if _, ok := b.Admit(at.Add(burstPause / 2)); ok {
			t.Error("one soon after passes")
		}
	}
	if held, ok := b.Admit(at.Add(burstPause)); held != 5 || !ok {
		t.Errorf("one later: %d, %t", held, ok)
	}
}

func TestGuessesAreAnsweredAtAnInterval(t *testing.T) {
	var g Guesses
	at := time.Now()
	var last time.Duration
	answers := 0
	for {
		wait, ok := g.Reserve(at)
		if !ok {
			break
		}
		if wait < wrongPause || wait < last || wait > wrongWait {
			t.Fatalf("answer %d after %s, behind one after %s", answers, wait, last)
		}
		answers, last = answers+1, wait
	}
	if want := wrongBurst + int(wrongWait/wrongInterval); answers != want {
		t.Errorf("%d answers at once, want %d", answers, want)
	}
	if _, ok := g.Reserve(at.Add(wrongInterval)); !ok {
		t.Error("no answer is due later")
	}
}
