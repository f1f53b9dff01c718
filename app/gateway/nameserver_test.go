package gateway

import (
	"context"
	"net"
	"testing"
	"time"

	"fairlead/app/session"
)

// freeInBoth reports whether nothing listens at an address, in UDP and in TCP.
func freeInBoth(t *testing.T, address string) (packets, connections bool) {
	t.Helper()
	if p, err := net.ListenPacket("udp4", address); err == nil {
		packets = p.Close() == nil
	}
	if l, err := net.Listen("tcp4", address); err == nil {
		connections = l.Close() == nil
	}
	return packets, connections
}

// A nameserver comes and goes with its context, and with the settings while the context is on.
func TestANameserverListensWhileItsContextIsOn(t *testing.T) {
	g := demoGateways(t, anyPort)
	at, next := freeAddress(t), freeAddress(t)
	writeSettings(t, g, "contexts: {demo: {dns: "+at.String()+"}}\n")
	ctx, off := context.WithCancel(t.Context())
	p, served := startDemo(t, ctx, g)
	want := session.Endpoint{Address: at.String(), Kind: session.DNSEndpoint, Protocol: "dns"}
	if got := p.Endpoints(); len(got) != 2 || got[1] != want || len(got.Forwards()) != 0 {
		t.Errorf("it has %+v", got)
	}
	if packets, connections := freeInBoth(t, at.String()); packets || connections {
		t.Errorf("while it is on: UDP free %t, TCP free %t", packets, connections)
	}
	writeSettings(t, g, "contexts: {demo: {dns: "+next.String()+"}}\n")
	if err := p.Reconfigure(ctx); err != nil {
		t.Fatal(err)
	}
	if packets, connections := freeInBoth(t, at.String()); !packets || !connections {
		t.Errorf("after it moved: UDP free %t, TCP free %t", packets, connections)
	}
	off()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if packets, connections := freeInBoth(t, next.String()); !packets || !connections {
		t.Errorf("when it is off: UDP free %t, TCP free %t", packets, connections)
	}
}

// A port that is taken for datagrams alone is reported, accepts no connections, and is opened once it is free.
func TestATakenPortForDatagramsIsSaidAndTriedAgain(t *testing.T) {
	taken, err := net.ListenPacket("udp4", freeAddress(t).String())
	if err != nil {
		t.Fatal(err)
	}
	at := taken.LocalAddr().String()
	g := demoGateways(t, anyPort)
	writeSettings(t, g, "contexts: {demo: {dns: "+at+"}}\n")
	ctx, off := context.WithCancel(t.Context())
	p, served := startDemo(t, ctx, g)
	if got := p.Endpoints()[1]; got.Problem == "" {
		t.Errorf("it has %+v", got)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(30 * time.Second)
	for p.Endpoints()[1].Problem != "" {
		select {
		case <-p.Changed():
		case <-deadline:
			t.Fatalf("it is not opened: %+v", p.Endpoints()[1])
		}
	}
	off()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
