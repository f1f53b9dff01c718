package delayline

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// device is a TUN device made of channels.
type device struct {
	in     chan []byte
	out    chan []byte
	closed chan struct{}
	broken error // what Read returns when in is closed
}

func newDevice() *device {
	return &device{in: make(chan []byte, 1000), out: make(chan []byte, 1000), closed: make(chan struct{})}
}

func (d *device) Read(b []byte) (int, error) {
	select {
	case frame, ok := <-d.in:
		if !ok {
			return 0, d.broken
		}
		return copy(b, frame), nil
	case <-d.closed:
		return 0, io.EOF
	}
}

func (d *device) Write(b []byte) (int, error) {
	d.out <- bytes.Clone(b)
	return len(b), nil
}

func (d *device) Close() error { close(d.closed); return nil }

// runLine runs a line on the device until the test ends.
func runLine(t *testing.T, d *device, wait func(heldFrame)) {
	line := New(d)
	line.wait = wait
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- line.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the line ended: %v", err)
		}
	})
}

func payload(frame []byte) string { return string(frame[offloadHeader+ipv4Header+20:]) }

func TestPacketsOfOneRoundTripKeepTheirOrder(t *testing.T) {
	d := newDevice()
	const count = 500
	for i := range count {
		// Small ones and trains of segments take different buffers.
		d.in <- frameTo(40, fmt.Sprint(i, strings.Repeat("-", i%3*1500)))
	}
	runLine(t, d, func(heldFrame) {})
	for i := range count {
		if got, want := payload(<-d.out), fmt.Sprint(i, strings.Repeat("-", i%3*1500)); got != want {
			t.Fatalf("packet %d is %.20q, want %.20q", i, got, want)
		}
	}
}

func TestEachPacketIsHeldHalfItsRoundTrip(t *testing.T) {
	d := newDevice()
	due := make(chan time.Time, 1)
	before := time.Now()
	d.in <- frameTo(160, "x")
	runLine(t, d, func(h heldFrame) { due <- h.due })
	at := <-due
	if after := time.Now(); at.Before(before.Add(80*time.Millisecond)) || at.After(after.Add(80*time.Millisecond)) {
		t.Errorf("due %s after it was sent, want 80 ms", at.Sub(before))
	}
	<-d.out
}

// jittered returns a frame from a port to the address with a round trip of 40 ms and 15 ms of jitter.
func jittered(port uint16, payload string) []byte {
	frame := frameTo(40, payload)
	frame[offloadHeader+19] = noJitter + 15
	binary.BigEndian.PutUint16(frame[offloadHeader+ipv4Header:], port)
	return frame
}

// holds returns how long a line holds packets of one road.
func holds(r road) []time.Duration {
	line := New(newDevice())
	var all []time.Duration
	for range 1000 {
		all = append(all, line.hold(r))
	}
	return all
}

func TestJitterVariesTheRoundTripBothWays(t *testing.T) {
	all := slices.Sorted(slices.Values(holds(road{roundTrip: 40 * time.Millisecond, jitter: 15 * time.Millisecond})))
	// In one direction it is 20 ms plus or minus 7.5 ms; both directions together take 25 to 55 ms.
	const least, most, near = 12500 * time.Microsecond, 27500 * time.Microsecond, 100 * time.Microsecond
	if low := all[0]; low < least || low > least+near {
		t.Errorf("the shortest is held %s, want %s or a little more", low, least)
	}
	if high := all[len(all)-1]; high > most || high < most-near {
		t.Errorf("the longest is held %s, want %s or a little less", high, most)
	}
	if middle := all[len(all)/2]; middle < 19*time.Millisecond || middle > 21*time.Millisecond {
		t.Errorf("half are held for more than %s, want 20 ms", middle)
	}
}

func TestJitterIsTheSameInEveryRun(t *testing.T) {
	r := road{roundTrip: 40 * time.Millisecond, jitter: 15 * time.Millisecond}
	if first, second := holds(r), holds(r); !slices.Equal(first, second) {
		t.Errorf("%v, then %v", first[:5], second[:5])
	}
}

func TestWithJitterAConnectionKeepsItsOrderAndWaitsForNoOther(t *testing.T) {
	d := newDevice()
	const count = 200
	for i := range count {
		d.in <- jittered(1, fmt.Sprint("a", i))
		d.in <- jittered(2, fmt.Sprint("b", i))
	}
	var mu sync.Mutex
	last := map[byte]time.Time{}
	release := make(chan struct{})
	runLine(t, d, func(h heldFrame) {
		of := payload(h.frame)[0]
		mu.Lock()
		if h.due.Before(last[of]) {
			t.Errorf("%s is due before the one before it", payload(h.frame))
		}
		last[of] = h.due
		mu.Unlock()
		if of == 'a' {
			<-release
		}
	})
	for _, of := range []string{"b", "a"} {
		for i := range count {
			if got, want := payload(<-d.out), fmt.Sprint(of, i); got != want {
				t.Fatalf("%s came, want %s", got, want)
			}
		}
		if of == "b" {
			close(release)
		}
	}
}

func TestAShortRoundTripDoesNotWaitBehindALongOne(t *testing.T) {
	d := newDevice()
	release := make(chan struct{})
	d.in <- frameTo(160, "long")
	d.in <- frameTo(40, "short")
	runLine(t, d, func(h heldFrame) {
		if payload(h.frame) == "long" {
			<-release
		}
	})
	if got := payload(<-d.out); got != "short" {
		t.Errorf("first came %q", got)
	}
	close(release)
	if got := payload(<-d.out); got != "long" {
		t.Errorf("then came %q", got)
	}
}

func TestOtherPacketsAreDropped(t *testing.T) {
	d := newDevice()
	stray := frameTo(40, "stray")
	stray[offloadHeader+17] = 1
	d.in <- stray
	d.in <- []byte("no packet at all")
	d.in <- frameTo(40, "mine")
	runLine(t, d, func(heldFrame) {})
	if got := payload(<-d.out); got != "mine" {
		t.Errorf("first came %q", got)
	}
}

func TestABrokenDeviceIsAnError(t *testing.T) {
	d := newDevice()
	d.broken = errors.New("out of order")
	close(d.in)
	if err := New(d).Run(t.Context()); !errors.Is(err, d.broken) {
		t.Errorf("the line ended with %v", err)
	}
	select {
	case <-d.closed:
	default:
		t.Error("the device is still open")
	}
}

func TestItDoesNotWakeEarly(t *testing.T) {
	at := time.Now().Add(3 * time.Millisecond)
	if sleepUntil(at); time.Now().Before(at) {
		t.Error("woke too early")
	}
	sleepUntil(time.Now().Add(-time.Hour))
}
