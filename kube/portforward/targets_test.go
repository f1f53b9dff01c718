package portforward

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func TestWhoSpeaksFirstIsRemembered(t *testing.T) {
	w := newWorld(t)
	w.program(21, func(c net.Conn) { io.WriteString(c, "220 hello\n"); io.Copy(io.Discard, c) })
	f := w.forwarder(nil)
	unknown := f.pool.targets.firstWriteWait(at(21)[0], time.Now())
	greeting := mustDial(t, f, 21)
	defer greeting.Close()
	if _, err := io.ReadFull(greeting, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	asked := mustDial(t, f, 7)
	defer asked.Close()
	echoes(t, asked, "hello")
	now := time.Now()
	if got := f.pool.targets.firstWriteWait(at(21)[0], now); got != 0 {
		t.Errorf("a connection waits %v for the client of a Pod that greets", got)
	}
	if got := f.pool.targets.firstWriteWait(at(7)[0], now); got <= unknown {
		t.Errorf("a connection waits %v for a client that speaks first, %v if it is unknown", got, unknown)
	}
	if got := f.pool.targets.firstWriteWait(at(7)[0], now.Add(2*provenFor)); got != unknown {
		t.Errorf("it is remembered for ever: %v", got)
	}
}

func TestTargetsAreBoundedAndForgotten(t *testing.T) {
	var seen targets
	now := time.Now()
	refused := errors.New("refused")
	for i := range 3 * maxTargets {
		seen.markRefused(Endpoint{Namespace: "ns", Pod: "pod", Port: i}, refused, now)
	}
	if n := len(seen.refusals.facts); n > maxTargets {
		t.Errorf("%d targets", n)
	}
	ep := at(7)[0]
	seen.markRefused(ep, refused, now)
	if err := seen.lastRefusal(ep, now.Add(refusedFor-1)); err == nil {
		t.Error("a refusal is not remembered")
	}
	if err := seen.lastRefusal(ep, now.Add(refusedFor)); err != nil || seen.proven(ep, now) {
		t.Errorf("a refusal is remembered for ever: %v", err)
	}
	seen.markAnswered(&ep, true, now)
	if !seen.proven(ep, now.Add(provenFor-1)) || seen.proven(ep, now.Add(provenFor)) {
		t.Error("a proof holds for the wrong time")
	}
}
