package proxy_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/proxy"
)

// checkEvents checks what is true of the events of every connection: Opened first, Closed last, Routed and Answered at
// most once and in order, and counts that never fall.
func (w *world) checkEvents() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	order := map[proxy.EventKind]int{proxy.EventOpened: 1, proxy.EventRouted: 2, proxy.EventAnswered: 3, proxy.EventClosed: 4}
	last := map[uint64]proxy.Event{}
	for _, e := range w.events {
		before, open := last[e.Connection.ID]
		at, is := order[before.Kind], order[e.Kind]
		switch {
		case !open && e.Kind != proxy.EventOpened, is != 0 && open && is <= at:
			w.t.Errorf("event %+v after %+v", e, before)
		case open && (e.Connection.Sent < before.Connection.Sent || e.Connection.Received < before.Connection.Received):
			w.t.Errorf("fewer bytes in %+v than in %+v", e, before)
		case e.Kind == proxy.EventClosed:
			delete(last, e.Connection.ID)
			continue
		case is == 0:
			e.Kind = before.Kind // bytes come at any time
		}
		last[e.Connection.ID] = e
	}
	for _, e := range last {
		w.t.Errorf("%+v is the last event of its connection", e)
	}
}

// kinds returns the kinds of the events of connections to target, in order, without bytes.
func (w *world) kinds(target string) string {
	var kinds []string
	for _, e := range w.eventsOf(target) {
		if e.Kind != proxy.EventBytes {
			kinds = append(kinds, string(e.Kind))
		}
	}
	return strings.Join(kinds, " ")
}

// eventsOf returns the events of connections to target.
func (w *world) eventsOf(target string) []proxy.Event {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var events []proxy.Event
	for _, e := range w.events {
		if e.Connection.Target == target {
			events = append(events, e)
		}
	}
	return events
}

// waitClosed waits for the end of n connections to target.
func (w *world) waitClosed(target string, n int) {
	w.t.Helper()
	eventually(w.t, "closed connections", func() bool { return strings.Count(w.kinds(target), string(proxy.EventClosed)) == n })
}

// event waits for an event of a connection to target.
func (w *world) event(target string, kind proxy.EventKind) proxy.Connection {
	w.t.Helper()
	var c proxy.Connection
	eventually(w.t, "event "+string(kind), func() bool {
		events := w.eventsOf(target)
		i := slices.IndexFunc(events, func(e proxy.Event) bool { return e.Kind == kind })
		if i >= 0 {
			c = events[i].Connection
		}
		return i >= 0
	})
	return c
}

// forgetEvents forgets the events of connections that have ended.
func (w *world) forgetEvents() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.events = nil
}

func TestEventsSayHowFarATunnelIs(t *testing.T) {
	to := target(t, echo)
	w := open(t, direct())
	forEachTunnel(t, to, func(t *testing.T, protocol string, request []byte) {
		w.forgetEvents()
		conn := w.connect()
		_, _ = conn.Write(request)
		skipAnswer(t, protocol, conn)
		if c := w.event(to, proxy.EventRouted); c.Rule != "direct" || c.Stage != proxy.StageRoute {
			t.Errorf("%s: routed %+v", protocol, c)
		}
		if c := w.event(to, proxy.EventAnswered); c.Stage != proxy.StageRelay || c.Err != nil || c.Answer != (proxy.Answer{}) {
			t.Errorf("%s: answered %+v", protocol, c)
		}
		if got := w.kinds(to); got != "opened routed answered" {
			t.Errorf("%s: events %q while the tunnel is open", protocol, got)
		}
		if open := w.server.Connections(); len(open) != 1 || open[0].Target != to || open[0].Stage != proxy.StageRelay {
			t.Errorf("%s: connections %+v", protocol, open)
		}
		_, _ = conn.Write([]byte("ping"))
		_ = conn.CloseWrite()
		if got, err := io.ReadAll(conn); string(got) != "ping" || err != nil {
			t.Errorf("%s: got %q, %v", protocol, got, err)
		}
		if c := w.event(to, proxy.EventClosed); c.Sent != 4 || c.Received != 4 || c.Err != nil || c.Lasted <= 0 {
			t.Errorf("%s: closed %+v", protocol, c)
		}
	})
}

func TestEventsOfFailures(t *testing.T) {
	h := newHanging()
	config := proxy.Config{Rules: []proxy.Rule{
		{Name: "broken", Match: func(_ context.Context, to proxy.Target) (proxy.Dialer, error) {
			if to.Host == "broken.example" {
				return nil, syscall.EHOSTUNREACH
			}
			return nil, nil
		}},
		{Name: "hang", Match: hostIs("hang.example", h)},
		{Name: "direct", Match: hostIs("absent.example", through{})},
	}}
	w := open(t, config)
	for _, c := range []struct {
		to, rule, kinds string
		stage           proxy.Stage
		code            byte
	}{
		{"absent.example:80", "direct", "opened routed answered closed", proxy.StageDial, 4},
		{"broken.example:80", "broken", "opened answered closed", proxy.StageRoute, 4},
		{"nowhere.example:80", "", "opened answered closed", proxy.StageRoute, 2},
	} {
		conn := w.connect()
		_, _ = conn.Write(socksRequest(c.to))
		if code := readSOCKS(t, conn); code != c.code {
			t.Errorf("%s: code %d", c.to, code)
		}
		_, _ = curl(t, "-x", "http://"+w.addr, "http://"+c.to+"/")
		w.waitClosed(c.to, 2)
		for _, e := range w.eventsOf(c.to) {
			at := e.Connection
			switch failed := e.Kind == proxy.EventAnswered || e.Kind == proxy.EventClosed; {
			case failed && (at.Stage != c.stage || at.Err == nil || at.Answer.SOCKS5 != c.code || at.Rule != c.rule):
				t.Errorf("%s: %+v", c.to, e)
			case !failed && (at.Err != nil || at.Answer != (proxy.Answer{})):
				t.Errorf("%s: %+v", c.to, e)
			}
		}
		if got := w.kinds(c.to); got != c.kinds+" "+c.kinds {
			t.Errorf("%s: events %q, want %q twice", c.to, got, c.kinds)
		}
	}
	conn := w.connect()
	_, _ = conn.Write(socksRequest("hang.example:1"))
	<-h.began
	_ = conn.Close() // and gets no answer
	w.waitClosed("hang.example:1", 1)
	if got := w.kinds("hang.example:1"); got != "opened routed closed" {
		t.Errorf("events %q of a client that left", got)
	}
}

func TestEventsOfPlainHTTP(t *testing.T) {
	site := web(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	to := strings.TrimPrefix(site.URL, "http://")
	w := open(t, direct())
	client := w.client()
	for range 3 {
		response, err := client.Post(site.URL, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	w.waitClosed(to, 3)
	if got := w.kinds(to); got != "opened routed answered closed opened routed answered closed opened routed answered closed" {
		t.Errorf("events %q", got)
	}
	ids := map[uint64]bool{}
	for _, e := range w.eventsOf(to) {
		ids[e.Connection.ID] = true
		if e.Kind == proxy.EventAnswered && (e.Connection.Stage != proxy.StageRelay || e.Connection.Received == 0) {
			t.Errorf("%+v", e)
		}
	}
	if len(ids) != 1 {
		t.Errorf("requests of one connection have the numbers %v", ids)
	}
}

// Bytes are reported while they move, at intervals, and only while somebody wants to know.
func TestProgressIsReportedWhileBytesMove(t *testing.T) {
	const interval = 50 * time.Millisecond
	to := target(t, echo)
	w := open(t, direct())
	conn := w.tunnel(to)
	ping := func() {
		if _, err := conn.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
	}
	ping()
	config := direct()
	config.Progress = interval
	begun := time.Now()
	w.server.Reconfigure(config)
	ping()
	var at []time.Time
	moved := func() int64 { // reported so far
		var sum int64
		w.mutex.Lock()
		defer w.mutex.Unlock()
		at = at[:0]
		for _, e := range w.events {
			if e.Kind == proxy.EventBytes {
				sum = e.Connection.Sent + e.Connection.Received
				at = append(at, e.Connection.Opened.Add(e.Connection.Lasted))
			}
		}
		return sum
	}
	eventually(t, "bytes", func() bool { return moved() == 16 })
	pings := 2
	eventually(t, "several reports", func() bool {
		ping()
		pings++
		moved()
		return len(at) >= 3
	})
	eventually(t, "more bytes", func() bool { return moved() == int64(8*pings) })
	if reports, most := len(at), int(time.Since(begun)/interval)+1; reports > most {
		t.Errorf("%d reports in the time for %d", reports, most)
	}

	w.server.Reconfigure(direct()) // nobody wants to know
	pause := len(at)
	ping()
	<-time.After(3 * interval)
	if moved(); len(at) > pause+1 { // one may have been due
		t.Errorf("%d reports for nobody", len(at)-pause)
	}
}

// A consumer that fails, or that asks the Server, hurts no connection.
func TestEventsMayAskTheServerAndMayPanic(t *testing.T) {
	to := target(t, echo)
	config := direct()
	var w *world
	var server atomic.Pointer[proxy.Server]
	config.Events = func(e proxy.Event) {
		s := server.Load()
		w.note(e)
		if open := s.Connections(); e.Kind != proxy.EventClosed && len(open) != 1 {
			t.Errorf("%s: open %+v", e.Kind, open)
		}
		panic(e.Kind)
	}
	w = open(t, config)
	server.Store(w.server)
	conn := w.tunnel(to)
	_, _ = conn.Write([]byte("ping"))
	_ = conn.CloseWrite()
	if got, err := io.ReadAll(conn); string(got) != "ping" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	w.waitReports(1)
	eventually(t, "log", func() bool { return strings.Count(w.logText(), "events panicked") == 4 })
	w.forgetLog()
}
