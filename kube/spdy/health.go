package spdy

import "time"

// A health is what a session knows of the path of its connection.
type health struct {
	lastHeard     time.Time // with its wall clock, which keeps running while the machine sleeps
	sentWhenHeard int64     // what had been sent when something was last heard
	nextPing      uint32
	pingID        uint32
	pingSent      time.Time     // of the ping that is under way, zero if none is
	rtt           time.Duration // smoothed round trip of the pings

	probes  [2]uint32     // the first and the last of the pings of the last probe
	probed  time.Time     // when they were sent, zero if there was none
	proved  time.Time     // when those were sent of which one was answered
	proving time.Duration // how long that took
}

// markHeard records that bytes came.
func (s *Session) markHeard() {
	s.health.lastHeard = time.Now()
	s.health.sentWhenHeard = s.sent
}

// Ping sends a ping, unless one is not answered yet. It does not wait; State has the result.
func (s *Session) Ping() {
	s.mu.Lock()
	s.pingLocked()
	s.mu.Unlock()
	s.flush()
}

func (s *Session) pingLocked() {
	if !s.health.pingSent.IsZero() || s.err != nil {
		return
	}
	s.health.pingID = s.health.nextPing
	s.health.nextPing += 2
	s.health.pingSent = time.Now()
	s.control = appendPing(s.control, s.health.pingID)
	s.turns.interrupt(s.turns.watcher)
}

// Probe sends pings whose answer proves that the peer has read all that was sent so far. A peer may spread pings over
// workers, of which some may be blocked, so that one ping may stay unanswered by a peer that reads: a probe is one ping
// for each worker. It does not wait; State has the result.
func (s *Session) Probe() {
	s.mu.Lock()
	if h := &s.health; s.err == nil && len(s.control) <= maxControlQueue {
		h.probed = time.Now()
		h.probes[0] = h.nextPing
		for range s.cfg.Workers {
			h.probes[1] = h.nextPing
			s.control = appendPing(s.control, h.nextPing)
			h.nextPing += 2
		}
		s.turns.interrupt(s.turns.watcher)
	}
	s.mu.Unlock()
	s.flush()
}

// maxControlQueue limits how many bytes of small frames may wait to be sent. Only a peer that sends pings faster than
// it reads their answers needs more.
const maxControlQueue = 16 << 10

// handlePing answers a ping of the peer (even ids), or measures the round trip by the answer to one of ours.
func (s *Session) handlePing(id uint32) error {
	h := &s.health
	if id%2 == 0 {
		if len(s.control) > maxControlQueue {
			return violation("pings faster than their answers are read")
		}
		s.control = appendPing(s.control, id)
		s.mu.Unlock()
		s.flush()
		s.mu.Lock()
		return nil
	}
	if id >= h.probes[0] && id <= h.probes[1] && !h.probed.IsZero() {
		if h.proved != h.probed {
			h.proved, h.proving = h.probed, h.lastHeard.Sub(h.probed)
		}
		return nil
	}
	if id != h.pingID || h.pingSent.IsZero() {
		return nil // an answer to a ping that was given up
	}
	rtt := h.lastHeard.Sub(h.pingSent)
	h.pingSent = time.Time{}
	if h.rtt == 0 {
		h.rtt = rtt
	} else {
		h.rtt += (rtt - h.rtt) / 4
	}
	return nil
}
