package portforward

import (
	"slices"
	"sync/atomic"
	"time"

	"fairlead/kube/spdy"
)

const (
	// freshFor is how long after its last byte a session counts as alive without asking.
	freshFor = 20 * time.Second
	// minResponseTimeout is the least that a sign of life may take; three round trips if those are longer.
	minResponseTimeout = 2 * time.Second
	// maxLingering is how many ended connections a session may drag along that the runtime has not let go of yet:
	// it takes up to a second for that.
	maxLingering = 256
	// smallUpload is an upload that fits the socket buffers of any Pod, and so cannot be stuck on the way.
	smallUpload = 64 << 10
	// bulkTransfer is what no short request moves: such a connection has its session for itself.
	bulkTransfer = 256 << 10
)

// A session is one upgraded connection with the container runtime of a Pod. The pool's lock guards its fields.
type session struct {
	*spdy.Session
	pool          *pool
	pod           *pod
	who           identity
	carrier       string
	secrets       []string // of the request for it, which must not get into a log
	begun         time.Time
	carried       int       // connections that have had it
	users         int       // connections that have it
	since         time.Time // of its last change between connections and idleness
	takenAt       time.Time // when it was last given to a connection
	movedBefore   int64     // bytes it had moved when it was given from idleness
	droppedBefore int64     // bytes that had come for ended connections by then
	retired       bool
	retiredFor    string // it was retired; empty when it was not
	silent        bool   // it was found silent
	// suspected reports that it is being found out whether a stream is accepted that was left.
	suspected bool
	// doubtful reports that some of its streams may be held up for good, though it answers pings.
	doubtful atomic.Bool
	// unproven are the targets of its connections, since it was last idle, that had not answered before they got it.
	unproven []Endpoint
	attempts []*attempt // that have it
	// left are the error streams of connections that were left before they were answered, though bytes were sent.
	unanswered []*spdy.Stream
	// draining says that its last connection left something behind that must end first.
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
		pool:    p.pool, pod: p, who: conn.who, carrier: conn.carrier, secrets: conn.secrets, begun: now, since: now, takenAt: now,
	}
}

// take gives s to one more connection, with ep.
func (s *session) take(ep Endpoint, now time.Time) {
	if s.users == 0 {
		st := s.State()
		s.movedBefore, s.droppedBefore, s.draining = st.Sent+st.Received, st.Dropped, false
		s.since, s.unproven, s.unanswered = now, nil, nil
	}
	if !s.pool.targets.proven(ep, now) && !slices.Contains(s.unproven, ep) {
		s.unproven = append(s.unproven, ep)
	}
	s.carried++
	s.users++
	s.takenAt = now
}

// isFit says whether an idle session can carry another connection.
func (s *session) isFit(now time.Time) bool {
	st := s.State()
	return !s.retired && !s.hasLateRefusal() && !(s.draining && st.Lingering > 0) && s.Err() == nil && !st.Away && !st.Mid && st.Used < 1<<30 &&
		st.Lingering <= maxLingering && st.Dropped-s.droppedBefore < smallUpload &&
		st.Pinging < responseTimeout(st.RTT) && age(now, st.Heard) < freshFor+minResponseTimeout && st.Heard.After(s.pool.doubted)
}

// hasLateRefusal reports whether the runtime had to say something, a refusal most likely, of a connection with bytes after it
// was left.
func (s *session) hasLateRefusal() bool {
	refused := false
	s.unanswered = slices.DeleteFunc(s.unanswered, func(errs *spdy.Stream) bool {
		said := errs.Text() != ""
		refused = refused || said
		return !said && errs.Progress().Ended != nil
	})
	return refused
}

// age is the time since t by the wall clock, which goes on while the machine sleeps.
func age(now, t time.Time) time.Duration { return now.Round(0).Sub(t.Round(0)) }

// responseTimeout is how long a sign of life may take.
func responseTimeout(rtt time.Duration) time.Duration { return max(minResponseTimeout, 3*rtt) }

// isShareable says whether a session with connections can carry one more: it moves, and has nothing that could jam it.
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

// isYoung reports whether the session's connections belong to the burst of now, or to that of a claim that has waited since
// asked, and are no bulk transfers.
func (s *session) isYoung(now, asked time.Time, rtt time.Duration) bool {
	st := s.State()
	burst := s.since.After(asked) || now.Sub(s.since) < max(2*rtt, 250*time.Millisecond)
	return burst && st.Sent+st.Received-s.movedBefore < bulkTransfer
}

// burden orders sessions by how unwelcome one more connection is.
func (s *session) burden(now time.Time) float64 {
	return float64(s.users) + s.bytesPerSecond(now, s.State())/(64<<10)
}

// bytesPerSecond is how many bytes a second the session moves.
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
