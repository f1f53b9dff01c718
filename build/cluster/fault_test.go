package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestDroppedStreamsAreResetAndTheSessionLivesOn(t *testing.T) {
	overBoth(t, func(t *testing.T, protocol string) {
		s := mustDial(t, shared, protocol, "db-0")
		f := s.open(5432)
		f.send("open")
		f.receive(len("open"))
		shared.mustPost(t, "drop-streams", `{"pod":"default/db-0"}`)
		if _, failure := f.rest(); !strings.Contains(failure, "connection reset by peer") {
			t.Errorf("%q", failure)
		}
		again := s.open(5432)
		again.send("again")
		if got := again.receive(len("again")); got != "again" {
			t.Errorf("%q", got)
		}
	})
}

func TestDroppedSessionsEnd(t *testing.T) {
	s := mustDial(t, shared, "spdy", "db-0")
	f := s.open(5432)
	f.send("open")
	f.receive(len("open"))
	shared.mustPost(t, "drop-sessions", `{"pod":"default/db-0"}`)
	select {
	case <-s.conn.CloseChan():
	case <-time.After(20 * time.Second):
		t.Error("the session is still open")
	}
	eventually(t, "nothing is open", func() bool {
		stats := shared.podStats(t, "default/db-0")
		return stats.SessionsOpen == 0 && stats.StreamsOpen == 0
	})
}

func TestNodeRefusesUpgradesOfOneProtocol(t *testing.T) {
	shared.healAtEnd(t)
	config := shared.restConfig(t, shared.Kubeconfig, "demo")
	for _, test := range []struct{ refused, welcome string }{{"websocket", "spdy"}, {"spdy", "websocket"}} {
		shared.mustPost(t, "refuse-upgrades", fmt.Sprintf(`{"protocol":%q,"status":403}`, test.refused))
		if _, err := dial(t, config, test.refused, "default", "db-0"); err == nil {
			t.Errorf("%s is not refused", test.refused)
		}
		if _, err := dial(t, config, test.welcome, "default", "db-0"); err != nil {
			t.Errorf("%s is refused: %v", test.welcome, err)
		}
		shared.mustPost(t, "refuse-upgrades", fmt.Sprintf(`{"protocol":%q,"status":0}`, test.refused))
		if _, err := dial(t, config, test.refused, "default", "db-0"); err != nil {
			t.Errorf("%s is still refused: %v", test.refused, err)
		}
	}
}

func TestMiddleboxRefusesUpgradesOfOneProtocol(t *testing.T) {
	shared.healAtEnd(t)
	config := shared.restConfig(t, shared.KubeconfigMiddlebox, "demo")
	for _, test := range []struct{ refused, welcome string }{{"websocket", "spdy"}, {"spdy", "websocket"}} {
		shared.mustPost(t, "middlebox", fmt.Sprintf(`{"protocol":%q,"status":400}`, test.refused))
		_, err := dial(t, config, test.refused, "default", "db-0")
		if err == nil || !strings.Contains(err.Error(), "this proxy passes no such upgrade") {
			t.Errorf("%s: %v", test.refused, err)
		}
		s, err := dial(t, config, test.welcome, "default", "db-0")
		if err != nil {
			t.Fatalf("%s: %v", test.welcome, err)
		}
		f := s.open(5432)
		f.send("through")
		if got := f.receive(len("through")); got != "through" {
			t.Errorf("%q", got)
		}
		shared.mustPost(t, "middlebox", fmt.Sprintf(`{"protocol":%q,"status":0}`, test.refused))
	}
}

func TestDelaysHoldUpASessionAndAConnection(t *testing.T) {
	shared.healAtEnd(t)
	shared.mustPost(t, "delay", `{"pod":"default/db-0","upgradeMilliseconds":700,"connectMilliseconds":600}`)
	began := time.Now()
	s := mustDial(t, shared, "spdy", "db-0")
	if took := time.Since(began); took < 700*time.Millisecond {
		t.Errorf("session after %v", took)
	}
	began = time.Now()
	f := s.open(5432)
	f.send("slow")
	f.receive(len("slow"))
	if took := time.Since(began); took < 600*time.Millisecond {
		t.Errorf("answer after %v", took)
	}
}

func TestBlackholeMovesNoByteUntilItIsHealed(t *testing.T) {
	shared.healAtEnd(t)
	f := mustDial(t, shared, "websocket", "db-0").open(5432)
	f.send("before")
	f.receive(len("before"))
	shared.mustPost(t, "blackhole", `{"pod":"default/db-0","on":true}`)
	f.send("during")
	read := make(chan string, 1)
	go func() { read <- f.receive(len("during")) }()
	select {
	case got := <-read:
		t.Fatalf("%q came out of the black hole", got)
	case <-time.After(time.Second):
	}
	shared.mustPost(t, "blackhole", `{"pod":"default/db-0","on":false}`)
	if got := <-read; got != "during" {
		t.Errorf("%q", got)
	}
}

func TestOrdersThatMakeNoSenseAreRefused(t *testing.T) {
	for what, body := range map[string]string{
		"refuse-upgrades": `{"protocol":"gopher","status":403}`,
		"middlebox":       `{"protocol":"spdy","status":200}`,
		"drop-streams":    `{"pod":"default/nobody"}`,
		"delay":           `{"pod":"nobody"}`,
		"blackhole":       `{`,
	} {
		if refusal := shared.post(t, what, body); !strings.HasPrefix(refusal, "400") {
			t.Errorf("%s %s: %q", what, body, refusal)
		}
	}
}

func TestCountersReturnToNothingOpen(t *testing.T) {
	s := mustDial(t, shared, "websocket", "db-1")
	f := s.open(5432)
	f.send("open")
	f.receive(len("open"))
	stats := shared.podStats(t, "default/db-1")
	if stats.SessionsOpen != 1 || stats.StreamsOpen != 1 || stats.BytesIn < 4 || stats.BytesOut < 4 {
		t.Errorf("while it is open: %+v", stats)
	}
	if err := s.conn.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	eventually(t, "nothing is open", func() bool {
		stats := shared.podStats(t, "default/db-1")
		return stats.SessionsOpen == 0 && stats.StreamsOpen == 0
	})
}
