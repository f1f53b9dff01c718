package portforward

import (
	"slices"
	"sync/atomic"
	"time"

	"fairlead/kube/spdy"
)

const (
	// freshFor is how long after its last byte a session counts as alive without a ping.
	freshFor = 20 * time.Second
	// minResponseTimeout is the least time that a peer has to respond; it has three round trips if those are longer.
	minResponseTimeout = 2 * time.Second
	// maxLingering is how many ended connections of a session the runtime may still hold, which takes it up to a
	// second.
	maxLingering = 256
	// smallUpload is an upload that fits the socket buffers of any Pod, and so cannot be stuck on the way.
	smallUpload = 64 << 10
	// bulkTransfer is more than a short request moves: such a connection shares its session with no other.
	bulkTransfer = 256 << 10
)

// A session is one upgraded connection with the container runtime of a Pod. The pool's lock guards its fields.
type session struct {
	*spdy.Session
	pool          *pool
	pod           *pod
	identity      identity
	protocol      string
	secrets       []string // in the request for it, which must not be logged
	begun         time.Time
	carried       int       // connections that it has carried
	users         int       // connections that it carries now
	since         time.Time // when it last became idle, or stopped being so
	movedBefore   int64     // bytes that it had moved when it was last taken while idle
	droppedBefore int64     // bytes that had been dropped by then
	retired       bool
	retiredFor    string // why it was retired; empty if it was not
	silent        bool   // it did not answer
	// suspected reports whether a goroutine finds out if it accepts a stream of an attempt that was given up.
	suspected bool
	// doubtful reports whether some of its streams may be held up for good, though it answers pings.
	doubtful atomic.Bool
	// unproven are the targets of its connections since it was last idle that had not answered before.
	unproven []Endpoint
	attempts []*attempt // those that use it
	// unanswered are the error streams of connections that were closed before they were answered, though bytes were
	// sent.
	unanswered []*spdy.Stream
	// draining reports whether streams of its last connection must end before it can carry another.
	draining bool
	watched  bool // a goroutine reads it while it is idle
	sampled  sample
}

// A sample measures how busy a session is.
type sample struct {
	at    time.Time
	moved int64
	rate  float64 // bytes per second
}

func newSession(p *pod, conn *upgraded, now time.Time) *session {
	return &session{
		Session: spdy.NewSession(conn, spdy.Config{Memory: p.pool.memory}),
		pool:    p.pool, pod: p, identity: conn.identity, protocol: conn.protocol, secrets: conn.secrets, begun: now, since: now,
	}
}

// take adds a connection to ep.
func (s *session) take(ep Endpoint, now time.Time) {
	if s.users == 0 {
		st := s.State()
		s.movedBefore, s.droppedBefore, s.draining = st.Sent+st.Received, st.Dropped, false
		s.since, s.unproven, s.unanswered = now, nil, nil
	}
	if !s.pool.targets.proven(ep, now) && !slices.Contains(s.unproven, ep.Identity()) {
		s.unproven = append(s.unproven, ep.Identity())
	}
	s.carried++
	s.users++
}

// isFit reports whether an idle session can carry another connection.
func (s *session) isFit(now time.Time) bool {
	st := s.State()
	return !s.retired && !s.hasLateRefusal() && !(s.draining && st.Lingering > 0) && s.Err() == nil && !st.Away && !st.Mid && st.Used < 1<<30 &&
		st.Lingering <= maxLingering && st.Dropped-s.droppedBefore < smallUpload &&
		st.Pinging < responseTimeout(st.RTT) && age(now, st.Heard) < freshFor+minResponseTimeout && st.Heard.After(s.pool.doubted)
}

// hasLateRefusal reports whether the runtime reported something, most likely a refusal, of a connection with bytes
// after it was closed.
func (s *session) hasLateRefusal() bool {
	refused := false
	s.unanswered = slices.DeleteFunc(s.unanswered, func(errs *spdy.Stream) bool {
		said := errs.Text() != ""
		refused = refused || said
		return !said && errs.Progress().Ended != nil
	})
	return refused
}

// age returns the time since t by the wall clock, which keeps running while the machine sleeps.
func age(now, t time.Time) time.Duration { return now.Round(0).Sub(t.Round(0)) }

// responseTimeout returns how long a peer has to respond.
func responseTimeout(rtt time.Duration) time.Duration { return max(minResponseTimeout, 3*rtt) }

// isShareable reports whether a session with connections can carry one more: bytes flow, and nothing on it can block
// it.
func (s *session) isShareable(now time.Time) bool {
	st := s.State()
	return !s.retired && !s.hasLateRefusal() && s.Err() == nil && !st.Away && st.Used < 1<<30 && st.Blocked == 0 &&
		st.Writing < 50*time.Millisecond && st.Heard.After(s.pool.doubted) && st.Pinging < responseTimeout(st.RTT) && s.bytesPerSecond(now, st) < 1<<20
}

// allProven reports whether the targets of all its connections have answered by now.
func (s *session) allProven(now time.Time) bool {
	s.unproven = slices.DeleteFunc(s.unproven, func(ep Endpoint) bool { return s.pool.targets.proven(ep, now) })
	return len(s.unproven) == 0
}

// isYoung reports whether the session's connections belong to the current burst, or to that of a connection that has
// waited since asked, and are no bulk transfers.
func (s *session) isYoung(now, asked time.Time, rtt time.Duration) bool {
	st := s.State()
	burst := s.since.After(asked) || now.Sub(s.since) < max(2*rtt, 250*time.Millisecond)
	return burst && st.Sent+st.Received-s.movedBefore < bulkTransfer
}

// burden returns a measure of how much one more connection would suffer on s.
func (s *session) burden(now time.Time) float64 {
	return float64(s.users) + s.bytesPerSecond(now, s.State())/(64<<10)
}

// bytesPerSecond returns how many bytes a second the session moves.
func (s *session) bytesPerSecond(now time.Time, st spdy.State) float64 {
	moved := st.Sent + st.Received
	if passed := now.Sub(s.sampled.at); passed > 500*time.Millisecond {
		if !s.sampled.at.IsZero() {
			s.sampled.rate = float64(moved-s.sampled.moved) / passed.Seconds()
		}
		s.sampled.at, s.sampled.moved = now, moved
	}
	return s.sampled.rate
}
